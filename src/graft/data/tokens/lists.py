"""Arrow columns of lists of numbers, as numpy sees them: no copy until rows are asked for."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.roles import is_list
from graft.errors import DataError

Numbers = npt.NDArray[np.integer[Any]]
Rows = npt.NDArray[np.int64]


def list_parts(array: pa.Array) -> tuple[Numbers, Numbers]:
    """The offsets and the values of an Arrow list array of numbers, which are not copied.

    Args:
        array: `list<number>[rows]` without nulls.

    Returns:
        `offsets[rows + 1]` (int32, or int64 for large lists) and `values`; row `i` is
        `values[offsets[i]:offsets[i + 1]]`.
    """
    wide = pa.types.is_large_list(array.type)
    offsets: Numbers = np.frombuffer(array.buffers()[1], np.int64 if wide else np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    return offsets, array.values.to_numpy(zero_copy_only=True)


def lists_of(offsets: Numbers, values: Numbers) -> pa.ListArray:
    """A list array over numpy's memory: `list<number>[len(offsets) - 1]`.

    Raises `DataError` where the offsets go beyond what a list array can count.
    """
    if len(offsets) and int(offsets[-1]) >= 2**31:
        raise DataError(
            f"{int(offsets[-1]):,} numbers are too many for one part of a column of lists: read "
            "it in smaller parts (Dataset.batches)."
        )
    return pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32, copy=False)), pa.array(values)
    )


class ListColumn:
    """A column of lists of numbers that may be larger than memory: only what is asked for is read.

    Args:
        column: `list<number>[rows]`, usually memory-mapped, in as many chunks as it comes in.
        name: What errors call it.
        order: `integer[rows]`, which row of the column each row is; None for as stored.

    Attributes:
        lengths: `int32[rows]`, how many numbers each row holds.

    Raises:
        DataError: It holds something else than lists of numbers, or a list is missing.
    """

    def __init__(
        self, column: pa.ChunkedArray, name: str, order: npt.NDArray[np.integer[Any]] | None = None
    ) -> None:
        numeric = is_list(column.type) and pa.types.is_primitive(column.type.value_type)
        if not numeric:
            raise DataError(f"{name} holds {column.type}; lists of numbers were expected.")
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        for chunk in chunks:
            _check_complete(chunk, name)
        parts = [list_parts(chunk) for chunk in chunks]
        self._values = [values for _, values in parts]
        # Memory views give Python numbers several times faster than numpy arrays do.
        self._offsets = [offsets.data for offsets, _ in parts]
        self._starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])
        self._order = order
        self._dtype = np.dtype(column.type.value_type.to_pandas_dtype())
        stored = [np.diff(offsets).astype(np.int32, copy=False) for offsets, _ in parts]
        lengths = np.concatenate([np.zeros(0, np.int32), *stored])
        self.lengths: npt.NDArray[np.int32] = lengths if order is None else lengths[order]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Numbers in all rows together."""
        return int(self.lengths.sum(dtype=np.int64))

    def gather(self, rows: Rows, dtype: npt.DTypeLike = np.int64) -> Numbers:
        """The lists of `rows`, laid end to end: a copy, `dtype[numbers of rows]`."""
        counts = self.lengths[rows].tolist()
        stored = rows if self._order is None else self._order[rows].astype(np.int64)
        chunk_of = np.searchsorted(self._starts, stored, side="right") - 1
        places = (stored - self._starts[chunk_of]).tolist()
        found = []
        for chunk, place, count in zip(chunk_of.tolist(), places, counts, strict=True):
            start = self._offsets[chunk][place]
            found.append(self._values[chunk][start : start + count])
        if not found:
            return np.zeros(0, dtype)
        return np.concatenate(found, dtype=dtype, casting="same_kind")


def _check_complete(chunk: pa.Array, name: str) -> None:
    if chunk.null_count:
        row = chunk.is_null().index(True).as_py()
        raise DataError(f"{name}: a list is missing (the first in place {row} of a part).")
    if chunk.flatten().null_count:
        raise DataError(f"{name}: a number in a list is missing. Fill or remove these rows.")
