"""The words of a column of tags as arrays, and what their tags say of the spans they are in.

Every scheme is read by one rule, that of the CoNLL evaluations: a span begins at B and S, and at I
or E where they do not go on with a span of their label; it ends at E and S, and where the next word
does not go on. So tags that are not legal in their scheme still have spans.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import lists_like
from graft.data.roles import is_list, is_text
from graft.data.tags.schemes import (
    BEGIN,
    END,
    INSIDE,
    OUTSIDE,
    SINGLE,
    Tagset,
    ends_have_letters,
    tagset_of,
)
from graft.errors import DataError

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class TagProblem:
    """A tag that its scheme does not allow where it stands; `row` and `word` count from 0."""

    row: int
    word: int
    tag: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, word {self.word}: {self.tag!r} {self.reason}"


@dataclass(frozen=True)
class Words:
    """The words of a chunk of a column of tags, laid end to end.

    Attributes:
        lists: the chunk: [rows].
        row: the number of its first row in the column.
        offsets: `int64[rows + 1]`, where the words of each row begin.
        rows: `int32[words]`, the row within the chunk of each word.
        places: `int8[words]`; `kinds: int32[words]`, -1 outside; `missing`, whether a tag is null.
        goes_on: whether a word goes on with the span that the word before it is in.
        tags: the tags of the column.
        codes: `int32[words]`, the number of each word's tag; that after the last for a null.
    """

    lists: pa.Array
    row: int
    offsets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    places: npt.NDArray[np.int8]
    kinds: npt.NDArray[np.int32]
    missing: Flags
    goes_on: Flags
    tags: Tagset
    codes: Numbers

    @property
    def starts(self) -> Flags:
        """Whether a span begins at each word."""
        flags: Flags = (self.places != OUTSIDE) & ~self.goes_on
        return flags

    @property
    def ends(self) -> Flags:
        """Whether a span ends with each word."""
        flags: Flags = (self.places != OUTSIDE) & ~_next(self.goes_on, False)
        return flags

    @property
    def follows(self) -> Flags:
        """Whether the word before is in the same row and in a span of the same label."""
        same = self.kinds == _previous(self.kinds, -1)
        flags: Flags = same & (self.places != OUTSIDE) & ~self.firsts
        return flags

    @property
    def firsts(self) -> Flags:
        """Whether each word is the first of its row."""
        flags: Flags = self.rows != _previous(self.rows, -1)
        return flags

    def faults(self, scheme: str) -> dict[str, Flags]:
        """What goes against a scheme, in words, and the words that do so."""
        strange = np.append(~self.tags.of_scheme(scheme), False)
        faults = {f"is no tag of {scheme}": strange[self.codes]}
        if scheme == "IOB1":
            alone = "begins a span that touches none of its label, where IOB1 has I"
            return {**faults, alone: (self.places == BEGIN) & ~self.follows}
        going_on = (self.places == INSIDE) | (self.places == END)
        without = f"goes on with no span of its label, where {scheme} begins one"
        faults[without] = going_on & ~self.goes_on
        if ends_have_letters(scheme):
            unfinished = f"is the last of a span, where {scheme} ends it"
            faults[unfinished] = ~np.isin(self.places, (END, SINGLE)) & self.ends
        return faults

    def against(self, scheme: str) -> Flags:
        """Whether each word goes against a scheme."""
        flags: Flags = np.logical_or.reduce([*self.faults(scheme).values()])
        return flags

    def in_scheme(self, scheme: str, table: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The number of each word's tag in a scheme, by `Tagset.numbers`; 0 outside."""
        starts, ends = self.starts, self.ends
        places = np.where(self.places == OUTSIDE, OUTSIDE, INSIDE)
        if scheme == "IOB1":
            places[starts & self.follows] = BEGIN
        else:
            places[starts] = BEGIN
        if scheme not in ("IOB1", "IOB2"):
            places[ends] = END
            places[starts & ends] = SINGLE
        return table[self.kinds, places]

    def problems(self, scheme: str, limit: int) -> Iterator[TagProblem]:
        """The first words that go against a scheme."""
        faults = self.faults(scheme)
        for word in np.flatnonzero(self.against(scheme))[:limit].tolist():
            row = int(self.rows[word])
            reason = next(reason for reason, words in faults.items() if words[word])
            place = word - int(self.offsets[row])
            yield TagProblem(self.row + row, place, self.tags.names[self.codes[word]], reason)


def tagset_in(column: pa.ChunkedArray, names: Sequence[str] | None) -> Tagset | None:
    """The tags of a column taken apart; None where they are of no scheme.

    `names` are the tags' names where the column holds numbers. Raises `DataError` for a column that
    holds no lists.
    """
    if not is_list(column.type):
        raise DataError(f"Tags are a list a row, a tag a word; this column holds {column.type}.")
    if names is not None:
        return tagset_of(names)
    distinct = distinct_in(column)
    return tagset_of(distinct) if all(isinstance(tag, str) for tag in distinct) else None


def distinct_in(column: pa.ChunkedArray) -> list[Any]:
    """The different values in a column of lists, sorted."""
    distinct: set[Any] = set()
    for chunk in column.chunks:
        distinct.update(pc.unique(chunk.flatten()).drop_null().to_pylist())
    return sorted(distinct)


def words_of(column: pa.ChunkedArray, tags: Tagset) -> Iterator[Words]:
    """The words of a column, a chunk at a time. Raises `DataError` for a number of no tag."""
    row = 0
    for chunk in column.chunks:
        yield _words(chunk, row, tags)
        row += len(chunk)


def _words(chunk: pa.Array, row: int, tags: Tagset) -> Words:
    words = chunk.flatten()
    if is_text(words.type):
        words = pc.index_in(words, value_set=pa.array(tags.names, words.type))
    missing = np.asarray(pc.is_null(words))
    codes = np.asarray(pc.fill_null(words.cast(pa.int32()), len(tags.names)))
    _check_numbers(codes[~missing], tags)
    places = np.append(tags.places, np.int8(OUTSIDE))[codes]
    kinds = np.append(tags.kinds, np.int32(-1))[codes]
    lengths = np.asarray(pc.fill_null(pc.list_value_length(chunk), 0), np.int64)
    rows = np.repeat(np.arange(len(chunk), dtype=np.int32), lengths)
    read = Words(
        lists=chunk,
        row=row,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        rows=rows,
        places=places,
        kinds=kinds,
        missing=missing,
        goes_on=np.zeros(len(rows), np.bool_),
        tags=tags,
        codes=codes,
    )
    going_on = np.isin(places, (INSIDE, END)) & read.follows
    return replace(read, goes_on=going_on & np.isin(_previous(places, OUTSIDE), (BEGIN, INSIDE)))


def _check_numbers(codes: Numbers, tags: Tagset) -> None:
    if len(codes) and not 0 <= codes.min() <= codes.max() < len(tags.names):
        raise DataError(
            f"A tag has the number {codes.max() if codes.max() > 0 else codes.min()}, but there "
            f"are {len(tags.names)} tags, counted from 0."
        )


def as_column(
    lists: pa.Array, numbers: Numbers, missing: Flags, names: pa.Array | None
) -> pa.ListArray:
    """Numbers of tags as a column of lists like `lists`: the tags of `names`, or int64."""
    values = pa.array(numbers, mask=missing)
    words = values.cast(pa.int64()) if names is None else pc.take(names, values)
    return lists_like(lists, words)


def _previous(values: npt.NDArray[Any], before: Any) -> npt.NDArray[Any]:
    """The value of the word before each; `before` for the first."""
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[:1] = before
    return shifted


def _next(values: npt.NDArray[Any], after: Any) -> npt.NDArray[Any]:
    """The value of the word after each; `after` for the last."""
    shifted = np.empty_like(values)
    shifted[:-1] = values[1:]
    shifted[-1:] = after
    return shifted
