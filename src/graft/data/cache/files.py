"""The files of one cache entry: Arrow tables, opened memory-mapped, and `entry.json` about them."""

import itertools
import json
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from graft.data.cache.durability import boot_id, is_trusted
from graft.data.mapped import mapped_files, open_mapped
from graft.errors import DataError

ABOUT = "entry.json"
# Part of every fingerprint: a new one when files are written in another way.
FORMAT = 1
# And so is Graft's: another version may do a step in another way.
VERSION = version("graft-nlp")

_BATCH_ROWS = 5_000
_BATCH_BYTES = 2 << 20
# Batches of less than this part of such a size are put together.
_COPIED = 4


class Damaged(Exception):
    """An entry whose files are not as `entry.json` says they are."""


@dataclass(frozen=True)
class TableFile:
    """A table of an entry: its name, its file, and what is in it."""

    name: str
    file: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class About:
    """What `entry.json` says of an entry.

    Attributes:
        fingerprint: The entry's name: 32 hex digits.
        step: The name of the step that made it.
        parts: What the fingerprint was made of, by part.
        tables: The tables, in the order in which they were written.
        metadata: What else the step keeps: anything that JSON holds.
        created: When it was written, in seconds since 1970.
        seconds: How long it took.
    """

    fingerprint: str
    step: str
    parts: Mapping[str, str]
    tables: list[TableFile]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.bytes for table in self.tables)


def when_unused(folder: Path, done: Callable[[], None]) -> None:
    """Has `done` called when no table reads from the files in `folder` any more, or at the end."""
    waiting = [mapped for mapped in mapped_files() if mapped.path.parent == folder.absolute()]
    left = len(waiting)

    def one_less() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done()

    for mapped in waiting:
        weakref.finalize(mapped, one_less)
    if not waiting:
        done()


def read_about(folder: Path) -> About:
    """What `entry.json` in `folder` says.

    Raises `FileNotFoundError` where there is none, `Damaged` where it cannot be read.
    """
    try:
        content = json.loads((folder / ABOUT).read_bytes())
        if content.pop("format") != FORMAT:
            raise Damaged(f"{folder / ABOUT} is of another format")
        if not is_trusted(folder, content.pop("boot")):
            raise Damaged(f"{folder} was not on the disk yet when the machine stopped")
        tables = [TableFile(**table) for table in content.pop("tables")]
        return About(tables=tables, **content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{folder / ABOUT} cannot be read ({error})") from error


def open_tables(folder: Path, about: About) -> dict[str, pa.Table]:
    """The tables of an entry, memory-mapped: nothing is read until it is asked for.

    Raises `Damaged` where a file is not there or not of the size that was written.
    """
    tables = {}
    for table in about.tables:
        path = folder / table.file
        try:
            size = path.stat().st_size
            if size != table.bytes:
                raise Damaged(f"{path} has {size:,} bytes, {table.bytes:,} were written")
            tables[table.name] = open_mapped(path)
        except (FileNotFoundError, DataError) as error:
            raise Damaged(f"{path} cannot be read ({error})") from error
    return tables


class EntryWriter:
    """Writes the tables of an entry, batch by batch.

    Attributes:
        metadata: What else is to be kept of the step: anything that JSON holds.
    """

    def __init__(self, folder: Path) -> None:
        self.metadata: dict[str, Any] = {}
        self._folder = folder
        self._tables: list[TableFile] = []
        self._names: set[str] = set()
        self._numbers = itertools.count()
        self._started = time.time()

    @contextmanager
    def table(self, name: str, schema: pa.Schema) -> Iterator["TableWriter"]:
        """A table of the entry; `.write(batch)` appends to it.

        Several can be open at a time. Raises `DataError` where there is one of this name.
        """
        if name in self._names:
            raise DataError(f"A step writes two tables named {name!r}. Give each its own name.")
        file = f"{next(self._numbers)}.arrow"
        self._names.add(name)
        path = self._folder / file
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as stream:
            writer = TableWriter(stream, schema)
            yield writer
            writer.flush()
        self._tables.append(TableFile(name, file, writer.rows, path.stat().st_size))

    def read(self, name: str) -> pa.Table:
        """A table of the entry that has been written whole, memory-mapped: to make others of it."""
        file = next(table.file for table in self._tables if table.name == name)
        return open_mapped(self._folder / file)

    @property
    def bytes(self) -> int:
        """Bytes of the tables that have been written whole."""
        return sum(table.bytes for table in self._tables)

    def remove(self, name: str) -> None:
        """Takes back a table that was written whole; its name is free again.

        What `read` gave of it stays readable.
        """
        found = next(table for table in self._tables if table.name == name)
        self._tables.remove(found)
        self._names.remove(name)
        (self._folder / found.file).unlink()

    def finish(self, fingerprint: str, step: str, parts: Mapping[str, str]) -> None:
        """Writes `entry.json`, with which the entry is whole."""
        about = About(
            fingerprint,
            step,
            dict(parts),
            sorted(self._tables, key=lambda table: int(table.file.split(".")[0])),
            self.metadata,
            created=time.time(),
            seconds=time.time() - self._started,
        )
        path = self._folder / ABOUT
        tables = [vars(table) for table in about.tables]
        written = {"format": FORMAT, "boot": boot_id(), **vars(about), "tables": tables}
        path.write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")


class TableWriter:
    """Appends batches to one table of an entry; small ones are put together.

    Attributes:
        rows: Rows written so far.
    """

    def __init__(self, stream: pa.ipc.RecordBatchFileWriter, schema: pa.Schema) -> None:
        self.rows = 0
        self._stream = stream
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0

    def write(self, data: pa.RecordBatch | pa.Table) -> None:
        """Appends a batch, or a table's batches, of the table's schema.

        Raises `DataError` where the columns or their types are others.
        """
        if not data.schema.equals(self._schema):
            raise DataError(
                f"A batch has the columns {_told(data.schema)}, but the table it belongs to "
                f"{_told(self._schema)}. Return the same columns and types for every batch."
            )
        batches = data.to_batches() if isinstance(data, pa.Table) else [data]
        for batch in batches:
            if batch.num_rows:
                self._append(batch)

    def _append(self, batch: pa.RecordBatch) -> None:
        size = batch.nbytes
        # To put a large one together with others would copy it, and save next to nothing.
        large = _COPIED * batch.num_rows >= _BATCH_ROWS or _COPIED * size >= _BATCH_BYTES
        if large:
            self.flush()
        self.rows += batch.num_rows
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self._pending_bytes += size
        if large or self._pending_rows >= _BATCH_ROWS or self._pending_bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what has been put together so far."""
        if len(self._pending) == 1:
            self._stream.write_batch(self._pending[0])
        elif self._pending:
            self._stream.write_batch(pa.concat_batches(self._pending))
        self._pending = []
        self._pending_rows = self._pending_bytes = 0


def _told(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
