"""Calling a user's function over batches of rows, and checking what it returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from graft.data.features import Feature, Features, class_label_in, feature_of
from graft.data.labels import cast_column, encode_labels
from graft.data.lazy import LazyColumns
from graft.data.values import array_of, mixed
from graft.errors import DataError

POSITIONS = "row"
"""The column in which a filter keeps the numbers of its rows."""


@dataclass(frozen=True)
class Call:
    """A function of the user's, and how it is called.

    Attributes:
        verb: The verb it was given to, for errors.
        fn: The function.
        batched: Whether it takes a dict of lists, instead of a row.
        with_index: Whether it takes the row's number too, or the rows' numbers.
        source: Where the rows come from, for errors.
        streamed: Whether the rows are those of a stream, which has them in order only.
    """

    verb: str
    fn: Callable[..., Any]
    batched: bool
    with_index: bool
    source: str
    streamed: bool = False

    def __post_init__(self) -> None:
        fn: object = self.fn  # whatever was given
        if not callable(fn):
            conditions = "" if self.streamed else " Conditions in SQL: sql('select ... where ...')."
            raise DataError(
                f"{self.verb}: {fn!r} is no function. Give one that takes a row: "
                f"{self.verb}(lambda row: ...).{conditions}"
            )

    def on_batch(self, batch: pa.RecordBatch, start: int) -> Any:
        """What the function returns for a whole batch, whose first row has the number `start`."""
        end = start + batch.num_rows
        arguments = (list(range(start, end)),) if self.with_index else ()
        try:
            return self.fn(LazyColumns(batch), *arguments)
        except Exception as error:
            raise self._failed(rows_text(start, end), start, error) from error

    def on_rows(self, batch: pa.RecordBatch, start: int) -> Iterator[Any]:
        """What the function returns for each row of a batch, one after the other.

        It may be the same object each time: whoever takes it keeps what it holds.
        """
        fn, with_index, number = self.fn, self.with_index, start
        try:
            for number, row in enumerate(batch.to_pylist(), start):
                yield fn(row, number) if with_index else fn(row)
        except Exception as error:
            raise self._failed(f"row {number}", number, error) from error

    def _failed(self, rows: str, first: int, error: Exception) -> DataError:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        look = f"next(iter(data.skip({first})))" if self.streamed else f"data[{first}]"
        return DataError(
            f"{self.verb}: the function failed for {rows} of {self.source}: {told}. "
            f"Look at the row with {look}."
        )


@dataclass(frozen=True)
class MapCall:
    """What `map` does to a batch.

    Attributes:
        call: The function.
        columns: The types of the rows' columns.
        removed: Columns that the result is without, where the function returns none of the name.
        features: What columns of the result are to be; those not here are found out.
        labels: The features of the columns of classes that there are.
        whole: Whether to give the columns that stay too, and not only those that are returned.
    """

    call: Call
    columns: pa.Schema
    removed: frozenset[str]
    features: Features = field(default_factory=dict)
    labels: Features = field(default_factory=dict)
    whole: bool = False

    def __call__(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """The columns that the function returns for the rows of `batch`.

        Raises `DataError` for what is no column of values of one kind, or not one per row.
        """
        call = self.call
        if call.batched:
            result = call.on_batch(batch, start)
            columns = self._mapping(result, rows_text(start, start + batch.num_rows, short=True))
        else:
            columns = self._collected(call.on_rows(batch, start), start)
        arrays = {name: self._array(name, columns, start, batch.num_rows) for name in columns}
        kept = self.kept(arrays)
        self._check_features(arrays)
        self._check_lengths(arrays, kept, batch.num_rows, start)
        if self.whole:
            arrays = {**{name: batch.column(name) for name in kept}, **arrays}
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))

    def kept(self, returned: Mapping[str, Any]) -> list[str]:
        """The columns of the rows that stay as they are, given those that are returned."""
        return [
            name for name in self.columns.names if name not in self.removed and name not in returned
        ]

    def feature(self, name: str, kind: pa.DataType) -> Feature:
        """The feature of a returned column that is stored as `kind`."""
        return self.features.get(name) or self.labels.get(name) or feature_of(kind)

    def _collected(self, results: Iterable[Any], start: int) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for number, result in enumerate(results, start):
            row = result if type(result) is dict else self._mapping(result, f"row {number}")
            if number == start:
                columns = {name: [] for name in self._mapping(row, f"row {number}")}
            elif row.keys() != columns.keys():
                raise DataError(
                    f"map: for row {number} the function returned the columns "
                    f"{', '.join(row)}, for those before {', '.join(columns)}. "
                    "Return the same columns for every row."
                )
            for name, value in row.items():
                columns[name].append(value)
        return columns

    def _mapping(self, result: object, rows: str) -> Mapping[str, Any]:
        if not isinstance(result, Mapping):
            raise DataError(
                f"map: for {rows} the function returned {type(result).__name__}. "
                "Return a dict of column -> value."
            )
        for name in result:
            if not isinstance(name, str):
                raise DataError(
                    f"map: for {rows} the function returned a column named {name!r}. "
                    "Names of columns are strings."
                )
        return result

    def _array(self, name: str, columns: Mapping[str, Any], start: int, rows: int) -> pa.Array:
        untouched = columns.untouched(name) if isinstance(columns, LazyColumns) else None
        if untouched is not None and name not in self.features:
            return untouched
        where, values = rows_text(start, start + rows), columns[name]
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise DataError(
                f"map: for {where} the function returned {type(values).__name__} for {name!r}. "
                "A function over batches returns a list of values for each column."
            )
        old = self.columns.field(name).type if name in self.columns.names else None
        try:
            array = array_of(values, None if name in self.features else old)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            reason, places = mixed(values, error)
            if places and not self.call.batched:
                where = f"rows {start + places[0]} and {start + places[1]}"
            wrong = "are of several kinds" if places else "cannot be kept in Arrow"
            raise DataError(
                f"map, {where}: the values of {name!r} {wrong} ({reason}). "
                "Return values of one kind for all rows: texts, numbers, lists, dicts."
            ) from error
        return self._typed(name, array, start)

    def _typed(self, name: str, array: pa.Array, start: int) -> pa.Array:
        """A column as the feature that is asked for, or as the classes that there were."""
        wanted = self.features.get(name)
        column = pa.chunked_array([array])

        def where(_: str, row: int) -> str:
            return f"{self.call.source}, row {start + row} (counted from 0), column {name!r}"

        if wanted is not None:
            told = f"map, {rows_text(start, start + len(array))}, column {name!r}"
            column = cast_column(column, feature_of(array.type), wanted, where, told)
        elif name in self.labels and class_label_in(self.labels[name]) is not None:
            column = encode_labels({"": column}, self.labels[name], where)[0][""]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def _check_features(self, arrays: Mapping[str, pa.Array]) -> None:
        for name in self.features:
            if name not in arrays:
                raise DataError(
                    f"map: features names the column {name!r}, which the function did not return. "
                    "Leave it out; cast changes the feature of a column that stays."
                )

    def _check_lengths(
        self, arrays: Mapping[str, pa.Array], kept: list[str], rows: int, start: int
    ) -> None:
        lengths = {name: len(array) for name, array in arrays.items()}
        if kept:
            name = next((name for name, length in lengths.items() if length != rows), None)
            if name is not None:
                raise DataError(
                    f"map: the function returned {lengths[name]} values of {name!r} for "
                    f"{rows} rows (rows {start} on). Return one value per row; or, to make other "
                    f"rows of them, return every column or give remove={kept!r}."
                )
        elif len(set(lengths.values())) > 1:
            told = ", ".join(f"{length} of {name!r}" for name, length in lengths.items())
            raise DataError(
                f"map, {rows_text(start, start + rows)}: the function returned columns of "
                f"different lengths ({told}). Return as many values in each."
            )


@dataclass(frozen=True)
class FilterCall:
    """What `filter` does to a batch: gives the numbers of the rows that stay.

    Attributes:
        call: The function.
        number_type: The type of the numbers.
    """

    call: Call
    number_type: pa.DataType

    def __call__(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """The numbers of the rows of `batch` for which the function gives true.

        Raises `DataError` when a function over batches gives no value for each row.
        """
        if self.call.batched:
            mask = self._mask(self.call.on_batch(batch, start), batch.num_rows, start)
        else:
            results = self.call.on_rows(batch, start)
            mask = np.fromiter(map(bool, results), np.bool_, batch.num_rows)
        numbers = pa.array(np.flatnonzero(mask) + start, self.number_type)
        return pa.RecordBatch.from_arrays([numbers], names=[POSITIONS])

    def _mask(self, result: Any, rows: int, start: int) -> Any:
        if isinstance(result, pa.Array | pa.ChunkedArray):
            result = result.to_pylist()
        where = rows_text(start, start + rows)
        if isinstance(result, Mapping) or not hasattr(result, "__len__"):
            raise DataError(
                f"filter: for {where} the function returned {type(result).__name__}. "
                "A function over batches returns a list of true and false, one per row."
            )
        if len(result) != rows:
            raise DataError(
                f"filter: for {where} the function returned {len(result)} values for {rows} rows. "
                "Return true or false for each row."
            )
        return np.fromiter(map(bool, result), np.bool_, rows)


def rows_text(start: int, end: int, *, short: bool = False) -> str:
    """The rows from `start` to `end` (not among them) for an error; or only the first, if short."""
    if short or end - start <= 1:
        return f"row {start}"
    return f"rows {start} to {end - 1}"
