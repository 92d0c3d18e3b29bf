"""Rows and columns of Parquet files, from their footers: the end of a file says what it holds."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graft.server.errors import EntryNotFoundError
from graft.server.records import Entry
from graft.server.search.values import Read, plain

MAX_FILES = 400
MAX_COLUMNS = 200
MAX_FOOTER_BYTES = 16 * 1024**2
TAIL_BYTES = 64 * 1024
"""Read at once: the footers of most files are shorter."""
_MAGIC = b"PAR1"


def read_table(entry: Entry, read: Read) -> dict[str, Any]:
    """`{"rows": ..., "columns": {name: type}}`; empty for what is no Parquet file."""
    try:
        tail = _tail(entry, read)
        if tail is None:
            return {}
        # The footer stands at the same distance from the end, wherever the file begins.
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + tail))
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError, ValueError, EntryNotFoundError):
        return {}
    fields = list(schema)[:MAX_COLUMNS]
    columns = {plain(field.name): plain(str(field.type))[:200] for field in fields}
    return {"rows": metadata.num_rows, "columns": columns}


def _tail(entry: Entry, read: Read) -> bytes | None:
    """The end of the file from its footer on; None where there is no footer."""
    if entry.size < 12:
        return None
    length = min(entry.size, TAIL_BYTES)
    tail = read(entry, entry.size - length, length)
    if tail[-4:] != _MAGIC:
        return None
    needed = int.from_bytes(tail[-8:-4], "little") + 8
    if needed > min(entry.size, MAX_FOOTER_BYTES):
        return None
    if needed > length:
        tail = read(entry, entry.size - needed, needed)
    return tail[-needed:]
