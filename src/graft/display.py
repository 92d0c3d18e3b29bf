"""Small tables that print well in a terminal and render as HTML in a notebook."""

import html
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_LONGEST_CELL = 300


@dataclass(frozen=True)
class Table:
    """Rows to look at.

    Attributes:
        title: What they are.
        columns: The heading of each column; one that ends in a space is set flush right.
        rows: The cells.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich__(self) -> RichTable:
        title = Text(self.title, style="bold") if self.title else None
        table = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for column in self.columns:
            table.add_column(column.strip(), justify="right" if column.endswith(" ") else "left")
        for row in self.rows:
            table.add_row(*(Text(_shorten(cell)) for cell in row))
        return table

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(column.strip())}</th>" for column in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shorten(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<tr>{head}</tr>{body}</table>"


def show(table: Any) -> None:
    """Shows what prints with Rich and has HTML for notebooks, in whichever of them the user is."""
    if "IPython" in sys.modules:
        ipython = sys.modules["IPython"]
        if ipython.get_ipython() is not None:
            ipython.display.display(table)
            return
    Console().print(table)


def _shorten(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else cell[: _LONGEST_CELL - 3] + "..."
