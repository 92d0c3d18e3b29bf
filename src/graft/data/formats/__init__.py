"""The formats that Graft reads: a module each, and what they share."""
