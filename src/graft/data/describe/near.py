"""Rows whose text is almost that of an earlier row, of their own split or of one before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

_EXAMPLES = 5
_LONGEST_EXAMPLE = 200


@dataclass(frozen=True)
class Pair:
    """A row, from 0, and the earlier one that it is like; `similarity` is at most 1."""

    row: int
    of: int
    similarity: float
    text: str
    of_text: str


@dataclass(frozen=True)
class Near:
    """Rows of `split` whose text is almost one of `other`, which may be the same split.

    Rows of the very same letters and digits are among them.
    """

    split: str
    other: str
    rows: int
    of_rows: int
    examples: list[Pair] = field(default_factory=list)


def near_repeats(splits: "Mapping[str, Dataset]", near: float) -> Iterator[Near]:
    """What `Dataset.duplicates` finds in all splits together; a row counts once.

    The earlier row that is told is of the first split that has one: leakage comes before
    repetition.
    """
    names = list(splits)
    whole = splits[names[0]].concatenate(*(splits[name] for name in names[1:]))
    found = whole.duplicates(near=near)
    rows, of = (found.column(name).to_numpy() for name in ("row", "of"))
    similarity = found.column("similarity").to_numpy()
    starts = np.concatenate([[0], np.cumsum([len(splits[name]) for name in names])])
    split_of, other_of = (np.searchsorted(starts, each, side="right") - 1 for each in (rows, of))
    for place, name in enumerate(names):
        for before, other in enumerate(names[: place + 1]):
            here = np.flatnonzero((split_of == place) & (other_of == before))
            if not len(here):
                continue
            # Those that are not quite the same say most.
            shown = here[np.argsort(similarity[here], kind="stable")][:_EXAMPLES]
            pairs = [
                Pair(
                    row=int(rows[one] - starts[place]),
                    of=int(of[one] - starts[before]),
                    similarity=round(float(similarity[one]), 3),
                    text=_text(whole, int(rows[one])),
                    of_text=_text(whole, int(of[one])),
                )
                for one in shown
            ]
            yield Near(name, other, len(here), len(splits[name]), pairs)


def _text(rows: "Dataset", number: int) -> str:
    name = rows.roles.text or rows.roles.tokens
    value = rows.rows.take([number], [name] if name else None).column(0)[0].as_py() or ""
    text = value if isinstance(value, str) else " ".join(map(str, value))
    return text if len(text) <= _LONGEST_EXAMPLE else f"{text[: _LONGEST_EXAMPLE - 1]}…"
