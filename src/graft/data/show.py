"""How a data set shows itself: in a terminal, as plain text, and in a notebook."""

import io
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from graft.data.features import (
    Array,
    ClassLabel,
    Feature,
    Json,
    Kept,
    Sequence,
    Struct,
    Translation,
)

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

_WIDTH = 100
_CLASSES_SHOWN = 10
_Splits = Mapping[str, "Dataset"]
_Cells = list[list[str]]


def summary(dataset: "Dataset") -> str:
    """The columns with their types and the roles, in a line."""
    columns = ", ".join(f"{name}: {kind(feature)}" for name, feature in dataset.features.items())
    return f"{{{columns}; text {dataset.roles.text!r}, label {dataset.roles.label!r}}}"


def kind(feature: Feature) -> str:
    """A feature in a few words, such as "6 classes" or "list of string"."""
    if isinstance(feature, ClassLabel):
        return f"{len(feature.names):,} class{'es' * (len(feature.names) != 1)}"
    if isinstance(feature, Sequence):
        return f"list of {kind(feature.feature)}"
    if isinstance(feature, Struct):
        return f"record of {', '.join(feature.fields)}"
    if isinstance(feature, Translation):
        return f"text in {', '.join(feature.languages)}"
    if isinstance(feature, Array):
        shape = " x ".join("any" if size is None else str(size) for size in feature.shape)
        return f"array of {shape} {feature.dtype}"
    if isinstance(feature, Json):
        return "JSON"
    return feature.kind.lower() if isinstance(feature, Kept) else feature.dtype


def as_table(splits: _Splits) -> RenderableType:
    """Rich tables: splits with rows, columns with types and roles, labels with counts."""
    parts: list[RenderableType] = [Text(_source(splits), style="bold")]
    for header, rows in _tables(splits):
        parts += [Text(""), _rich_table(header, rows)]
    warnings = notes(splits)
    parts += [Text(""), *(Text(note, style="yellow") for note in warnings)] if warnings else []
    return Group(*parts)


def as_text(splits: _Splits) -> str:
    """The same in plain text."""
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(as_table(splits))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def as_html(splits: _Splits) -> str:
    """The same as HTML."""
    tables = "".join(_html_table(header, rows) for header, rows in _tables(splits))
    warnings = "".join(f"<p>{escape(note)}</p>" for note in notes(splits))
    return f"<p><strong>{escape(_source(splits))}</strong></p>{tables}{warnings}"


def as_json(splits: _Splits) -> dict[str, Any]:
    """The same as plain values that JSON can carry."""
    first = next(iter(splits.values()))
    return {
        "source": _source(splits),
        "splits": {name: len(dataset) for name, dataset in splits.items()},
        "columns": {name: kind(feature) for name, feature in first.features.items()},
        "roles": asdict(first.roles),
        "labels": {
            name: dataset.label_counts() if dataset.label_names else {}
            for name, dataset in splits.items()
        },
        "notes": notes(splits),
    }


def notes(splits: _Splits) -> list[str]:
    """What a user should know before training: empty texts, missing labels, one class only."""
    found = []
    for name, dataset in splits.items():
        where = f"{name}: " if name else ""
        empty = len(dataset.empty_texts())
        if empty:
            found.append(f"{where}{counted(empty, 'empty text')}")
        label = dataset.roles.label
        missing = dataset.column(label).null_count if label else 0
        if missing:
            found.append(f"{where}{counted(missing, 'row')} without a label")
        if label and len(dataset.label_names) == 1:
            found.append(f"{where}one class only ({dataset.label_names[0]})")
    return found


def counted(number: int, what: str) -> str:
    """A number and what it counts: "1 row", "1,200 rows"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _source(splits: _Splits) -> str:
    return str(getattr(splits, "source", None) or next(iter(splits.values())).source)


def _tables(splits: _Splits) -> list[tuple[list[str], _Cells]]:
    first = next(iter(splits.values()))
    rows = [[*([name] if name else []), f"{len(dataset):,}"] for name, dataset in splits.items()]
    columns = [
        [name, (first.roles.of(name) or "").replace("_", " "), kind(feature)]
        for name, feature in first.features.items()
    ]
    tables = [(["split", "rows"][-len(rows[0]) :], rows), (["column", "role", "type"], columns)]
    names = first.label_names
    if names:
        counts = [list(dataset.label_counts().values()) for dataset in splits.values()]
        order = range(min(len(names), _CLASSES_SHOWN))
        labels = [[names[i], *(f"{split[i]:,}" for split in counts)] for i in order]
        if len(names) > _CLASSES_SHOWN:
            rest = [f"{sum(split[_CLASSES_SHOWN:]):,}" for split in counts]
            labels.append([f"({len(names) - _CLASSES_SHOWN} more)", *rest])
        header = ["label", *(name or "rows" for name in splits)]
        tables.append((header, labels))
    return tables


def _rich_table(header: list[str], rows: _Cells) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for position, title in enumerate(header):
        is_number = position > 0 and all(row[position].replace(",", "").isdigit() for row in rows)
        table.add_column(Text(title), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _html_table(header: list[str], rows: _Cells) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
