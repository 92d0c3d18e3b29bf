"""The journey that `graft demo` walks, and its data set."""
