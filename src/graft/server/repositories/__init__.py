"""Repositories: finding, making, changing and deleting them."""
