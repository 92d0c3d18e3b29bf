"""The formats that Graft reads, in one table, and reading a file of any of them."""

from pathlib import PurePath

from graft.data.formats.archive import is_archive, plain_suffix
from graft.data.formats.arrow_file import ARROW
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_not_empty
from graft.data.formats.conll import CONLL
from graft.data.formats.conllu import CONLLU
from graft.data.formats.csv_file import CSV, TSV
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.data.formats.json_file import JSON, JSON_LINES
from graft.data.formats.parquet_file import PARQUET
from graft.data.formats.text_file import TEXT
from graft.data.formats.xml_file import XML
from graft.errors import DataError

FORMATS: tuple[Format, ...] = (
    CSV,
    TSV,
    JSON_LINES,
    JSON,
    PARQUET,
    ARROW,
    CONLL,
    CONLLU,
    XML,
    TEXT,
)
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def kinds() -> str:
    """The formats as an error lists them: "CSV (.csv), TSV (.tsv) and ..."."""
    named = [f"{each.kind} ({', '.join(each.suffixes)})" for each in FORMATS]
    return f"{', '.join(named[:-1])} and {named[-1]}"


def reads(path: PurePath) -> bool:
    """Whether the name of a file is that of one Graft reads, compressed or not."""
    return plain_suffix(path) in SUFFIXES


def is_data_file(path: PurePath) -> bool:
    """Whether the name of a file is that of data: one that Graft reads, or an archive of such."""
    return reads(path) or is_archive(path)


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
    if file.remote is None:
        check_not_empty(file.path, file.name)
    return found.read(file, {key: options[key] for key in found.options & options.keys()}, bad)
