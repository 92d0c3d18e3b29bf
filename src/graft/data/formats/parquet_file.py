"""Parquet files, read page by page."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.arrow_types import plain_batch
from graft.data.features import declared_features
from graft.data.formats.archive import on_disk
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_unique, damaged
from graft.data.formats.data_file import Content, DataFile, Format, Options

_ROWS = 8192
_INDEX = "__index_level_"


def read_parquet(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    """The rows of a file and the features that it declares; indexes of pandas are left out.

    Only the pages of one batch are in memory at a time. Raises `DataError` for a damaged file.
    """
    batches = _batches(file)
    schema = next(batches)
    return Content(batches, declared_features(schema))


def _batches(file: DataFile) -> Iterator[pa.Schema | pa.RecordBatch]:
    """The schema, then the batches."""
    try:
        with _opened(file) as parquet:
            names = parquet.schema_arrow.names
            check_unique(names, file.name)
            yield parquet.schema_arrow
            columns = [name for name in names if not name.startswith(_INDEX)]
            for batch in parquet.iter_batches(batch_size=_ROWS, columns=columns):
                batch.validate(full=True)  # bytes that are not UTF-8 would pass for text
                yield plain_batch(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(file.name, "Parquet", error) from error


@contextmanager
def _opened(file: DataFile) -> Iterator[pq.ParquetFile]:
    if file.remote is not None:
        stream = file.open()
        if stream.seekable():
            # A row group at a time, in few and large requests.
            with stream, pq.ParquetFile(pa.PythonFile(stream, "r"), pre_buffer=True) as parquet:
                yield parquet
            return
        stream.close()
    # Not buffered ahead, which would hold a whole row group.
    with (
        on_disk(file) as path,
        pq.ParquetFile(path, memory_map=True, pre_buffer=False) as parquet,
    ):
        yield parquet


PARQUET = Format("Parquet", (".parquet",), read_parquet)
