"""Rows written into a file of a common format, a batch at a time; the file appears whole."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from graft.data.arrow_types import lists_like, of_classes
from graft.data.base import DatasetBase
from graft.data.duck import explained, tables_in_duckdb
from graft.data.features import Feature, class_label_in
from graft.data.roles import is_list
from graft.data.writing.full_disk import told_when_full
from graft.data.writing.shards import write_parquet
from graft.errors import DataError
from graft.files import atomic_file

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_MOST_ROWS = 8192
_ONE_FILE = 1 << 62


class ExportVerbs(DatasetBase):
    """Writing rows for other programs. Only a batch of them is in memory at a time.

    A file that is there already is replaced, once the new one is whole.
    """

    def to_csv(self, path: str | Path, *, delimiter: str = ",") -> None:
        """Writes CSV in UTF-8 with a line of column names.

        Classes are written by name; a missing value is an empty field, an empty text "" in quotes.
        A path that ends in .gz, .bz2 or .zst has the file compressed.

        Raises `DataError` for a column of lists, records or bytes, which CSV does not have.
        """
        for field in self._rows.schema:
            if pa.types.is_nested(field.type) or _holds_bytes(field.type):
                raise self._cannot("to_csv", field, "CSV", "Write JSON Lines or Parquet")
        batches = self._named_batches()
        first = next(batches)
        options = csv.WriteOptions(delimiter=delimiter)
        with (
            _compressed(path) as sink,
            csv.CSVWriter(sink, first.schema, write_options=options) as writer,
        ):
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)

    def to_json(self, path: str | Path) -> None:
        """Writes JSON Lines in UTF-8: an object a row, with every column.

        Classes are written by name, dates and times as texts; a missing value is null, and so are
        NaN and infinite numbers, which JSON does not have. A path that ends in .gz, .bz2 or .zst
        has the file compressed.

        Raises `DataError` for a column of bytes, which JSON does not have.
        """
        for field in self._rows.schema:
            if _holds_bytes(field.type):
                raise self._cannot("to_json", field, "JSON", "Write Parquet")
        # By number, as names that differ by case only are one to DuckDB.
        columns = [f"c{number}" for number in range(len(self.column_names))]
        parts = []
        for number, name in enumerate(self.column_names):
            start = f"{'{' if number == 0 else ', '}{json.dumps(name, ensure_ascii=False)}: "
            parts += [
                _literal(start),
                f"coalesce(cast(to_json({columns[number]}) as text), 'null')",
            ]
        query = f"select concat({', '.join([*parts, _literal('}'), 'chr(10)'])}) from batch"
        with (
            _compressed(path) as sink,
            explained(f"to_json: {self._source}"),
            tables_in_duckdb({}) as connection,
        ):
            for batch in self._named_batches() if columns else ():
                arrays = [_finite(array) for array in batch.columns]
                connection.register("batch", pa.Table.from_arrays(arrays, names=columns))
                for lines in connection.sql(query).to_arrow_table().column(0).chunks:
                    sink.write(_content(lines))

    def to_parquet(self, path: str | Path) -> None:
        """Writes one Parquet file, compressed by zstd, with the features in its metadata.

        It is read with the same features here and by `datasets`. See `save` for files of a bounded
        size with a card.

        Raises `DataError` for values that are not of their feature.
        """
        target = Path(path).expanduser()
        with told_when_full(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        with (
            told_when_full(target),
            TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder,
        ):
            written = Path(folder) / "rows.parquet"
            batches = self._rows.batches(self._at_a_time())
            write_parquet(batches, self._features, lambda *_: written, _ONE_FILE)
            written.replace(target)

    def _at_a_time(self) -> int:
        return self._rows.at_a_time(_MOST_ROWS)

    def _named_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows with classes by name; an empty batch comes first, which tells the types."""
        nothing = pa.RecordBatch.from_pylist([], schema=self._rows.schema)
        yield self._with_names(nothing)
        for batch in self._rows.batches(self._at_a_time()):
            yield self._with_names(batch)

    def _with_names(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [_named(batch.column(name), self._features[name]) for name in self.column_names]
        return pa.RecordBatch.from_arrays(arrays, names=self.column_names)

    def _cannot(self, verb: str, field: pa.Field, form: str, remedy: str) -> DataError:
        return DataError(
            f"{verb}: {self._source}, column {field.name!r} holds {field.type}, which {form} does "
            f"not have. {remedy}, or remove the column."
        )


@contextmanager
def _compressed(path: str | Path) -> Iterator[pa.NativeFile]:
    """A file to write to, compressed as its suffix says, which gets its name at the end."""
    target = Path(path).expanduser()
    with (
        told_when_full(target),
        atomic_file(target) as temporary,
        pa.output_stream(temporary, _COMPRESSIONS.get(target.suffix.lower())) as sink,
    ):
        yield sink


def _named(array: pa.Array, feature: Feature) -> pa.Array:
    label = class_label_in(feature)
    if label is None:
        return array
    names = pa.array(label.names, pa.string())
    if is_list(array.type):
        return lists_like(array, names.take(of_classes(array.flatten(), len(names))))
    return names.take(of_classes(array, len(names)))


def _finite(array: pa.Array) -> pa.Array:
    """The array with null for numbers that are not finite, also within lists and records."""
    kind = array.type
    if pa.types.is_floating(kind):
        if pa.types.is_float16(kind):
            array = array.cast(pa.float32())
        return pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
    if is_list(kind):
        return lists_like(array, _finite(array.flatten()))
    if pa.types.is_struct(kind) and kind.num_fields:
        names = [field.name for field in kind]
        arrays = [_finite(child) for child in array.flatten()]
        return pa.StructArray.from_arrays(arrays, names, mask=pc.is_null(array))
    return array


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(number).type) for number in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _content(texts: pa.StringArray) -> memoryview:
    """The bytes of all texts, one after the other."""
    if len(texts) == 0:
        return memoryview(b"")
    _, offsets, data = texts.buffers()
    bounds = memoryview(offsets).cast("i")
    first, last = bounds[texts.offset], bounds[texts.offset + len(texts)]
    return memoryview(data)[first:last]
