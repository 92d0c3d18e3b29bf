"""Which rows, in which order: verbs that copy no row."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.base import DatasetBase
from graft.data.rows import Numbers, all_numbers, order_type
from graft.data.seeds import checked_seed
from graft.errors import DataError


class RowVerbs(DatasetBase):
    """Choosing and ordering rows."""

    def select(self, rows: Iterable[int] | Numbers) -> Self:
        """The rows of these numbers (from 0; negative ones count from the end), in their order.

        A range of rows costs nothing; others cost 4 bytes a row.

        Raises `DataError` for a row that is not there.
        """
        if isinstance(rows, range) and rows.step == 1 and 0 <= rows.start <= rows.stop <= len(self):
            return self._part(rows.start, rows.stop)
        wanted = _numbers(rows)
        outside = wanted[(wanted < -len(self)) | (wanted >= len(self))]
        if len(outside):
            raise DataError(f"select: there is no row {outside[0]}; there are {len(self)} rows.")
        if wanted.size and wanted.min() < 0:
            wanted = np.remainder(wanted, len(self)).astype(np.int64)
        # A copy: the array is the caller's, who may change it.
        wanted = np.array(wanted, dtype=order_type(len(self)))
        return self._like(self._rows.select(wanted), self._identity.then("select", wanted))

    def shuffle(self, seed: int | None = 0) -> Self:
        """The rows in an order drawn at random; the same for the same seed, another for None."""
        seed = checked_seed("shuffle", seed)
        order = all_numbers(len(self))
        np.random.default_rng(seed).shuffle(order)
        return self._like(self._rows.select(order), self._identity.then("shuffle", seed))

    def sort(
        self,
        column: str | Sequence[str],
        *,
        descending: bool | Sequence[bool] = False,
    ) -> Self:
        """The rows sorted by a column, missing values last; equal ones keep their order.

        Args:
            column: its name; or several, of which later ones order what is equal by those before.
            descending: whether large values come first; or that for each of several columns.

        Raises `DataError` when a column is not there, or its values have no order.
        """
        columns = [column] if isinstance(column, str) else list(column)
        down = [descending] * len(columns) if isinstance(descending, bool) else list(descending)
        if not columns or len(down) != len(columns):
            raise DataError(
                f"sort: {len(columns)} columns were given and {len(down)} directions. Give at "
                "least one column, and descending as True, False, or a list of one for each."
            )
        for name in columns:
            self._check_ordered(name)
        table = pa.table({name: self.column(name) for name in dict.fromkeys(columns)})
        directions = ["descending" if each else "ascending" for each in down]
        order = pc.sort_indices(table, sort_keys=list(zip(columns, directions, strict=True)))
        rows = self._rows.select(order.to_numpy())
        del order, table
        pa.default_memory_pool().release_unused()  # sorting takes 16 bytes a row
        return self._like(rows, self._identity.then("sort", column, descending))

    def _check_ordered(self, column: str) -> None:
        self._check_column(column)
        kind = self._rows.schema.field(column).type
        try:
            pc.sort_indices(pa.array([], kind))
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise DataError(
                f"sort: {self._source}, column {column!r}: {kind} has no order. Sort by a column "
                "of texts, numbers or dates."
            ) from error

    def _part(self, start: int, stop: int) -> Self:
        rows = self._rows.slice(start, stop - start)
        return self._like(rows, self._identity.then("slice", start, stop))


def _numbers(rows: Iterable[int] | Numbers) -> Numbers:
    """Row numbers as an array of whole numbers; true/false for each row are not such."""
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop, rows.step)
    # Arrays of Arrow, pandas and PyTorch tell NumPy what they hold; lists and generators do not.
    array = np.asarray(rows if hasattr(rows, "__array__") else list(rows))
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind == "U":
        raise DataError(
            f"select: {str(array.flat[0])!r} is no row. Rows are chosen by whole numbers, columns "
            "by leaving others out: remove('<column>', ...)."
        )
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"select: rows are chosen by whole numbers in one dimension, not by {array.dtype} of "
            f"shape {array.shape}. For a mask of true and false: np.flatnonzero(mask)."
        )
    return array
