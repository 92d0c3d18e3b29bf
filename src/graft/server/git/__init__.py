"""Bare git repositories and smart HTTP."""
