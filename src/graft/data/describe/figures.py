"""What `describe` found out, as plain values; shown by `view`, kept in the cache as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from graft.data.describe.columns import Column, Numbers
from graft.data.describe.lengths import Bin, Lengths
from graft.data.describe.near import Near, Pair
from graft.data.describe.notes import notes_of
from graft.data.describe.repeats import Leak, Repeated, Repeats, Shared
from graft.data.describe.view import as_rich, as_text, fragment, page
from graft.files import atomic_file


@dataclass(frozen=True)
class SplitFigures:
    """Figures of a split.

    Attributes:
        rows: All rows.
        empty: Rows whose text, or its pair, is missing or blank.
        empty_rows: The first of them, from 0.
        too_long: Rows of more tokens than `Description.max_length`; None where no tokens were
            counted, or no length is known.
        lengths: By unit: "characters" of text and pair together, "tokens" (special ones included).
        labels: Rows of each class, in the order of the classes.
        unlabelled: Rows without a label, where there is a label column.
        entities: Entities of each label, or, where tags are of no scheme, words of each tag.
        are_entities: Which of the two.
        letters: Letters of each script.
        scripts: Rows by the script that most of their letters are of.
        repeats: Texts that come again; None where there is no text.
        columns: What each column holds.
    """

    rows: int
    empty: int = 0
    empty_rows: list[int] = field(default_factory=list)
    too_long: int | None = None
    lengths: dict[str, Lengths] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    entities: dict[str, int] = field(default_factory=dict)
    are_entities: bool = True
    letters: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, int] = field(default_factory=dict)
    repeats: Repeats | None = None
    columns: list[Column] = field(default_factory=list)


@dataclass(frozen=True)
class Description:
    """What the rows of a data set are like; made by `Dataset.describe` and `DatasetDict.describe`.

    It prints as tables and bars, is HTML in a notebook, and plain values by `as_dict`.

    Attributes:
        source: Where the rows come from.
        splits: Figures by split; that of a single data set has the name "".
        leaks: Pairs of splits that share texts.
        max_length: Tokens beyond which a row counts as too long.
        near: How alike texts had to be to count in `alike`; None where they were not compared.
        alike: Splits with texts that are almost those of earlier rows.
    """

    source: str
    splits: dict[str, SplitFigures]
    leaks: list[Leak] = field(default_factory=list)
    max_length: int | None = None
    near: float | None = None
    alike: list[Near] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Everything as values that JSON holds, with the remarks in words as `notes`."""
        return {**asdict(self), "notes": self.notes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Description":
        """The inverse of `as_dict`."""
        return cls(
            source=values["source"],
            splits={name: _split(figures) for name, figures in values["splits"].items()},
            leaks=[_leak(leak) for leak in values["leaks"]],
            max_length=values["max_length"],
            near=values["near"],
            alike=[_near(near) for near in values["alike"]],
        )

    @property
    def notes(self) -> list[str]:
        """What a user should know before training, in a sentence each."""
        return notes_of(self)

    def to_html(self) -> str:
        """A page of its own: one file without scripts, light or dark as the reader's system is."""
        return page(self)

    def save_html(self, path: str | Path) -> None:
        """Writes `to_html` to a file, whole or not at all."""
        with atomic_file(Path(path).expanduser()) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8")

    def __repr__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        return as_rich(self)

    def _repr_html_(self) -> str:
        return fragment(self)


def _split(values: Mapping[str, Any]) -> SplitFigures:
    repeats = values["repeats"]
    return SplitFigures(
        **{
            **values,
            "lengths": {unit: _lengths(found) for unit, found in values["lengths"].items()},
            "repeats": None if repeats is None else _repeats(repeats),
            "columns": [_column(column) for column in values["columns"]],
        }
    )


def _lengths(values: Mapping[str, Any]) -> Lengths:
    return Lengths(**{**values, "bins": [Bin(**bin_) for bin_ in values["bins"]]})


def _repeats(values: Mapping[str, Any]) -> Repeats:
    return Repeats(**{**values, "examples": [Repeated(**one) for one in values["examples"]]})


def _column(values: Mapping[str, Any]) -> Column:
    numbers, lengths = values["numbers"], values["lengths"]
    return Column(
        **{
            **values,
            "numbers": None if numbers is None else Numbers(**numbers),
            "lengths": None if lengths is None else _lengths(lengths),
        }
    )


def _near(values: Mapping[str, Any]) -> Near:
    return Near(**{**values, "examples": [Pair(**one) for one in values["examples"]]})


def _leak(values: Mapping[str, Any]) -> Leak:
    return Leak(**{**values, "examples": [Shared(**one) for one in values["examples"]]})
