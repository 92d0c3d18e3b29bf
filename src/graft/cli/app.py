"""The command line's root: its groups, and what an error looks like to a user."""

import sys

import typer
from rich.console import Console

from graft.errors import GraftError

app = typer.Typer(
    name="graft",
    help="Transfer learning for text, end to end, on a hub of your own.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs the command line: an error is one clear message on standard error and exit code 2."""
    try:
        app()
    except GraftError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", markup=True, highlight=False)
        sys.exit(error.exit_code)
