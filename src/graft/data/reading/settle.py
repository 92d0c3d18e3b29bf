"""Making the columns that a shape asks for: only those that change are stored a second time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.features import arrow_type_of
from graft.data.reading.raw import RawSplit, Store, promoted
from graft.data.reading.shape import Column, Shape
from graft.data.resident import note_read
from graft.data.texts import is_blank

_KEPT_ROWS = 10


@dataclass(frozen=True)
class Blank:
    """Rows of a split whose text is missing or blank: how many, and the first of them (from 0)."""

    count: int
    first: list[int]


def kept_columns(split: str, raw: RawSplit, shape: Shape) -> list[Column]:
    """The columns of a split that stay as its raw tables have them."""
    if split in shape.dropped:
        return []
    kept = []
    for column in shape.columns:
        wanted = arrow_type_of(column.feature)
        there = all(
            column.source in table.column_names and table.schema.field(column.source).type == wanted
            for table in raw.tables
        )
        if there and column.convert[split] is None:
            kept.append(column)
    return kept


def settle(split: str, key: str, raw: RawSplit, shape: Shape, store: Store) -> pa.Table | None:
    """Stores the columns of a split that change, as the table `key`; None where there are none."""
    kept = kept_columns(split, raw, shape)
    columns = [column for column in shape.columns if column not in kept]
    if not columns:
        return None
    schema = pa.schema([(column.name, arrow_type_of(column.feature)) for column in columns])
    return store.put(key, schema, _converted(split, raw, shape, columns, schema))


def assembled(
    columns: list[tuple[str, str]], raw: list[pa.Table], settled: pa.Table | None
) -> pa.Table:
    """A split of (raw column, name), each taken from `settled` where it is there, else from `raw`.

    Nothing is copied.
    """
    there = [] if settled is None else settled.column_names
    arrays = []
    for source, name in columns:
        if settled is not None and name in there:
            arrays.append(settled.column(name))
            continue
        stored = [table.column(source) for table in raw]
        chunks = [chunk for column in stored for chunk in column.chunks]
        arrays.append(pa.chunked_array(chunks, stored[0].type))
    return pa.table(arrays, names=[name for _, name in columns])


def blank_texts(table: pa.Table, columns: list[str]) -> Blank:
    """The rows in which one of these columns of text is blank."""
    first: list[int] = []
    found = start = 0
    for batch in table.select(columns).to_batches() if columns else ():
        note_read(batch.nbytes)
        rows = np.unique(np.concatenate([_blank(column) for column in batch.columns]))
        found += len(rows)
        first += (rows[: _KEPT_ROWS + 1 - len(first)] + start).tolist()
        start += batch.num_rows
    return Blank(found, first)


def _blank(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    """The blank ones, told by their first byte for most."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    content = texts.buffers()[2]
    if content is None or content.size == 0:
        return np.arange(len(texts))
    starts = np.frombuffer(content, np.uint8)[np.minimum(offsets[:-1], content.size - 1)]
    # White space starts with a byte up to 0x20 or past 0x7f, or the text is empty.
    maybe = np.flatnonzero((np.diff(offsets) == 0) | (starts <= 0x20) | (starts > 0x7F))
    if len(maybe) == 0:
        return maybe
    some = pa.chunked_array([texts.take(pa.array(maybe))])
    blank: npt.NDArray[np.int64] = maybe[np.asarray(is_blank(some).combine_chunks())]
    return blank


def _converted(
    split: str, raw: RawSplit, shape: Shape, columns: list[Column], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    sources = list(dict.fromkeys(column.source for column in columns))
    stored = pa.schema([shape.schema.field(name) for name in sources])
    dropped = shape.dropped.get(split)
    start = 0
    for batch in raw.batches(sources):
        for piece in promoted(batch, stored):
            arrays = []
            for column, wanted in zip(columns, schema.types, strict=True):
                convert = column.convert[split]
                values = piece.column(column.source)
                values = values if convert is None else convert(values)
                arrays.append(values if values.type == wanted else values.cast(wanted))
            made = pa.RecordBatch.from_arrays(arrays, schema=schema)
            yield made if dropped is None else made.filter(_rest(dropped, start, len(made)))
            start += len(made)


def _rest(dropped: npt.NDArray[np.int64], start: int, rows: int) -> pa.Array:
    mask = np.ones(rows, np.bool_)
    mask[dropped[(dropped >= start) & (dropped < start + rows)] - start] = False
    return pa.array(mask)
