"""Running a user's Python function over the rows of a table, batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.errors import DataError

Row = dict[str, Any]
Columns = dict[str, list[Any]]


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    """The rows as dicts, in order; only a batch of them is in Python's hands at a time."""
    for batch in batches:
        yield from batch.to_pylist()


def mapped_columns(
    table: pa.Table, fn: Callable[[Any], Any], *, batched: bool, batch_size: int
) -> pa.Table:
    """The columns that `fn` returns for the rows of `table`, as many rows as there.

    `fn` takes a row and returns a dict; when `batched`, it takes a dict of lists and returns one.
    Raises `DataError` for a result of another shape, naming the row.
    """
    parts = []
    for start in range(0, table.num_rows, batch_size):
        batch = table.slice(start, batch_size)
        if batched:
            columns = _checked(fn(batch.to_pydict()), start)
        else:
            columns = _collected(batch, fn, start)
        for name, values in columns.items():
            if len(values) != batch.num_rows:
                raise DataError(
                    f"map: the function returned {len(values)} values of {name!r} for "
                    f"{batch.num_rows} rows (rows {start} on). Return one value per row."
                )
        parts.append(_as_table(columns, start))
    if len({tuple(part.column_names) for part in parts}) > 1:
        raise DataError("map: the function returned other columns for some rows than for others.")
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"map: the function returned values of several kinds ({reason})."
        ) from error


def filter_mask(
    batches: Iterable[pa.RecordBatch], fn: Callable[[Row], Any]
) -> npt.NDArray[np.bool_]:
    """Which rows `fn` holds true for: bool [rows]."""
    return np.fromiter((bool(fn(row)) for row in rows_of(batches)), np.bool_)


def _collected(batch: pa.Table, fn: Callable[[Row], Any], start: int) -> Columns:
    columns: Columns = {}
    for offset, row in enumerate(batch.to_pylist()):
        result = _checked(fn(row), start + offset)
        if offset and result.keys() != columns.keys():
            raise DataError(
                f"map: for row {start + offset} the function returned the columns "
                f"{', '.join(result)}, for those before {', '.join(columns)}. "
                "Return the same columns for every row."
            )
        for name, value in result.items():
            columns.setdefault(name, []).append(value)
    return columns


def _checked(result: object, row: int) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        raise DataError(
            f"map: for row {row} the function returned {type(result).__name__}. "
            "Return a dict of column -> value."
        )
    return {str(name): value for name, value in result.items()}


def _as_table(columns: Columns, start: int) -> pa.Table:
    arrays = []
    for name, values in columns.items():
        try:
            arrays.append(pa.array(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"map, rows {start} on: the values of {name!r} are of several kinds ({reason})."
            ) from error
    return pa.table(arrays, names=list(columns))
