"""The user's side of a hub."""
