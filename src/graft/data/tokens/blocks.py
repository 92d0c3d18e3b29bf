"""Token ids cut into blocks of one size, for training language models."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.tokens.lists import Numbers, list_parts, lists_of
from graft.errors import DataError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Blocks:
    """How rows of token ids are cut.

    Attributes:
        size: Tokens in a block.
        across_documents: Whether rows are laid end to end before they are cut.
        separator_id: A token put behind every row; None for none.
        drop_last: Whether last blocks that are not full are left out.
    """

    size: int
    across_documents: bool = True
    separator_id: int | None = None
    drop_last: bool = False

    def __post_init__(self) -> None:
        """Raises `DataError` for a size below 1 or a separator below 0."""
        if self.size < 1:
            raise DataError(f"blocks: the size is {self.size}; it must be 1 or more.")
        if self.separator_id is not None and not 0 <= self.separator_id < 2**31:
            raise DataError(f"blocks: separator_id is {self.separator_id}, which is no token's id.")

    @property
    def options(self) -> dict[str, Any]:
        """All that the blocks depend on but the tokens."""
        return {
            "size": self.size,
            "across_documents": self.across_documents,
            "separator_id": self.separator_id,
            "drop_last": self.drop_last,
        }

    @property
    def are_views(self) -> bool:
        """Whether blocks are parts of the rows' memory: nothing is put between, or left out."""
        return self.separator_id is None and (self.across_documents or not self.drop_last)

    def cut(self, parts: Iterable[pa.Array]) -> Iterator[pa.Array]:
        """The blocks of rows of token ids that come in parts.

        Only a part is in memory at a time. A block that begins in one part and ends in another is a
        copy; others are views where `are_views`.

        Args:
            parts: `list<integer>[rows]` each.
        """
        if not self.across_documents:
            return (self._each_row(*self._separated(part)) for part in parts)
        return self._end_to_end(self._separated(part) for part in parts)

    def tokens(self, part: pa.Array) -> Numbers:
        """The token ids of a part laid end to end, with what stands behind each row."""
        return self._separated(part)[1]

    def _end_to_end(self, parts: Iterable[tuple[Ints, Numbers]]) -> Iterator[pa.Array]:
        rest: list[Numbers] = []  # fewer than `size` tokens, of the parts before
        held = 0
        for _, values in parts:
            first = 0
            if held:
                first = min(self.size - held, len(values))
                rest.append(values[:first])
                held += first
                if held < self.size:
                    continue
                yield _one_block(rest)
            full = (len(values) - first) // self.size
            if full:
                offsets = first + np.arange(full + 1) * self.size
                yield lists_of(offsets, values)
            rest = [values[first + full * self.size :]]
            held = len(rest[0])
        if held and not self.drop_last:
            yield _one_block(rest)

    def _each_row(self, offsets: Ints, values: Numbers) -> pa.Array:
        """Every row cut by itself."""
        lengths = np.diff(offsets)
        if self.drop_last:
            lengths = lengths // self.size * self.size
            values = _kept(values, offsets, lengths)
            offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        counts = -(-lengths // self.size)
        row = np.repeat(np.arange(len(lengths)), counts)
        number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = offsets[row] + number * self.size
        return lists_of(np.append(starts, offsets[-1]), values)

    def _separated(self, part: pa.Array) -> tuple[Ints, Numbers]:
        """The offsets and values of rows, from 0, with the separator behind each."""
        if part.null_count:
            row = part.is_null().index(True).as_py()
            raise DataError(f"blocks: row {row} of a part has no token ids. Remove such rows.")
        if part.flatten().null_count:
            place = pc.index(pc.is_null(part.flatten()), True)
            row = pc.list_parent_indices(part)[place.as_py()].as_py()
            raise DataError(f"blocks: row {row} of a part lacks a token id. Remove such rows.")
        stored, values = list_parts(part)
        offsets = stored.astype(np.int64) - int(stored[0])
        values = values[int(stored[0]) : int(stored[-1])]
        if self.separator_id is None:
            return offsets, values
        values = np.insert(values, offsets[1:], self.separator_id)
        return offsets + np.arange(len(offsets)), values


def _kept(values: Numbers, offsets: Ints, lengths: Ints) -> Numbers:
    """The first `lengths[i]` values of each row."""
    place = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    return values[place < np.repeat(lengths, np.diff(offsets))]


def _one_block(parts: list[Numbers]) -> pa.Array:
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return lists_of(np.array([0, len(values)]), values)
