"""Raw splits: rows as the files have them, stored batch by batch, each still traceable."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from graft.data.cache.files import EntryWriter
from graft.data.features import Features
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, DataFile, Options, batches_of
from graft.data.formats.readers import read_file
from graft.data.reading.ahead import ahead
from graft.data.resident import note_read
from graft.errors import DataError

# Rows are stored in batches of no more than this, so that reading one row touches little.
_MOST_ROWS = 8192
# What is mapped besides a batch, where a column of numbers is read alone.
_AROUND = 1 << 18
# Bytes of tables that are kept in memory until it is clear whether others follow.
_MOST_PENDING = 8 << 20


class Store(Protocol):
    """Where tables are put while a data set is read."""

    def put(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        """Stores `batches`, one at a time, and gives them back as a table."""


class Memory:
    """Keeps tables as they are."""

    def put(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        """See `Store.put`; `name` is of no use here."""
        del name
        return pa.Table.from_batches(batches, schema)


class OnDisk:
    """Writes tables into an entry of the cache, from where they are memory-mapped.

    The first few megabytes stay in memory: to write and map a file costs as much as to read a small
    one. Where nothing else follows, they are not written at all, see `in_memory`.
    """

    def __init__(self, writer: EntryWriter) -> None:
        self._writer = writer
        self._pending: dict[str, pa.Table] = {}
        self._left = _MOST_PENDING

    @property
    def in_memory(self) -> bool:
        """Whether all tables are small enough to be in memory, none of them written."""
        return self._left >= 0

    def put(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        """See `Store.put`; `name` is that of the table in the entry."""
        few: list[pa.RecordBatch] = []
        batches = iter(batches)
        while self.in_memory:
            batch = next(batches, None)
            if batch is None:
                self._pending[name] = pa.Table.from_batches(few, schema)
                return self._pending[name]
            few.append(batch)
            self._left -= batch.nbytes
        # Tables of an entry are in the order in which they were put.
        for earlier, table in self._pending.items():
            self.write(earlier, table.schema, table.to_batches())
        self._pending = {}
        self.write(name, schema, chain(few, batches))
        return self._writer.read(name)

    def write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Writes a table into the entry."""
        with self._writer.table(name, schema) as table:
            for batch in batches:
                for start in range(0, batch.num_rows, _MOST_ROWS):
                    table.write(batch.slice(start, _MOST_ROWS))


@dataclass(frozen=True)
class InMemory:
    """Rows that are in memory already; see `Content` for `declared`."""

    name: str
    table: pa.Table
    declared: Features = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """Rows that come from elsewhere than a file: a query, a generator.

    Attributes:
        name: how errors name it.
        content: begins to read it.
        parts: the digests of all that its rows depend on, by what people call it; raises
            `Unfingerprintable` where that cannot be told. None where its rows are not to be kept.
    """

    name: str
    content: Callable[[BadRows], Content]
    parts: Callable[[], Mapping[str, str]] | None = None


Piece = DataFile | InMemory | Stream
"""What the rows of a split come from; a split may have several."""


@dataclass(frozen=True)
class RawSplit:
    """One split as its pieces have it.

    Attributes:
        tables: the rows of all pieces, one after the other; each table has a schema of its own.
        schema: the types that the rows of all tables have in common.
        files: each piece's name and number of rows, in the same order.
        declared: features that the pieces declare.
        untyped: whether every column is text because the format has no types.
    """

    tables: list[pa.Table]
    schema: pa.Schema
    files: list[tuple[str, int]]
    declared: Features = field(default_factory=dict)
    untyped: bool = False

    @property
    def num_rows(self) -> int:
        """Rows of all tables."""
        return sum(table.num_rows for table in self.tables)

    @property
    def where(self) -> str:
        """The pieces' names, for an error."""
        return told(self.files)

    def where_rows(self, rows: list[int]) -> str:
        """Names rows (from 0 over all pieces, ascending) by piece and number there, from 1."""
        return told_rows(self.files, rows)

    def place_of(self, row: int) -> tuple[str, int]:
        """The name of the piece that a row (from 0 over all pieces) is of, and its number there."""
        ends = np.cumsum([rows for _, rows in self.files])
        number = int(np.searchsorted(ends, row, side="right"))
        name, rows = self.files[number]
        return name, row - (int(ends[number]) - rows) + 1

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, or these columns of them, as stored: types and columns may differ."""
        for table in self.tables:
            there = columns and [name for name in columns if name in table.column_names]
            for batch in batches_of(table if there is None else table.select(there)):
                for start in range(0, max(batch.num_rows, 1), _MOST_ROWS):
                    part = batch.slice(start, _MOST_ROWS)
                    note_read(part.nbytes + _AROUND)
                    yield part


@dataclass(frozen=True)
class RawData:
    """All splits of a data set, and what its card declares."""

    name: str
    splits: dict[str, RawSplit]
    declared: Features = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def told(files: list[tuple[str, int]]) -> str:
    """The names of the files of a split, for an error."""
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return files[0][0] + more


def told_rows(files: list[tuple[str, int]], rows: list[int]) -> str:
    """Names rows (from 0 over all files, ascending) by file and number there, from 1."""
    places = []
    start = 0
    for name, count in files:
        numbers = [str(row - start + 1) for row in rows if start <= row < start + count]
        if numbers:
            places.append(f"{name}, row{'s' * (len(numbers) > 1)} {', '.join(numbers)}")
        start += count
    return "; ".join(places)


def read_split(
    split: str, key: str, pieces: Iterable[Piece], options: Options, bad: BadRows, store: Store
) -> RawSplit:
    """Reads all pieces of a split into `store`: the same columns in each, in any order.

    The tables are named `<key>/<piece>/<number>`.

    Raises `DataError` for a piece that cannot be read, for columns or types that differ from one
    to the other, and for a split without rows.
    """
    parts: list[tuple[str, pa.Schema, list[pa.Table]]] = []
    declared: Features = {}
    untyped = True
    for number, piece in enumerate(pieces):
        content = content_of(piece, options, bad)
        tables = _stored(piece.name, f"{key}/{number}", content.batches, store)
        schema = unified([(piece.name, table.schema) for table in tables])
        _check_same_columns(split, parts, piece.name, schema)
        parts.append((piece.name, schema, tables))
        declared = {**content.declared, **declared}
        untyped = untyped and content.untyped
    files = [(name, sum(table.num_rows for table in tables)) for name, _, tables in parts]
    if not any(rows for _, rows in files):
        raise bad.none_left(files[0][0]) or DataError(
            f"{files[0][0]}: the split {split!r} has no rows. Add rows, or leave the file out."
        )
    return RawSplit(
        [table for _, _, tables in parts for table in tables],
        unified([(name, schema) for name, schema, _ in parts]),
        files,
        declared,
        untyped,
    )


def content_of(piece: Piece, options: Options, bad: BadRows) -> Content:
    """Begins to read a piece."""
    if isinstance(piece, InMemory):
        return Content(batches_of(piece.table), piece.declared)
    return piece.content(bad) if isinstance(piece, Stream) else read_file(piece, options, bad)


def _check_same_columns(
    split: str,
    parts: list[tuple[str, pa.Schema, list[pa.Table]]],
    name: str,
    schema: pa.Schema,
) -> None:
    if not parts or set(parts[0][1].names) == set(schema.names):
        return
    raise DataError(
        f"{parts[0][0]} and {name} are both in the split {split!r}, but their columns "
        f"differ: {', '.join(parts[0][1].names)} / {', '.join(schema.names)}. "
        "Give them the same columns."
    )


def _stored(name: str, key: str, batches: Iterator[pa.RecordBatch], store: Store) -> list[pa.Table]:
    """The rows of a piece as tables: a new one wherever a batch needs wider types."""
    tables: list[pa.Table] = []
    batches = ahead(batches)
    following: pa.RecordBatch | None = next(batches, None)

    def run(schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        nonlocal following
        while following is not None:
            batch, wider = following, unified([(name, schema), (name, following.schema)])
            if wider != schema:
                return
            yield from promoted(batch, schema)
            following = next(batches, None)

    while following is not None:
        schema = following.schema
        if tables:
            schema = unified([(name, tables[-1].schema), (name, schema)])
        tables.append(store.put(f"{key}/{len(tables)}", schema, run(schema)))
    return tables


def promoted(batch: pa.RecordBatch, schema: pa.Schema) -> list[pa.RecordBatch]:
    """A batch in the wider types of `schema`, whose columns that it lacks are null."""
    if batch.schema.equals(schema):
        return [batch]
    both = [schema.empty_table(), pa.Table.from_batches([batch])]
    batches: list[pa.RecordBatch] = pa.concat_tables(
        both, promote_options="permissive"
    ).to_batches()
    return batches


def unified(schemas: list[tuple[str, pa.Schema]]) -> pa.Schema:
    """The types that columns of several sources have in common; numbers take the wider type.

    The strings name the sources. Raises `DataError` for a column of different kinds.
    """
    first = schemas[0][1]
    if all(schema.equals(first) for _, schema in schemas):
        return first
    try:
        return pa.unify_schemas([schema for _, schema in schemas], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _type_conflict(schemas) from error


def _type_conflict(schemas: list[tuple[str, pa.Schema]]) -> DataError:
    seen: dict[str, tuple[str, pa.Schema]] = {}
    for name, columns in schemas:
        for column in columns:
            first, schema = seen.setdefault(column.name, (name, pa.schema([column])))
            if not _unify(schema, pa.schema([column])):
                return DataError(
                    f"{name}, column {column.name!r}: it holds {column.type}, but "
                    f"{schema.field(0).type} in {first}. Write it in one way in all files."
                )
    return DataError(f"The columns of {', '.join(name for name, _ in schemas)} differ in type.")


def _unify(first: pa.Schema, second: pa.Schema) -> bool:
    try:
        pa.unify_schemas([first, second], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True
