"""Rows that are in memory, or that a generator makes: data frames, tables, lists, functions."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from graft.data.arrow_types import plain_batch, plain_table
from graft.data.features import ClassLabel, Features, declared_features
from graft.data.fingerprint import digest, parts_of_function
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_unique
from graft.data.formats.data_file import Content, Options
from graft.data.labels import dictionary_names
from graft.data.reading.raw import InMemory, Stream
from graft.errors import DataError, GraftError

_ROWS = 1000
_INDEX = "__index_level_"


def is_rows(source: object) -> bool:
    """Whether an object is one that `in_memory` reads."""
    if isinstance(source, str | Path | Mapping | type(None)):
        return False
    return (
        hasattr(source, "__arrow_c_stream__")
        or _is_pandas(source)
        or isinstance(source, list | tuple | Iterator)
        or callable(source)
    )


def is_columns(source: Mapping[Any, Any]) -> bool:
    """Whether a dict holds columns by name (rather than sources by split): lists, arrays."""
    values = list(source.values())
    return bool(values) and all(_is_column(value) for value in values)


def in_memory(source: object, name: str, options: Options) -> InMemory | Stream:
    """The rows of an object.

    Args:
        source: a data frame of pandas or Polars, a table, record batch or reader of Arrow, or
            anything else that hands out Arrow's stream; a list of dicts (rows) or of strings (the
            column `text`); a dict of columns; a function that yields rows, whose arguments are
            the option `gen_kwargs`, or an iterator over rows.
        name: how errors name it.
        options: of the call.

    Returns:
        What a generator or reader yields is read batch by batch, and kept where the function and
        its arguments have a fingerprint; all else stays where it is.

    Raises `DataError` for any other object, and for values of several kinds in one column.
    """
    if isinstance(source, Mapping):
        return columns_in_memory(source, name)
    if _is_pandas(source):
        return _from_pandas(source, name)
    if isinstance(source, pa.RecordBatchReader):
        return Stream(name, lambda _: _from_reader(source, name))
    if hasattr(source, "__arrow_c_stream__") and not _is_series(source):
        return _from_arrow(source, name)
    if isinstance(source, list | tuple):
        return _from_list(list(source), name)
    if callable(source):
        return _from_function(source, name, options.get("gen_kwargs") or {})
    if isinstance(source, Iterator):
        return Stream(name, lambda _: Content(_rows(source, name)))
    raise DataError(f"A {_told(source)} is no data set to load. {_what_to_give(source)}")


def _told(source: object) -> str:
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def _what_to_give(source: object) -> str:
    kind, package = type(source).__name__, type(source).__module__.partition(".")[0]
    if package == "graft":
        return "It is one already: use it as it is; for splits, DatasetDict({'train': ...})."
    if package == "datasets":
        return "Give dataset.to_pandas(), or the folder that its save_to_disk writes."
    if _is_series(source) or kind == "ndarray":
        return "For one column, give a dict of columns: {'text': ...}."
    return (
        "Give a path, a repository id, a data frame of pandas or Polars, a table of Arrow, a list "
        "of rows, a dict of columns, a function that yields rows, or a dict of split -> one of "
        "these."
    )


def _is_series(source: object) -> bool:
    return type(source).__name__ == "Series"


def _is_pandas(source: object) -> bool:
    return type(source).__name__ == "DataFrame" and type(source).__module__.startswith("pandas")


def _is_column(value: object) -> bool:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return True
    if isinstance(value, list | tuple):
        # A list of dicts is the rows of a split.
        return not any(isinstance(item, Path | Mapping) or is_rows(item) for item in value[:1])
    # Series of pandas and Polars, and arrays of NumPy and PyTorch; but not data frames.
    shape = getattr(value, "shape", None)
    return shape is not None and not hasattr(value, "columns")


def _from_arrow(source: Any, name: str) -> InMemory:
    try:
        table = pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"{name}: Arrow cannot read this {type(source).__name__}. {error}"
        ) from None
    check_unique(table.column_names, name)
    return InMemory(name, _plain(table), _declared(table))


def _from_reader(reader: pa.RecordBatchReader, name: str) -> Content:
    check_unique(reader.schema.names, name)
    return Content(map(plain_batch, reader), declared_features(reader.schema))


def _declared(table: pa.Table) -> Features:
    """What the table's metadata says of its columns, and the names of its categories."""
    categories = {column: dictionary_names(table[column]) for column in table.column_names}
    named = {column: ClassLabel(names) for column, names in categories.items() if names}
    return {**named, **declared_features(table.schema)}


def _plain(table: pa.Table) -> pa.Table:
    index = [column for column in table.column_names if column.startswith(_INDEX)]
    return plain_table(table.drop_columns(index))


def _from_pandas(frame: Any, name: str) -> InMemory:
    columns = [str(column) for column in frame.columns]
    check_unique(columns, name)
    arrays = []
    for position, column in enumerate(columns):
        try:
            array = pa.Array.from_pandas(frame.iloc[:, position])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{name}, column {column!r}: values of several kinds ({reason}). "
                f"Make them one kind, for instance with df[{column!r}].astype(str)."
            ) from error
        arrays.append(array)
    table = pa.table(arrays, names=columns)
    return InMemory(name, _plain(table), _declared(table))


def columns_in_memory(source: Mapping[Any, Any], name: str) -> InMemory:
    """Columns by name, of Arrow, NumPy, pandas or Polars, or lists; `name` names them in errors."""
    columns = {str(key): _column(value, name, str(key)) for key, value in source.items()}
    lengths = {column: len(values) for column, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{column} has {length:,}" for column, length in lengths.items())
        raise DataError(f"{name}: the columns are of different lengths: {told}. Make them alike.")
    table = pa.table(columns)
    return InMemory(name, _plain(table), _declared(table))


def _column(values: Any, name: str, column: str) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    if hasattr(values, "tolist") and len(getattr(values, "shape", ())) != 1:
        values = values.tolist()
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _kinds(list(values), error, name, column, 0) from error


def _from_list(items: list[Any], name: str) -> InMemory:
    if items and all(isinstance(item, str) for item in items):
        return InMemory(name, pa.table({"text": pa.array(items, pa.string())}))
    if not items:
        raise DataError(f"{name}: the list is empty. Give rows: [{{'text': '...'}}, ...].")
    table = pa.Table.from_batches([_batch(items, name, 0)])
    return InMemory(name, _plain(table))


def _from_function(function: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> Stream:
    told = getattr(function, "__qualname__", None) or type(function).__name__

    def content(_: BadRows) -> Content:
        rows = function(**arguments)
        if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
            raise DataError(
                f"{told}: the function returned {type(rows).__name__}. Let it yield rows, each a "
                "dict of column -> value."
            )
        return Content(_rows(iter(rows), told))

    def parts() -> dict[str, str]:
        named = {f"argument {key}": digest(value) for key, value in arguments.items()}
        return {**parts_of_function(function), **named}

    return Stream(told if inspect.isroutine(function) else name, content, parts)


def _rows(rows: Iterator[Any], name: str) -> Iterator[pa.RecordBatch]:
    start = 0
    rows = _named(rows, name)
    while items := list(islice(rows, _ROWS)):
        yield plain_batch(_batch(items, name, start))
        start += len(items)


def _named(rows: Iterator[Any], name: str) -> Iterator[Any]:
    """The same rows; an error of whatever makes them says after how many it came."""
    made = 0
    try:
        for row in rows:
            made += 1
            yield row
    except GraftError:
        raise
    except Exception as error:
        raise DataError(
            f"{name}: making row {made + 1} failed: {type(error).__name__}: {error}. Its cause "
            "is shown above."
        ) from error


def _batch(items: list[Any], name: str, start: int) -> pa.RecordBatch:
    """Rows as a batch; `start` is the number of the first, from 0."""
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise DataError(
                f"{name}, row {start + number + 1}: a {type(item).__name__} stands where a row was "
                "expected, a dict of column -> value, such as {'text': '...', 'label': '...'}."
            )
    names = dict.fromkeys(chain.from_iterable(items))
    arrays = []
    for column in names:
        values = [item.get(column) for item in items]
        try:
            arrays.append(pa.array(values))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise _kinds(values, error, name, str(column), start) from error
    columns = [str(column) for column in names]
    check_unique(columns, name)
    return pa.record_batch(arrays, names=columns)


def _kinds(values: list[Any], error: Exception, name: str, column: str, start: int) -> DataError:
    """The error for the first value that Arrow cannot put behind those before it."""
    low, high = 0, len(values)
    while low < high:  # the longest beginning that Arrow takes
        middle = (low + high + 1) // 2
        if _is_array(values[:middle]):
            low = middle
        else:
            high = middle - 1
    value = repr(values[low]) if low < len(values) else ""
    reason = str(error).splitlines()[0]
    return DataError(
        f"{name}, row {start + low + 1}, column {column!r}: {value[:60]} does not go with the "
        f"values before it ({reason}). Give all values of a column in one kind."
    )


def _is_array(values: list[Any]) -> bool:
    try:
        pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True
