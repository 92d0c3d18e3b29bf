"""Texts that come again: within a split, and in two splits, which is leakage.

A text is remembered as 64 bits, so that memory is 16 bytes a row however long texts are. Two texts
of a million that differ count as one with a chance of 3 in 10**8.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.describe.characters import normalised
from graft.data.duck import tables_in_duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Digests = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
_EXAMPLES = 5


@dataclass(frozen=True)
class Repeated:
    """A text that several rows have; `row` is the first of them, from 0."""

    row: int
    rows: int
    text: str


@dataclass(frozen=True)
class Repeats:
    """Rows of a split whose text an earlier row has.

    Attributes:
        exact: With the same text.
        normalised: With the same letters and digits, those of `exact` among them.
        contradicting: Rows, first ones too, of texts that come with several labels.
        examples: The texts, by letters and digits, that come most often.
    """

    exact: int = 0
    normalised: int = 0
    contradicting: int = 0
    examples: list[Repeated] = field(default_factory=list)


@dataclass(frozen=True)
class Shared:
    """A text of two splits: `row` in the one, `first_row` in the one before; from 0."""

    row: int
    first_row: int
    text: str


@dataclass(frozen=True)
class Leak:
    """Texts of one split that are also in another.

    Attributes:
        split: The split whose rows are counted, such as "test".
        other: The split that has their texts too, such as "train".
        exact: Rows with the same text.
        normalised: Rows with the same letters and digits, those of `exact` among them.
        rows: All rows of `split`.
        examples: Some of the rows.
    """

    split: str
    other: str
    exact: int
    normalised: int
    rows: int
    examples: list[Shared] = field(default_factory=list)


class Hasher:
    """Digests of texts, made by DuckDB."""

    def __init__(self, connection: "DuckDBPyConnection") -> None:
        self._connection = connection

    def digests(self, texts: pa.Array) -> Digests:
        """`uint64[rows]`; that of a missing text is of no text."""
        self._connection.register("texts", pa.table({"text": texts}))
        found = self._connection.execute("select hash(text) as digest from texts").fetchnumpy()
        digests: Digests = np.asarray(found["digest"], np.uint64)
        return digests


@contextmanager
def hashing() -> Iterator[Hasher]:
    """A hasher, whose digests are comparable as long as it is open."""
    with tables_in_duckdb({}) as connection:
        yield Hasher(connection)


class SeenTexts:
    """The texts of a split, by digest, in the order of its rows. Blank ones count nowhere.

    Attributes:
        exact: `uint64[rows]`, of the texts as they are.
        folded: `uint64[rows]`, of their letters and digits; of the text where it has none.
        blank: `bool[rows]`.
    """

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._parts: list[tuple[Digests, Digests, Flags]] = []

    def add(self, texts: pa.Array, blank: Flags) -> None:
        """Adds some rows, and which of them are blank."""
        exact = self._hasher.digests(texts)
        plain = normalised(texts)
        has_some = np.asarray(pc.greater(pc.binary_length(plain), 0))
        folded = np.where(has_some, self._hasher.digests(plain), exact)
        self._parts.append((exact, folded, blank))

    def finish(self) -> None:
        """Puts the rows together."""
        none = (np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.bool_))
        exact, folded, blank = zip(none, *self._parts, strict=True)
        self.exact: Digests = np.concatenate(exact)
        self.folded: Digests = np.concatenate(folded)
        self.blank: Flags = np.concatenate(blank)
        self._parts = []

    def repeats(self, labels: npt.NDArray[np.int64] | None) -> tuple[Repeats, list[int]]:
        """What comes again, and the rows of the examples, whose texts are still to be filled in.

        `labels` are classes, -1 for none: `int64[rows]`.
        """
        rows = np.flatnonzero(~self.blank)
        digests = self.folded[rows]
        order = np.argsort(digests, kind="stable")
        starts, counts = _groups(digests[order])
        most = [n for n in np.argsort(-counts, kind="stable")[:_EXAMPLES] if counts[n] > 1]
        firsts = rows[order[starts[most]]].tolist() if most else []
        against = 0
        if labels is not None and len(rows):
            against = _contradicting(labels[rows][order], starts, counts)
        found = Repeats(
            exact=_repeated(self.exact[rows]),
            normalised=len(rows) - len(starts),
            contradicting=against,
            examples=[
                Repeated(row, int(counts[n]), "") for row, n in zip(firsts, most, strict=True)
            ],
        )
        return found, firsts

    def leaked_from(self, other: "SeenTexts") -> tuple[int, int, list[tuple[int, int]]]:
        """Rows that have a text of `other`: exact, normalised, and examples (row, other's row)."""
        exact = np.isin(self.exact, other.exact[~other.blank]) & ~self.blank
        folded = np.isin(self.folded, other.folded[~other.blank]) & ~self.blank
        folded |= exact
        pairs = []
        for row in np.flatnonzero(folded)[:_EXAMPLES].tolist():
            same = np.flatnonzero((other.folded == self.folded[row]) & ~other.blank)
            pairs.append((row, int(same[0])))
        return int(exact.sum()), int(folded.sum()), pairs


def _groups(values: Digests) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Where the runs of equal values begin, and how long each is."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    return starts, np.diff(np.append(starts, len(values)))


def _repeated(values: Digests) -> int:
    return len(values) - len(np.unique(values))


def _contradicting(
    labels: npt.NDArray[np.int64], starts: npt.NDArray[Any], counts: npt.NDArray[Any]
) -> int:
    """Rows in runs that have several labels; rows without a label do not say otherwise."""
    known = np.where(labels < 0, np.iinfo(np.int64).max, labels)
    least = np.minimum.reduceat(known, starts)
    most = np.maximum.reduceat(labels, starts)
    return int(counts[(most >= 0) & (least < most)].sum())
