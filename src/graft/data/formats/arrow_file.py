"""Arrow's own files: IPC files, IPC streams, and Feather."""

from collections.abc import Iterator

import pyarrow as pa

from graft.data.arrow_types import plain_batch
from graft.data.features import declared_features
from graft.data.formats.archive import on_disk
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_unique, damaged
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.errors import DataError

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"


def read_arrow(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    """The rows of an IPC file or stream (told apart by their first bytes) or a Feather file.

    Batches are memory-mapped. What the file declares of its features is kept; indexes of pandas are
    left out. Raises `DataError` for a file that is damaged, and for Feather's first version.
    """
    batches = _batches(file)
    schema = next(batches)
    return Content(batches, declared_features(schema))


def _batches(file: DataFile) -> Iterator[pa.Schema | pa.RecordBatch]:
    """The schema, then the batches."""
    try:
        with on_disk(file) as path, pa.memory_map(str(path)) as source:
            start = source.read(len(_FILE))
            source.seek(0)
            if start.startswith(_FEATHER_1):
                raise DataError(
                    f"{file.name}: the file is of Feather's first version, which is no longer "
                    "read. Write it anew with pandas: df.to_feather(...)."
                )
            if start == _FILE:
                reader = pa.ipc.open_file(source)
                check_unique(reader.schema.names, file.name)
                yield reader.schema
                for number in range(reader.num_record_batches):
                    yield _plain(reader.get_batch(number))
            else:
                stream = pa.ipc.open_stream(source)
                check_unique(stream.schema.names, file.name)
                yield stream.schema
                yield from map(_plain, stream)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(file.name, "Arrow", error) from error


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    batch.validate(full=True)  # a damaged batch would be read as it stands
    names = [name for name in batch.schema.names if not name.startswith("__index_level_")]
    return plain_batch(batch.select(names))


ARROW = Format("Arrow", (".arrow", ".ipc", ".feather"), read_arrow)
