"""The rows of a data set: a table as it is stored, and the order in which its rows are read."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.mapped import dump_table, load_table
from graft.data.resident import note_read

Numbers = npt.NDArray[np.integer[Any]]
"""Row numbers from 0: [rows], of any whole type."""

ROWS_AT_A_TIME = 1000
_MOST_UINT32 = 2**32
# A column of numbers is gathered whole; others go through pieces of this many rows.
_ROWS_TO_GATHER = 10_000
# To take rows out of a piece costs about as much as to cut this many slices of it.
_SLICES_PER_TAKE = 8


class Rows:
    """Rows of a table, as stored or in another order. Nothing in it changes.

    The table usually lies in a memory-mapped file. Selecting, slicing and shuffling make an order,
    4 bytes a row; what is read through an order is gathered from the pieces that hold it.

    Attributes:
        table: The rows as they are stored.
        order: `uint32[rows]` (`int64` past 2**32 rows): which row of `table` each row is; None
            where the rows are those of `table`, as stored.
    """

    def __init__(self, table: pa.Table, order: Numbers | None = None) -> None:
        """`order` holds numbers of rows that are there: it is not checked."""
        self.table = table
        self.order = (
            order if order is None else order.astype(order_type(table.num_rows), copy=False)
        )
        self._count = int(table.num_rows if self.order is None else len(self.order))
        self._pieces: list[pa.RecordBatch] | None = None
        self._starts: list[int] = []
        self._columns: dict[int, list[tuple[str, pa.Array]]] = {}
        self._some: dict[tuple[str, ...], Rows] = {}
        self._whole: pa.Table | None = table if order is None else None

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self._count

    @property
    def schema(self) -> pa.Schema:
        """Arrow's types of the columns."""
        return self.table.schema

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self.table.column_names)

    def __len__(self) -> int:
        return self.num_rows

    def __getstate__(self) -> tuple[bytes, Numbers | None]:
        return dump_table(self.table), self.order

    def __setstate__(self, state: tuple[bytes, Numbers | None]) -> None:
        table, order = state
        Rows.__init__(self, load_table(table), order)

    def batches(
        self,
        size: int = ROWS_AT_A_TIME,
        columns: Sequence[str] | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows from `start` to `stop` in order, `size` at a time; the last batch has the rest.

        Only a batch is in memory at a time, and nothing is copied where the stored pieces are the
        batches asked for. A batch whose strings would pass 2 GB comes as several smaller ones.
        """
        rows = self if columns is None else self._of(columns)
        end = rows.num_rows if stop is None else min(stop, rows.num_rows)
        for first in range(start, end, size):
            yield from _batches_of(rows._between(first, min(first + size, end)))

    def take(self, rows: Numbers | Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of these numbers (from 0), in their order: only they are read.

        Raises `IndexError` for a number that is not there.
        """
        numbers = np.asarray(rows)
        if len(numbers) == 0:
            numbers = numbers.astype(np.int64)
        elif int(numbers.min()) < 0 or int(numbers.max()) >= self.num_rows:
            raise IndexError(f"rows {numbers.min()} to {numbers.max()} of {self.num_rows} rows")
        source = self if columns is None else self._of(columns)
        if source.order is not None:
            numbers = source.order[numbers]
        return source._gathered(numbers)

    def row(self, number: int) -> dict[str, Any]:
        """A row as a dict of column -> value; `number` is from 0 and not checked."""
        if self.order is not None:
            number = int(self.order[number])
        pieces = self._stored()
        piece = bisect_right(self._starts, number) - 1
        columns = self._columns.get(piece)
        if columns is None:
            found = pieces[piece]
            columns = list(zip(found.schema.names, found.columns, strict=True))
            self._columns[piece] = columns
        place = number - self._starts[piece]
        return {name: array[place].as_py() for name, array in columns}

    def column(self, name: str) -> pa.ChunkedArray:
        """A column in order: [rows]. Where there is an order, a copy in memory.

        One of numbers is kept; others, which may be large, are gathered anew at each call.
        """
        if self._whole is not None:
            return self._whole.column(name)
        alone = self._of([name])
        if alone._is_primitive():
            return alone.materialized().column(name)
        assert alone.order is not None
        return alone._gathered(alone.order).column(name)

    def at_a_time(self, most: int = ROWS_AT_A_TIME, size: int = 32 << 20) -> int:
        """How many rows, up to `most`, are about `size` bytes: judged by a few stored pieces."""
        pieces = self._stored()
        some = pieces[:: max(len(pieces) // 8, 1)]
        rows = sum(piece.num_rows for piece in some)
        return most if rows == 0 else max(min(most, size * rows // _bytes_of(some)), 1)

    def slice(self, start: int, length: int) -> "Rows":
        """`length` rows from `start` on; nothing is copied."""
        if self.order is None:
            return Rows(self.table.slice(start, length))
        return Rows(self.table, self.order[start : start + length])

    def select(self, rows: Numbers) -> "Rows":
        """The rows of these numbers (from 0, not checked), in their order; nothing is copied."""
        return Rows(self.table, rows if self.order is None else self.order[rows])

    def with_column(self, name: str, column: pa.ChunkedArray) -> "Rows":
        """With a column added, or in place of the one of that name: [rows], in order.

        Where the order leaves out few rows, the column is brought into the order of storage, and
        the other columns stay where they are. Else all are copied in order.
        """
        inverse = None if self.order is None else _inverse(self.order, self.table.num_rows)
        if inverse is not None:
            try:
                return Rows(_with(self.table, name, column.take(inverse)), self.order)
            except pa.ArrowInvalid:  # more than 2 GB of strings, which Arrow takes at once
                pass
        return Rows(_with(self.materialized(), name, column))

    def with_table(self, table: pa.Table) -> "Rows":
        """The same order over another table with as many rows."""
        return Rows(table, self.order)

    def materialized(self) -> pa.Table:
        """The rows in order as one table. Where there is an order, a copy in memory, made once."""
        if self._whole is None:
            assert self.order is not None
            self._whole = self._gathered(self.order)
        return self._whole

    def _of(self, columns: Sequence[str]) -> "Rows":
        key = tuple(columns)
        if key not in self._some:
            self._some[key] = Rows(self.table.select(list(key)), self.order)
        return self._some[key]

    def _stored(self) -> list[pa.RecordBatch]:
        """The table's pieces, in each of which every column is one array."""
        if self._pieces is None:
            pieces = self.table.to_batches()
            counts = np.array([piece.num_rows for piece in pieces], np.int64)
            self._starts = (np.cumsum(counts) - counts).tolist()
            self._pieces = pieces
        return self._pieces

    def _between(self, start: int, stop: int) -> list[pa.RecordBatch]:
        """The rows from `start` to `stop`, in pieces."""
        if self.order is not None:
            return self._at(self.order[start:stop])
        pieces, found = self._stored(), []
        number = bisect_right(self._starts, start) - 1
        while start < stop:
            piece, offset = pieces[number], start - self._starts[number]
            found.append(piece.slice(offset, stop - start))
            start += found[-1].num_rows
            number += 1
        note_read(sum(part.nbytes for part in found))
        return found

    def _at(self, numbers: Numbers) -> list[pa.RecordBatch]:
        """The stored rows of these numbers, in pieces: one for each run within a stored piece."""
        pieces = self._stored()
        if len(numbers) == 0 or not pieces:
            return []
        numbers = numbers.astype(np.int64)
        starts = np.asarray(self._starts)
        of = np.searchsorted(starts, numbers, side="right") - 1
        places = numbers - starts[of]
        leaves = np.diff(of) != 0  # where the next row is in another piece
        jumps = leaves | (np.diff(places) != 1)  # or not the next one in this
        if np.count_nonzero(jumps) > _SLICES_PER_TAKE * (np.count_nonzero(leaves) + 1):
            note_read(sum(pieces[piece].nbytes for piece in np.unique(of)))
            return [
                pieces[of[first]].take(pa.array(places[first:end])) for first, end in _runs(leaves)
            ]
        runs = _runs(jumps)
        firsts = [first for first, _ in runs]
        return [
            pieces[piece].slice(place, end - first)
            for piece, place, (first, end) in zip(
                of[firsts].tolist(), places[firsts].tolist(), runs, strict=True
            )
        ]

    def _is_primitive(self) -> bool:
        return all(pa.types.is_primitive(field.type) for field in self.schema)

    def _gathered(self, numbers: Numbers) -> pa.Table:
        if not self.table.column_names:  # which Arrow would take for no rows
            return pa.table({"": pa.nulls(len(numbers))}).select([])
        if self._is_primitive():
            return self.table.take(pa.array(numbers))
        batches: list[pa.RecordBatch] = []
        for start in range(0, len(numbers), _ROWS_TO_GATHER):
            batches += _batches_of(self._at(numbers[start : start + _ROWS_TO_GATHER]))
        return pa.Table.from_batches(batches, self.schema)


def _bytes_of(pieces: Sequence[pa.RecordBatch]) -> int:
    return max(sum(int(piece.nbytes) for piece in pieces), 1)


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)


def _inverse(order: Numbers, stored: int) -> pa.Array | None:
    """Which row of an order each stored row is, null for none; None where it is not worth it.

    It is not where a row comes twice, or where most stored rows are left out.
    """
    if 2 * len(order) < stored:
        return None
    places = np.full(stored, -1, np.int64)
    places[order] = np.arange(len(order))
    if np.count_nonzero(places >= 0) < len(order):
        return None
    return pa.array(places, mask=places < 0)


def _runs(breaks: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of n + 1 rows which break after some of the first n: (first row, row after it)."""
    cuts = (np.flatnonzero(breaks) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(breaks) + 1], strict=True))


def _batches_of(pieces: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The rows of `pieces` as one batch, or as several where one would pass 2 GB of strings."""
    if len(pieces) <= 1:
        return pieces
    try:
        return [pa.concat_batches(pieces)]
    except pa.ArrowInvalid:
        half = len(pieces) // 2
        return _batches_of(pieces[:half]) + _batches_of(pieces[half:])


def order_type(count: int) -> np.dtype[Any]:
    """The type of row numbers in a table of `count` rows: uint32 where they fit, else int64."""
    return np.dtype(np.uint32 if count <= _MOST_UINT32 else np.int64)


def all_numbers(count: int) -> Numbers:
    """The numbers of `count` rows, in the type that an order of them has."""
    return np.arange(count, dtype=order_type(count))
