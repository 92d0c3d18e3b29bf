"""Live inference: the one part of the server that loads models."""
