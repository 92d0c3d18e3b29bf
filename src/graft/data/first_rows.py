"""The first rows of a data set, for a terminal and as plain values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graft.data.features import ClassLabel, Feature, Sequence

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

_LONGEST_CELL = 120
_MOST_COLUMNS = 8
_Splits = Mapping[str, "Dataset"]


def as_table(splits: _Splits, count: int) -> RenderableType:
    """A table of the first `count` rows of each split; classes by name, long values cut."""
    parts: list[RenderableType] = []
    for name, dataset in splits.items():
        names = dataset.column_names
        shown = names[:_MOST_COLUMNS]
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        table.add_column("row", justify="right")
        for column in shown:
            table.add_column(Text(column), overflow="fold")
        for number, row in enumerate(_rows(dataset, count)):
            table.add_row(str(number), *(Text(_cell(row[column])) for column in shown))
        more = len(names) - len(shown)
        title = f"First rows of {name}" if name else "First rows"
        title += f" (without {more} more columns)" if more else ""
        parts += [Text(""), Text(title, style="bold"), Text(""), table]
    return Group(*parts)


def as_json(splits: _Splits, count: int) -> dict[str, list[dict[str, Any]]]:
    """The first `count` rows of each split, classes by name."""
    return {name: list(_rows(dataset, count)) for name, dataset in splits.items()}


def _rows(dataset: "Dataset", count: int) -> list[dict[str, Any]]:
    features = dataset.features
    return [
        {name: _named(value, features[name]) for name, value in row.items()}
        for row in dataset[:count]
    ]


def _named(value: Any, feature: Feature) -> Any:
    """A value with names in place of the numbers of classes."""
    if value is None:
        return None
    if isinstance(feature, ClassLabel):
        return feature.names[value]
    if isinstance(feature, Sequence):
        return [_named(one, feature.feature) for one in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = " | ".join(value)
    line = " ".join(str(value).split())
    return line if len(line) <= _LONGEST_CELL else f"{line[: _LONGEST_CELL - 1]}…"
