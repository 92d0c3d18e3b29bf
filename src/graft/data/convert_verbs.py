"""Rows in the forms of other libraries: data frames, arrays, tensors, and plain Python."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import of_classes
from graft.data.base import DatasetBase
from graft.data.features import ClassLabel
from graft.data.roles import is_list
from graft.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import torch

MISSING_CLASS = -100
"""The number of a missing class in a tensor: the losses of PyTorch leave it out."""


class ConvertVerbs(DatasetBase):
    """Rows handed to others. All rows are in memory, in each of these forms."""

    def to_pandas(self, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A pandas DataFrame of these columns or all; class labels are categories by name.

        Raises `DataError` when pandas is not installed.
        """
        table = self._with_categories(columns)
        try:
            frame: pd.DataFrame = table.to_pandas()
        except ModuleNotFoundError as error:
            raise DataError(
                "to_pandas needs pandas. Install it with: pip install pandas"
            ) from error
        return frame

    def to_polars(self, columns: Sequence[str] | None = None) -> "pl.DataFrame":
        """A Polars DataFrame of these columns or all; class labels are an `Enum` of their names.

        Numbers and texts stay in the same memory. Raises `DataError` when Polars is not installed.
        """
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            raise DataError(
                "to_polars needs Polars. Install it with: pip install polars"
            ) from error
        table = self._with_categories(columns)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        labels = {name: self._features[name] for name in table.column_names}
        return frame.with_columns(
            pl.col(name).cast(pl.Enum(label.names))
            for name, label in labels.items()
            if isinstance(label, ClassLabel)
        )

    def to_numpy(self, columns: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """The columns, these or all, as arrays of NumPy: {name: [rows, ...]}.

        Numbers and truth values have their own type; whole numbers among which one is missing
        become float64 with NaN there. A class label is its number, int64, -1 where it is missing.
        Lists of numbers that are all as long are one array [rows, length]; other lists are an array
        of arrays. Texts, dates of other than a fixed unit, and records are Python objects, None
        where they are missing.
        """
        return {
            name: _as_numpy(column, -1 if isinstance(self._features[name], ClassLabel) else None)
            for name, column in self._chosen(columns)
        }

    def to_torch(self, columns: Sequence[str] | None = None) -> "dict[str, Any]":
        """The columns of numbers as tensors of PyTorch: {name: [rows, ...]}.

        Args:
            columns: which; all that hold numbers, truth values, classes, or lists of those, where
                it is not given.

        Returns:
            Tensors of the type that the column has. A class label is int64, -100 where it is
            missing, which losses leave out. Lists that are all as long are one tensor
            [rows, length], other lists are a list of tensors.

        Raises `DataError` for a column of something else, and for a missing whole number or list.
        """
        if columns is None:
            schema = self._rows.schema
            columns = [field.name for field in schema if _is_numeric(field.type)]
        return {name: self._as_tensors(name, column) for name, column in self._chosen(columns)}

    def to_list(self) -> list[dict[str, Any]]:
        """The rows as dicts of column -> value; a class label is its number."""
        return [row for batch in self.batches() for row in batch.to_pylist()]

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns as lists; a class label is its number."""
        return {name: column.to_pylist() for name, column in self._chosen(None)}

    def _chosen(self, columns: Sequence[str] | None) -> list[tuple[str, pa.ChunkedArray]]:
        names = self.column_names if columns is None else columns
        if isinstance(names, str):
            raise DataError(f"columns={names!r}: give a list of columns, [{names!r}].")
        return [(name, self.column(name)) for name in names]

    def _with_categories(self, columns: Sequence[str] | None) -> pa.Table:
        """The rows with class labels as Arrow's categories."""
        chosen = {}
        for name, column in self._chosen(columns):
            feature = self._features[name]
            if isinstance(feature, ClassLabel):
                names = pa.array(feature.names, pa.string())
                kind = pa.dictionary(pa.int32(), pa.string())
                chunks = [
                    pa.DictionaryArray.from_arrays(
                        of_classes(chunk, len(names)).cast(pa.int32()), names
                    )
                    for chunk in column.chunks
                ]
                column = pa.chunked_array(chunks, kind)
            chosen[name] = column
        return pa.table(chosen)

    def _as_tensors(
        self, name: str, column: pa.ChunkedArray
    ) -> "torch.Tensor | list[torch.Tensor]":
        import torch

        where = f"to_torch: {self._source}, column {name!r}"
        if not _is_numeric(column.type):
            raise DataError(f"{where} holds {column.type}. Give columns of numbers, or of lists.")
        if isinstance(self._features[name], ClassLabel):
            column = pc.fill_null(column, MISSING_CLASS)
        flat = column
        while is_list(flat.type):
            _check_complete(flat, where, "list")
            flat = pc.list_flatten(flat)
        if not pa.types.is_floating(flat.type):
            _check_complete(flat, where, "number")
        found = _as_numpy(column, None)
        if found.dtype == object:
            return [torch.from_numpy(np.array(row)) for row in found]
        return torch.from_numpy(np.array(found))


def _check_complete(column: pa.ChunkedArray, where: str, what: str) -> None:
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataError(
            f"{where}: a {what} is missing (the first in place {row}), which a tensor cannot hold. "
            "Filter these rows out, or fill them with map."
        )


def _is_numeric(kind: pa.DataType) -> bool:
    while is_list(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _as_numpy(column: pa.ChunkedArray, missing: int | None) -> npt.NDArray[Any]:
    """A column as an array [rows, ...]; `missing` stands for nulls, where it is given."""
    if missing is not None:
        column = pc.fill_null(column, missing)
    if pa.types.is_struct(column.type):
        records = np.empty(len(column), object)
        records[:] = column.to_pylist()
        return records
    if not is_list(column.type):
        return np.asarray(column.to_numpy())
    lengths = pc.list_value_length(column)
    if _is_numeric(column.type) and not column.null_count and len(column):
        values = _as_numpy(pc.list_flatten(column), None)
        size = lengths[0].as_py()
        if values.dtype != object and pc.all(pc.equal(lengths, size)).as_py():
            return values.reshape(len(column), size, *values.shape[1:])
    rows = np.empty(len(column), object)
    start = 0
    for chunk in column.chunks:
        rows[start : start + len(chunk)] = _lists(chunk)
        start += len(chunk)
    return rows


def _lists(array: pa.ListArray) -> npt.NDArray[Any]:
    """The lists as arrays, None where one is missing: object [rows]."""
    values = _as_numpy(pa.chunked_array([array.flatten()]), None)
    ends = np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(array), 0)))
    rows = np.empty(len(array), object)
    for number, row in enumerate(np.split(values, ends)[: len(array)]):
        rows[number] = row
    rows[np.asarray(pc.is_null(array))] = None
    return rows
