"""The text of a data set's card: figures of each configuration, beside what people wrote."""

import json
import re
from collections.abc import Mapping

from graft.data.roles import Roles
from graft.data.writing.card import DEFAULT
from graft.data.writing.figures import Figures


def body_with(body: str, title: str, config: str, section: str) -> str:
    """The text of a card with the section of a configuration added, or put in place of the old one.

    All else stays as it is. Comments, which nobody sees, mark where a section begins and ends. A
    card without text gets `title` as its heading.
    """
    start, end = f"<!-- figures of {config} -->", f"<!-- end of figures of {config} -->"
    marked = f"{start}\n\n{section}\n{end}"
    found = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if found.search(body):
        return found.sub(lambda _: marked, body, count=1)
    before = body.strip("\n") or f"# {plain(title)}"
    return f"{before}\n\n{marked}\n"


def section_of(
    title: str,
    config: str,
    roles: Roles,
    classes: Mapping[str, list[str]],
    figures: Mapping[str, Figures],
) -> str:
    """What a card tells of a configuration: columns, splits, balance of classes, how to load it.

    Args:
        title: what it is loaded by.
        config: its name.
        roles: its columns by role.
        classes: the names of the classes of each column that has a balance.
        figures: of each split.
    """
    named = config != DEFAULT
    level = "###" if named else "##"
    parts = [f"## {plain(config)}"] if named else []
    columns = [f"{role.replace('_', ' ')}: `{column}`" for role, column in roles.given().items()]
    if columns:
        parts.append(f"Columns: {', '.join(columns)}.")
    parts += [f"{level} Splits", _splits(figures)]
    for column, names in classes.items():
        balances = [split.balance[column].tolist() for split in figures.values()]
        rows = [
            [name, *map(_counted, counts)] for name, *counts in zip(names, *balances, strict=True)
        ]
        heading = "Labels" if column == roles.label else "Tags"
        parts += [
            f"{level} {heading}",
            _table(["label" if heading == "Labels" else "tag", *figures], rows),
        ]
    return "\n\n".join([*parts, f"{level} How to load it", _usage(title, config)]) + "\n"


def plain(text: str) -> str:
    """Text that Markdown leaves as it is, in one line."""
    escaped = "".join(f"\\{mark}" if mark in "\\`*_{}[]<>#|" else mark for mark in text)
    return " ".join(escaped.split())


def _splits(figures: Mapping[str, Figures]) -> str:
    unit = next(iter(figures.values())).unit
    header = ["split", "rows"]
    if unit:
        header += [f"{unit} per row (mean)", "median", "longest"]
    rows = [[name, _counted(one.rows), *one.lengths()] for name, one in figures.items()]
    return _table(header, rows)


def _usage(title: str, config: str) -> str:
    given = json.dumps(title, ensure_ascii=False)
    if config != DEFAULT:
        given += f", config={json.dumps(config)}"
    return f"```python\nimport graft\n\ndata = graft.load_dataset({given})\n```"


def _counted(number: int) -> str:
    return f"{number:,}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    lines += [[plain(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
