"""One file per architecture: its configuration and tensor names, as data."""
