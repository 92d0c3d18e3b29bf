"""Packed networks: no padding, anywhere."""
