"""The first rows of a Parquet file, read in a process of its own with little memory.

Lists of endless length and pages that unpack to gigabytes fit into a few kilobytes, and whoever
looks at the page of such a file would have the Hub read it.
"""

import io
import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from graft.server.runtime.apart import run, within

ROWS = 6
COLUMNS = 8
CELL_CHARACTERS = 160
MEMORY_BYTES = 1024**3
SECONDS = 10
REFUSED = 3
"""The exit status that says: the file cannot be read, and why stands in the output."""
_TOO_MUCH = (
    f"its first rows take more than {MEMORY_BYTES // 1024**2} MB or {SECONDS} seconds to read."
)


class TableError(Exception):
    """What keeps a file from being read as a table."""


def read_apart(content: bytes) -> tuple[list[str], list[list[str]]]:
    """The names of the first columns, and the first rows as short texts. Blocks.

    Raises:
        TableError: it is no Parquet file, or takes too much to read.
        BusyError: the machine has too much to do.
    """
    status, said = run(
        __name__, content, 4 * SECONDS, ARROW_DEFAULT_MEMORY_POOL="system", OMP_NUM_THREADS="1"
    )
    if status not in (0, REFUSED):
        raise TableError(_TOO_MUCH)
    found = json.loads(said)
    if status == REFUSED:
        raise TableError(found)
    columns, rows = found
    return columns, rows


def cell(value: Any) -> str:
    """A value as short text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = str(value[:CELL_CHARACTERS])
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # JSON can hold halves of surrogate pairs.
    short = text[: CELL_CHARACTERS + 1].encode("utf-8", "replace").decode()
    return short if len(short) <= CELL_CHARACTERS else f"{short[: CELL_CHARACTERS - 1]}…"


def _read(content: bytes) -> tuple[list[str], list[list[str]]]:
    file = pa.parquet.ParquetFile(io.BytesIO(content))
    names = file.schema_arrow.names[:COLUMNS]
    batches = file.iter_batches(batch_size=ROWS, columns=names, use_threads=False)
    batch = next(batches, None)
    rows = batch.to_pylist() if batch is not None else []
    return [cell(name) for name in names], [[cell(row.get(name)) for name in names] for row in rows]


def main() -> int:
    """Reads a file from standard input, and writes what it begins with as JSON."""
    within(MEMORY_BYTES, SECONDS)
    try:
        print(json.dumps(_read(sys.stdin.buffer.read())))
    except MemoryError:
        return 1
    except Exception as error:  # dates beyond Python's, time zones that are none: whatever is in it
        print(json.dumps(str(error)[:1000]))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
