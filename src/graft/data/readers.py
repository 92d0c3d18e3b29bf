"""Reading one file into an Arrow table, whatever its kind."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.checks import check_not_empty, check_unique
from graft.data.csv_file import read_csv, read_tsv
from graft.data.features import Features, declared_features
from graft.data.json_file import read_json
from graft.data.roles import is_list
from graft.errors import DataError

KINDS = "CSV (.csv), TSV (.tsv), JSON Lines (.jsonl, .ndjson, .json) and Parquet (.parquet)"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True)
class FileTable:
    """What one file (or data frame) holds.

    Attributes:
        name: how errors name the file.
        table: its rows. Strings are `string` and lists `list`, never their large or view variants.
        declared: features that the file itself declares.
        untyped: whether every column is text because the format has no types (CSV, TSV).
    """

    name: str
    table: pa.Table
    declared: Features = field(default_factory=dict)
    untyped: bool = False


def read_file(path: Path, name: str | None = None) -> FileTable:
    """The rows of a CSV, TSV, JSON Lines or Parquet file; `name` is what errors call it.

    Raises `DataError` for a file that is missing, empty, damaged, not UTF-8, or of another kind.
    """
    name = name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{name}: Graft does not read {suffix or 'such'} files. It reads {KINDS}.")
    check_not_empty(path, name)
    if suffix in (".csv", ".tsv"):
        table = read_csv(path, name) if suffix == ".csv" else read_tsv(path, name)
        return FileTable(name, table, untyped=True)
    if suffix == ".parquet":
        table = _read_parquet(path, name)
        return FileTable(name, plain_types(table), declared_features(table.schema))
    return FileTable(name, plain_types(read_json(path, name)))


def plain_types(table: pa.Table) -> pa.Table:
    """`table` without its metadata, with plain strings and lists and nothing dictionary-encoded."""
    fields = [pa.field(column.name, _plain(column.type)) for column in table.schema]
    return table.replace_schema_metadata(None).cast(pa.schema(fields))


def _plain(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(arrow_type):
        return _plain(arrow_type.value_type)
    if pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type):
        return pa.string()
    if is_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(_plain(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([(inner.name, _plain(inner.type)) for inner in arrow_type])
    return arrow_type


def _read_parquet(path: Path, name: str) -> pa.Table:
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            check_unique(file.schema_arrow.names, name)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{name}: not a whole Parquet file; it is damaged or was cut off ({reason}). "
            "Write or download it again."
        ) from error
    index = [column for column in table.column_names if column.startswith("__index_level_")]
    return table.drop_columns(index)
