"""What a tokenizer gives: an `Encoding` for one text, a `TokenBatch` for many."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Encoding:
    """The tokens of one text, or of one pair of texts.

    Attributes:
        ids: Token ids.
        tokens: The tokens as the vocabulary spells them.
        spans: For each token, where it stands in its text: start and end, in characters.
        words: For each token, the index of its word in its text; None for special tokens.
        type_ids: For each token, 0 for the first text and 1 for the second.
        special: For each token, whether the tokenizer added it.
        sequences: For each token, 0 where it is of the first text, 1 of the second; None for
            special tokens.
    """

    ids: list[int]
    tokens: list[str]
    spans: list[tuple[int, int]]
    words: list[int | None]
    type_ids: list[int]
    special: list[bool]
    sequences: list[int | None]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TokenBatch:
    """The tokens of many texts, laid end to end.

    Attributes:
        ids: `int32[tokens]`, token ids.
        offsets: `int64[rows + 1]`; row `i` is `ids[offsets[i]:offsets[i + 1]]`.
        type_ids: `int32[tokens]`, 0 for a row's first text and 1 for its second.
        truncated: How many texts were cut to the maximum length.
        sources: `int64[rows]`, which text each row is of, where long texts became several rows.
        spans: `int32[tokens, 2]`, where each token stands in its text, in characters.
        words: `int32[tokens]`, the index of each token's word in its text; -1 for special tokens.
        sequences: `int8[tokens]`, 0 for tokens of a row's first text, 1 of its second, -1 for
            special tokens.

    `spans`, `words` and `sequences` are None unless asked for.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    type_ids: npt.NDArray[np.int32]
    truncated: int = 0
    sources: npt.NDArray[np.int64] | None = None
    spans: npt.NDArray[np.int32] | None = None
    words: npt.NDArray[np.int32] | None = None
    sequences: npt.NDArray[np.int8] | None = None

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """`int64[rows]`, tokens in each row."""
        return np.diff(self.offsets)

    @cached_property
    def has_second_texts(self) -> bool:
        """Whether any token is of a second text."""
        return bool(self.type_ids.any())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.int32]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a batch of {len(self)} rows")
        row %= len(self)
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    def positions_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where the tokens of `rows` stand in `ids`, row after row: `int64[tokens of rows]`."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        shifts = np.repeat(self.offsets[rows] - (ends - lengths), lengths)
        return shifts + np.arange(ends[-1] if len(ends) else 0)
