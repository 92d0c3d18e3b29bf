"""The command `graft`: one file per command group."""

from graft.cli.app import main

__all__ = ["main"]
