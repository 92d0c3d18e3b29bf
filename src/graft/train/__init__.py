"""The training loop and what hooks into it."""
