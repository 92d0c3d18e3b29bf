"""Data sets that are read while they are used, with verbs that work on what is read."""
