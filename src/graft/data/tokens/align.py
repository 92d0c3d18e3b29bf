"""Labels of words and of stretches of text, brought to the tokens by where these stand.

All of it is arithmetic on whole columns: there is no Python object for a word or a token.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.tags.schemes import BEGIN, END, INSIDE, SINGLE, schemes_by_letters, tagset_of
from graft.data.tokens.names import IGNORED
from graft.text.encoding import TokenBatch

Alignment = Literal["first", "all", "none"]
"""Which tokens of a word get its tag: the first one (others are ignored), all, or no token."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Words:
    """Rows of words, and where each stands in its row's text, in which single spaces part them.

    Attributes:
        offsets: `int64[rows + 1]`; the words of row `i` are those from `offsets[i]` on.
        lengths: `int64[words]`, in characters.
    """

    offsets: Ints
    lengths: Ints

    @classmethod
    def of(cls, column: pa.ListArray) -> "Words":
        """Those of `list<string>[rows]`; a missing list is empty, and a missing word is ""."""
        counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        lengths = pc.fill_null(pc.utf8_length(pc.list_flatten(column)), 0)
        return cls(_running(counts.astype(np.int64)), lengths.to_numpy().astype(np.int64))

    @cached_property
    def starts(self) -> Ints:
        """`int64[words]`, where each word starts if all rows' texts are laid end to end.

        A space follows each word here, the last one of a row too.
        """
        return _running(self.lengths + 1)[:-1]

    @cached_property
    def bases(self) -> Ints:
        """`int64[rows]`, where each row's text starts if all are laid end to end."""
        return _running(self.lengths + 1)[self.offsets[:-1]]

    def of_tokens(self, tokens: "Tokens") -> Ints:
        """The word that each token is of, among all words: `int64[tokens]`, -1 for none.

        A token that begins with the space between two words is of the second.
        """
        found = np.full(len(tokens.rows), -1, np.int64)
        if not len(self.lengths):
            return found
        places = self.bases[tokens.rows] + tokens.starts
        word = np.searchsorted(self.starts, places, side="right") - 1
        word += places >= self.starts[word] + self.lengths[word]
        last = self.offsets[tokens.rows + 1] - 1
        word = np.minimum(word, last)
        inside = tokens.of_text & (last >= self.offsets[tokens.rows])
        found[inside] = word[inside]
        return found

    def within_rows(self, words: Ints, rows: Ints) -> npt.NDArray[np.int32]:
        """Words counted from the start of their own row: `int32[tokens]`; -1 stays."""
        return np.where(words < 0, -1, words - self.offsets[rows]).astype(np.int32)


@dataclass(frozen=True)
class Tokens:
    """Where tokens stand.

    Attributes:
        rows: `int64[tokens]`, the row of the text that each is of.
        windows: `int64[tokens]`, the window that it is in.
        starts: `int64[tokens]`, where it starts in its text, in characters.
        ends: `int64[tokens]`, where it ends.
        of_text: `bool[tokens]`, whether it is of the first text: neither special nor of a second.
    """

    rows: Ints
    windows: Ints
    starts: Ints
    ends: Ints
    of_text: Bools

    @classmethod
    def of(cls, batch: TokenBatch) -> "Tokens":
        """Those of a batch that was made with `spans`."""
        assert batch.spans is not None
        assert batch.sequences is not None
        windows = np.repeat(np.arange(len(batch)), batch.lengths)
        rows = windows if batch.sources is None else batch.sources[windows]
        starts, ends = batch.spans[:, 0], batch.spans[:, 1]
        return cls(
            rows, windows, starts.astype(np.int64), ends.astype(np.int64), batch.sequences == 0
        )


def first_of_word(words: Ints, tokens: Tokens, count: int) -> Bools:
    """Which tokens are the first of their word: `bool[tokens]`.

    A window may begin within a word: then none of its tokens is the first of it.

    Args:
        words: `int64[tokens]`, as `Words.of_tokens` tells them.
        tokens: Where they stand.
        count: How many words there are.
    """
    start_of = np.full(count + 1, np.iinfo(np.int64).max)
    np.minimum.at(start_of, words, tokens.starts)  # -1 is the place behind all words
    changes = np.ones(len(words), bool)
    changes[1:] = (words[1:] != words[:-1]) | (tokens.windows[1:] != tokens.windows[:-1])
    found: Bools = changes & (words >= 0) & (tokens.starts == start_of[words])
    return found


def last_of_word(words: Ints, tokens: Tokens, count: int) -> Bools:
    """Which tokens are the last of their word; see `first_of_word`."""
    end_of = np.full(count + 1, -1)
    np.maximum.at(end_of, words, tokens.ends)
    changes = np.ones(len(words), bool)
    changes[:-1] = (words[1:] != words[:-1]) | (tokens.windows[1:] != tokens.windows[:-1])
    found: Bools = changes & (words >= 0) & (tokens.ends == end_of[words])
    return found


def aligned_tags(
    tags: Integers,
    words: Ints,
    tokens: Tokens,
    alignment: Alignment,
    parts: "PartsOfTags | None" = None,
) -> Ints:
    """The tag of each token: `int64[tokens]`, `IGNORED` for those that no loss looks at.

    Args:
        tags: `integer[words]`, the tag of each word.
        words: `int64[tokens]`, as `Words.of_tokens` tells them.
        tokens: Where they stand.
        alignment: Which tokens of a word get its tag.
        parts: With "all": what the tokens of a word that is cut into several get. None: its tag.
    """
    found = np.full(len(words), IGNORED, np.int64)
    if alignment == "none" or not len(tags):
        return found
    chosen = words >= 0
    first = first_of_word(words, tokens, len(tags))
    if alignment == "first":
        chosen = first
    found[chosen] = tags[words[chosen]]
    if alignment == "all" and parts is not None:
        last = last_of_word(words, tokens, len(tags))
        known = found >= 0
        for mapping, where in (
            (parts.first, first & ~last),
            (parts.middle, ~first & ~last),
            (parts.last, ~first & last),
        ):
            change = where & known
            found[change] = mapping[found[change]]
    return found


@dataclass(frozen=True)
class PartsOfTags:
    """What becomes of a word's tag where the word is cut into several tokens: `int64[tags]` each.

    Attributes:
        first: Of the first token.
        middle: Of those between.
        last: Of the last one.
    """

    first: Ints
    middle: Ints
    last: Ints

    @classmethod
    def of(cls, names: list[str]) -> "PartsOfTags":
        """Those of tags that begin stretches: what begins one goes on inside it.

        `B-x` becomes `B-x I-x I-x`. Where there are tags for the end of a stretch, `S-x` becomes
        `B-x I-x E-x`, and `E-x` becomes `I-x I-x E-x`. Other tags stay as they are.
        """
        same = np.arange(len(names))
        tags = tagset_of(names)
        schemes = [] if tags is None else schemes_by_letters(tags.letters)
        if tags is None or not schemes:
            return cls(same, same, same)
        table = tags.numbers(schemes[0], names)

        def mapped(changes: dict[int, int]) -> Ints:
            places = np.array([changes.get(int(place), int(place)) for place in tags.places])
            found = np.where(tags.kinds < 0, -1, table[tags.kinds, places])
            return np.where(found < 0, same, found).astype(np.int64)

        return cls(
            first=mapped({SINGLE: BEGIN, END: INSIDE}),
            middle=mapped({BEGIN: INSIDE, SINGLE: INSIDE, END: INSIDE}),
            last=mapped({BEGIN: INSIDE, SINGLE: END}),
        )


def _running(values: Ints) -> Ints:
    """0 and the running sums: `int64[values + 1]`."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums
