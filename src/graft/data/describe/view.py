"""A description in a terminal, in a notebook, and as a page of its own."""

import io
from html import escape
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.text import Text

from graft.data.describe.notes import notes_of
from graft.data.describe.sections import Bar, Cell, Section, sections
from graft.display import Table

if TYPE_CHECKING:
    from graft.data.describe.figures import Description

_WIDTH = 120
_ROWS_IN_TERMINAL = 15
_ROWS_IN_HTML = 500
_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LONGEST_CELL = 80

# Colours are those of the page around, so that they suit it, light or dark.
_STYLE = """
.graft-figures { font: 14px/1.5 system-ui, sans-serif; }
.graft-figures .t { overflow-x: auto; }
.graft-figures table { border-collapse: collapse; margin: 1.5em 0; font-size: inherit; }
.graft-figures caption { text-align: left; font-weight: 600; padding: .3em .6em; min-width: 16em; }
.graft-figures th, .graft-figures td {
  padding: .2em .6em; text-align: left; vertical-align: top; background: none;
  border-bottom: 1px solid rgba(128, 128, 128, .35); max-width: 40em; overflow-wrap: break-word;
}
.graft-figures th { font-weight: 600; }
.graft-figures .n { text-align: right; font-variant-numeric: tabular-nums; }
.graft-figures .b { min-width: 11em; font-variant-numeric: tabular-nums; }
.graft-figures .b span {
  display: block; height: .35em; min-width: 1px; background: #3a8f4d; border-radius: 2px;
}
"""
_PAGE_STYLE = """
:root { color-scheme: light dark; }
h1 { font-size: 1.6em; overflow-wrap: anywhere; }
body { margin: 2em auto; max-width: 75em; padding: 0 1em; font: 14px/1.5 system-ui, sans-serif; }
"""


def as_rich(description: "Description") -> RenderableType:
    """Tables for a terminal, and the remarks below them."""
    parts: list[RenderableType] = [Text(description.source, style="bold"), Text("")]
    parts += [_table(section) for section in sections(description, _ROWS_IN_TERMINAL)]
    parts += [Text(note, style="yellow") for note in notes_of(description)]
    return Group(*parts)


def as_text(description: "Description") -> str:
    """The same in plain text."""
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(as_rich(description))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def fragment(description: "Description", *, with_source: bool = True) -> str:
    """The same as HTML to be set into a page."""
    remarks = "".join(f"<li>{escape(note)}</li>" for note in notes_of(description))
    tables = "".join(_html_table(section) for section in sections(description, _ROWS_IN_HTML))
    heading = f"<p><strong>{escape(description.source)}</strong></p>" if with_source else ""
    return (
        f'<div class="graft-figures"><style>{_STYLE}</style>{heading}'
        f"{f'<ul>{remarks}</ul>' if remarks else ''}{tables}</div>"
    )


def page(description: "Description") -> str:
    """The same as a whole page."""
    title = escape(f"Figures of {description.source}")
    body = fragment(description, with_source=False)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_PAGE_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def _table(section: Section) -> Table:
    rows = [[_as_text(cell) for cell in row] for row in section.rows]
    return Table(section.title, section.columns, rows)


def _as_text(cell: Cell) -> str:
    if isinstance(cell, Bar):
        return f"{_blocks(cell.share)} {cell.text}"
    line = " ".join(cell.split())
    return line if len(line) <= _LONGEST_CELL else f"{line[: _LONGEST_CELL - 1]}…"


def _blocks(share: float) -> str:
    """A bar of blocks, to an eighth of one."""
    eighths = max(round(share * _BAR * 8), 1)
    full, part = divmod(eighths, 8)
    return f"{'█' * full}{_EIGHTHS[part] if part else ''}".ljust(_BAR)


def _html_table(section: Section) -> str:
    numbers = [heading.endswith(" ") for heading in section.columns]
    head = "".join(
        f'<th scope="col"{_class(is_number)}>{escape(heading.strip())}</th>'
        for heading, is_number in zip(section.columns, numbers, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_html_cell, row, numbers))}</tr>" for row in section.rows)
    title = escape(section.title)
    # A table wider than the page is scrolled by itself, by keyboard too.
    return (
        f'<div class="t" role="region" tabindex="0" aria-label="{title}">'
        f"<table><caption>{title}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _html_cell(cell: Cell, is_number: bool) -> str:
    if isinstance(cell, Bar):
        bar = f'<span aria-hidden="true" style="width: {100 * cell.share:.1f}%"></span>'
        return f'<td class="b">{escape(cell.text)}{bar}</td>'
    return f"<td{_class(is_number)}>{escape(cell)}</td>"


def _class(is_number: bool) -> str:
    return ' class="n"' if is_number else ""
