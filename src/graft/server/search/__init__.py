"""The index behind listing and search."""
