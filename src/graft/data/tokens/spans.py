"""Labelled stretches of a text as tags of its tokens, in IOB2, BIOES or the like."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.tags.schemes import ends_have_letters, scheme_named
from graft.data.tokens.align import Ints, Tokens
from graft.data.tokens.names import IGNORED
from graft.errors import DataError

_SCHEMES = ("IOB2", "BIOES", "BILOU", "BMES")


def span_scheme(name: str) -> str:
    """The scheme of tags that a name means: all whose spans begin with a letter of their own.

    Raises `DataError` for another one.
    """
    scheme = scheme_named(name)
    if scheme not in _SCHEMES:
        raise DataError(f"Spans become tags of {', '.join(_SCHEMES)}, not of {scheme}.")
    return scheme


@dataclass(frozen=True)
class Spans:
    """Stretches of the texts of some rows, row after row.

    Attributes:
        rows: `int64[spans]`, the row of each.
        starts: `int64[spans]`, in characters.
        ends: `int64[spans]`, the place after the last character.
        labels: `int64[spans]`.
    """

    rows: Ints
    starts: Ints
    ends: Ints
    labels: Ints

    @classmethod
    def of(cls, column: pa.ListArray, labels: list[str], where: str, first_row: int = 0) -> "Spans":
        """Those of a column of lists of records `start`, `end` and `label`, a class or its name.

        Args:
            column: `list<struct>[rows]`.
            labels: The names of the classes.
            where: What errors call the column.
            first_row: The number of the column's first row, for errors.

        Raises:
            DataError: A span is not complete or empty, its label is not known, or two overlap.
        """
        records = pc.list_flatten(column)
        counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(column)), counts)
        fields = []
        for name in ("start", "end", "label"):
            values = pc.struct_field(records, name)
            if name == "label" and pa.types.is_string(values.type):
                values = pc.index_in(values, pa.array(labels, pa.string()))
            if values.null_count:
                row = first_row + int(rows[int(values.is_null().index(True).as_py())])
                raise DataError(
                    f"{where}, row {row}: a span has no {name}, or one that is not among "
                    f"{', '.join(labels)}."
                )
            fields.append(values.cast(pa.int64()).to_numpy())
        found = cls(rows, *fields)
        found._check(len(labels), where, first_row)
        order = np.lexsort((found.starts, found.rows))
        return cls(rows[order], *(field[order] for field in fields))

    def _check(self, classes: int, where: str, first_row: int) -> None:
        empty = (self.starts < 0) | (self.ends <= self.starts)
        unknown = (self.labels < 0) | (self.labels >= classes)
        order = np.lexsort((self.starts, self.rows))
        again = np.zeros(len(order), bool)
        after, before = order[1:], order[:-1]
        again[after] = (self.rows[after] == self.rows[before]) & (
            self.starts[after] < self.ends[before]
        )
        for bad, why in (
            (empty, "is empty: end is the place after the last character"),
            (unknown, "has a label that is none of the classes"),
            (again, "overlaps the one before, which tags cannot tell"),
        ):
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{where}, row {first_row + int(self.rows[at])}: the span from "
                    f"{self.starts[at]} to {self.ends[at]} {why}."
                )


def span_tags(spans: Spans, tokens: Tokens, scheme: str) -> Ints:
    """The tag of each token, a number into `schemes.tag_names`: `int64[tokens]`.

    A token is in a span where they share a character; one that two spans share is in the first.
    Special tokens and those of second texts are `IGNORED`. A span that no token is of (it was cut)
    leaves no trace.

    Args:
        spans: The spans of the texts.
        tokens: Where the tokens of these texts stand.
        scheme: Which tags there are: one that `span_scheme` gives.
    """
    found = np.full(len(tokens.rows), IGNORED, np.int64)
    text = np.flatnonzero(tokens.of_text)
    found[text] = 0
    if not len(text) or not len(spans.rows):
        return found
    # Texts are laid end to end, so that a place tells the row too.
    step = int(max(tokens.ends.max(), spans.ends.max())) + 1
    owner = _span_of(spans, tokens.rows[text] * step, tokens, text, step)
    inside = text[owner >= 0]
    owner = owner[owner >= 0]
    windows = tokens.windows[inside]
    same = (owner[1:] == owner[:-1]) & (windows[1:] == windows[:-1])
    begins, closes = np.ones(len(inside), bool), np.ones(len(inside), bool)
    begins[1:], closes[:-1] = ~same, ~same
    # In a window that starts within a span, its tokens go on with it.
    begins &= tokens.starts[inside] <= _first_start(owner, tokens.starts[inside])
    closes &= tokens.ends[inside] >= _last_end(owner, tokens.ends[inside])
    kind = np.where(begins, 0, 1)
    if ends_have_letters(scheme):
        kind = np.where(closes, np.where(begins, 3, 2), kind)
    found[inside] = 1 + spans.labels[owner] * (4 if ends_have_letters(scheme) else 2) + kind
    return found


def _span_of(spans: Spans, bases: Ints, tokens: Tokens, text: Ints, step: int) -> Ints:
    """The first span that each token of a text shares a character with: `int64[tokens]`, or -1."""
    starts, ends = bases + tokens.starts[text], bases + tokens.ends[text]
    span_starts = spans.rows * step + spans.starts
    span_ends = spans.rows * step + spans.ends
    candidate = np.searchsorted(span_ends, starts, side="right")
    candidate = np.minimum(candidate, len(span_ends) - 1)
    shares = (span_starts[candidate] < ends) & (span_ends[candidate] > starts)
    return np.where(shares, candidate, -1)


def _first_start(owner: Ints, starts: Ints) -> Ints:
    first = np.full(int(owner.max()) + 1 if len(owner) else 0, np.iinfo(np.int64).max)
    np.minimum.at(first, owner, starts)
    return first[owner]


def _last_end(owner: Ints, ends: Ints) -> Ints:
    last = np.full(int(owner.max()) + 1 if len(owner) else 0, -1)
    np.maximum.at(last, owner, ends)
    return last[owner]
