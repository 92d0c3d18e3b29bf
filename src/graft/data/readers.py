"""The formats that Graft reads, in one table, and reading a file of any of them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.bad_rows import BadRows
from graft.data.checks import check_not_empty, check_unique
from graft.data.conll import CONLL
from graft.data.conllu import CONLLU
from graft.data.csv_file import CSV, TSV
from graft.data.data_file import Content, DataFile, Format, Options, plain_batch
from graft.data.features import declared_features
from graft.data.json_file import JSON, JSON_LINES
from graft.data.text_file import TEXT
from graft.errors import DataError


def _read_parquet(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    damaged = "{}: not a whole Parquet file; it is damaged or was cut off ({}). "
    advice = "Write or download it again."
    try:
        parquet = pq.ParquetFile(file.path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(damaged.format(file.name, reason) + advice) from error
    names = parquet.schema_arrow.names
    check_unique(names, file.name)
    columns = [column for column in names if not column.startswith("__index_level_")]

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in parquet.iter_batches(batch_size=10_000, columns=columns):
                yield plain_batch(batch)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(damaged.format(file.name, reason) + advice) from error

    return Content(batches(), declared_features(parquet.schema_arrow))


PARQUET = Format("Parquet", (".parquet",), _read_parquet)

FORMATS: tuple[Format, ...] = (CSV, TSV, JSON_LINES, JSON, PARQUET, CONLL, CONLLU, TEXT)
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def kinds() -> str:
    """The formats as an error lists them: "CSV (.csv), TSV (.tsv) and ..."."""
    named = [f"{each.kind} ({', '.join(each.suffixes)})" for each in FORMATS]
    return f"{', '.join(named[:-1])} and {named[-1]}"


def is_data_file(path: Path) -> bool:
    """Whether the name of a file is that of one Graft reads."""
    return path.suffix.lower() in SUFFIXES


def files_of(path: Path, name: str | None = None) -> list[DataFile]:
    """The files of data that a path stands for: one, or the members of an archive."""
    return [DataFile.of(path, name)]


def format_of(file: DataFile) -> Format:
    """The format that a file's suffix tells. Raises `DataError` for others."""
    for each in FORMATS:
        if file.suffix in each.suffixes:
            return each
    raise DataError(
        f"{file.name}: Graft does not read {file.suffix or 'such'} files. It reads {kinds()}."
    )


def read_file(file: DataFile, options: Options, bad: BadRows) -> Content:
    """The rows of a file, a batch at a time.

    Raises `DataError` for a file that is missing, empty, damaged, or of another kind; what is
    wrong further inside is raised when the batch with it is asked for.
    """
    found = format_of(file)
    check_not_empty(file.path, file.name)
    return found.read(file, {key: options[key] for key in found.options & options.keys()}, bad)
