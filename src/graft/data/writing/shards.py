"""Rows written into files of about a given size, a batch at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.arrow_types import written_array
from graft.data.features import Features, file_schema
from graft.errors import DataError
from graft.files import bytes_in

SHARD_BYTES = 500 << 20
"""The size of a shard where none is asked for: bytes of its rows in memory."""

# Rows that are written at once: what a reader has to hold for one row of them.
_GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class Shards:
    """The files of a split: their paths in order, and how many bytes their rows have in memory."""

    paths: list[Path]
    num_bytes: int


Opened = Any
"""A writer of `pyarrow`: `write_table` and, as a context manager, its end."""
Open = Callable[[Path, pa.Schema], Opened]


def parse_size(size: int | str) -> int:
    """A number of bytes: 1000, "500MB" (millions), "2GiB" (2 * 1024**3).

    Raises `DataError` for anything else.
    """
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    number = bytes_in(size) if isinstance(size, str) else None
    if not number:
        raise DataError(f"{size!r} is no size of a file. Give bytes, or a text such as '500MB'.")
    return number


def write_parquet(
    batches: Iterable[pa.RecordBatch],
    features: Features,
    name: Callable[[int, int], Path],
    most_bytes: int = SHARD_BYTES,
) -> Shards:
    """Writes rows as Parquet files of at most about `most_bytes` in memory; see `write_shards`."""
    return write_shards(batches, features, name, most_bytes, _open_parquet)


def write_arrow(
    batches: Iterable[pa.RecordBatch],
    features: Features,
    name: Callable[[int, int], Path],
    most_bytes: int = SHARD_BYTES,
) -> Shards:
    """Writes rows as Arrow streams; see `write_shards`."""
    return write_shards(batches, features, name, most_bytes, pa.RecordBatchStreamWriter)


def write_shards(
    batches: Iterable[pa.RecordBatch],
    features: Features,
    name: Callable[[int, int], Path],
    most_bytes: int,
    open_file: Open,
) -> Shards:
    """Writes rows into files: at least one, of which only the last has less than it may.

    Args:
        batches: the rows, in order, in the types of a table of ours.
        features: of their columns, with which the files are written.
        name: the path of a file by its number (from 0) and how many there are.
        most_bytes: bytes of rows in memory that a file may hold; one row alone may pass it.
        open_file: begins a file of a schema.

    Raises `DataError` for values that are not of their feature, or of a type that the format does
    not have, naming the column.
    """
    schema = file_schema(features)
    written: list[Path] = []
    total = 0
    for tables in _by_file(_groups(_typed(batches, schema), most_bytes), most_bytes):
        # How many there will be is not known yet.
        path = name(len(written), 0).with_name(f".{name(len(written), 0).name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _writer(open_file, path, schema) as writer:
            for table in filter(len, tables):  # others stumble over a group of no rows
                writer.write_table(table)
                total += table.nbytes
        written.append(path)
    paths = [name(number, len(written)) for number in range(len(written))]
    for part, path in zip(written, paths, strict=True):
        part.replace(path)
    return Shards(paths, total)


def _open_parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def _writer(open_file: Open, path: Path, schema: pa.Schema) -> Opened:
    try:
        return open_file(path, schema)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        for field in schema:
            _check_type(open_file, path, field)
        raise


def _check_type(open_file: Open, path: Path, field: pa.Field) -> None:
    try:
        with open_file(path, pa.schema([field])):
            pass
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"The column {field.name!r} holds {field.type}, which the file cannot have ({reason}). "
            "Cast it to another type, or remove it."
        ) from error


def _typed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in the types of the file."""
    row = 0
    for batch in batches:
        arrays = []
        for field in schema:
            column = batch.column(field.name)
            try:
                arrays.append(written_array(column, field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                reason = str(error).splitlines()[0]
                raise DataError(
                    f"The column {field.name!r} (rows {row} to {row + batch.num_rows - 1}) holds "
                    f"{column.type}, but its feature is {field.type} ({reason}). "
                    f"Bring it there first: cast({field.name!r}, <feature>)."
                ) from error
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += batch.num_rows
    if not row:  # a file has columns though it has no rows
        yield pa.RecordBatch.from_pylist([], schema=schema)


def _groups(batches: Iterable[pa.RecordBatch], most_bytes: int) -> Iterator[pa.Table]:
    """The rows in tables of a size to be written at once."""
    limit = min(_GROUP_BYTES, most_bytes)
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        for part in _parts(batch, limit):
            if waiting and size + part.nbytes > limit:
                yield pa.Table.from_batches(waiting)
                waiting, size = [], 0
            waiting.append(part)
            size += part.nbytes
    if waiting:
        yield pa.Table.from_batches(waiting)


def _parts(batch: pa.RecordBatch, limit: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows < 2 or batch.nbytes <= limit:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _parts(batch.slice(0, half), limit)
    yield from _parts(batch.slice(half), limit)


def _by_file(tables: Iterator[pa.Table], most_bytes: int) -> Iterator[Iterator[pa.Table]]:
    """The tables of each file, which have to be taken before those of the next."""
    following = next(tables, None)

    def of_one() -> Iterator[pa.Table]:
        nonlocal following
        size = 0
        while following is not None and (size == 0 or size + following.nbytes <= most_bytes):
            size += max(following.nbytes, 1)
            yield following
            following = next(tables, None)

    while following is not None:
        yield of_one()
