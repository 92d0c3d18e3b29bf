"""Repositories of another hub, fetched when they are first asked for and kept."""
