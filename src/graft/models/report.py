"""What became of a checkpoint's tensors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as RichTable

from graft.display import Table

_NAMES = 12


@dataclass(frozen=True)
class WrongShape:
    """A tensor of a head whose size in the file is another one.

    Attributes:
        name: Our name of it.
        found: Its shape in the file.
        wanted: Its shape in the model.
    """

    name: str
    found: tuple[int, ...]
    wanted: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {list(self.found)} -> {list(self.wanted)}"


@dataclass(frozen=True, repr=False)
class LoadReport:
    """What became of a checkpoint's tensors; shows itself in terminals and notebooks.

    Attributes:
        loaded: Our names of the tensors that came from the file.
        made_anew: Our names of the tensors that the file lacks, or has in another shape.
        left_over: The file's names of the tensors the model has no place for.
        wrong_shape: Those made anew because the file has them in another shape.
        path: The file, or the index of several.
    """

    loaded: tuple[str, ...] = ()
    made_anew: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    wrong_shape: tuple[WrongShape, ...] = ()
    path: Path | None = None

    @property
    def table(self) -> Table:
        """The report to look at: layers that differ by their number alone share a line."""
        kinds = {
            "loaded": self.loaded,
            "made anew": self.made_anew,
            "left over in the file": self.left_over,
            "of another shape": tuple(str(entry) for entry in self.wrong_shape),
        }
        rows = [
            (what, str(len(names)), ", ".join(_grouped(names)))
            for what, names in kinds.items()
            if names or what != "of another shape"
        ]
        title = "Weights" if self.path is None else f"Weights from {self.path}"
        return Table(title, ("", "tensors ", "which"), rows)

    def __rich__(self) -> RichTable:
        return self.table.__rich__()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __repr__(self) -> str:
        rows = (f"{what}: {count} ({which})" for what, count, which in self.table.rows)
        return "\n".join((self.table.title, *(row.replace(" ()", "") for row in rows)))


def _grouped(names: Sequence[str]) -> list[str]:
    """Names, with those of all layers as one: `body.blocks.0-5.attention.qkv.weight`."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        pattern, found = _pattern(name)
        numbers.setdefault(pattern, []).extend(found)
    groups = [pattern.replace("#", _spans(found)) for pattern, found in numbers.items()]
    more = len(groups) - _NAMES
    return groups if more <= 0 else [*groups[:_NAMES], f"and {more} more"]


def _pattern(name: str) -> tuple[str, list[int]]:
    number = re.search(r"(?<=\.)\d+(?=\.)", name)
    if number is None:
        return name, []
    return f"{name[: number.start()]}#{name[number.end() :]}", [int(number[0])]


def _spans(numbers: Sequence[int]) -> str:
    return ",".join(_runs(sorted(set(numbers))))


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    start = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[i - 1] + 1:
            first, last = numbers[start], numbers[i - 1]
            yield str(first) if first == last else f"{first}-{last}"
            start = i
