"""What every command prints with: results on standard output, everything else on standard error.

Commands import from here so that `--json` means the same everywhere: one JSON value on standard
output, nothing else there.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs to read.")]


def results() -> "Console":
    """A console on standard output: what was asked for.

    Piped to a file or a program, lines keep their full width.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    return Console(width=width, highlight=False)


def notices() -> "Console":
    """A console on standard error: progress, notices and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Prints one JSON value on standard output, UTF-8 kept as it is.

    Whatever JSON does not know (paths, dates) is written as text.
    """
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of text as a table on standard output; no text is read as Rich markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(Text(column), header_style="bold", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    results().print(table)


def print_error(message: str, *, as_json: bool) -> None:
    """Prints an error on standard error: `error: ...`, or `{"error": ...}` for programs."""
    if as_json:
        sys.stderr.write(json.dumps({"error": message}, ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    notices().print(Text.assemble(("error: ", "bold red"), message))
