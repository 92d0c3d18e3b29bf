"""Rows that are alike, exactly or nearly: found within a data set and over splits."""
