"""One running Hub: its processes, and what happens around every request."""
