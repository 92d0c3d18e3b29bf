"""CSV and TSV files: every field stays the text it is, and a ragged row is named by its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_unique
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.data.formats.encoding import UNDECODABLE, Text, TextSource
from graft.data.formats.quotes import check_quotes, records
from graft.errors import DataError

_OTHER_DELIMITERS = ";\t|"
_NAMED_DELIMITER = re.compile(rb'"?sep=([ -~\t])"?\r?\n?')
_SHOWN = 60
# Small blocks are parsed within the processor's cache, without threads; one record must fit into a
# block: where one does not, blocks grow.
_BLOCK = 2 << 20
# The parser holds several, and those of a stream are not the file's own memory.
_BLOCK_OF_STREAM = 1 << 20
_LARGEST_BLOCK = 1 << 30
_NO_HEADER = (None, False)
_OPTIONS = frozenset(["delimiter", "quote", "escape", "header", "columns", "encoding"])


class _Unreadable(Exception):
    """The parser's refusal; what the user is told comes from a second look at the file."""


@dataclass(frozen=True)
class _Dialect:
    """How a file is to be read.

    Attributes:
        delimiter: between fields.
        quoted: whether double quotes may stand around fields.
        escape: makes the character that follows it one like others; None where there is none.
        columns: the names of the columns.
        header: whether the first record holds them.
        skipped: lines before the first record.
    """

    delimiter: str
    quoted: bool
    escape: str | None
    columns: tuple[str, ...]
    header: bool
    skipped: int


def read_csv(file: DataFile, options: Options, bad: BadRows) -> Content:
    """A CSV file (RFC 4180) with a header line; all columns are strings, an empty field is "".

    The delimiter is the comma unless the header has more semicolons, tabs or bars, or a line before
    it names another one, as spreadsheets write it (`sep=;`). Options:
    `delimiter`; `quote=None` where double quotes are part of the text; `escape`, such as a
    backslash; `header=None` where there is none; `columns`, the names; `encoding`.

    Raises `DataError` for a ragged row, an unclosed quote, and two columns of one name.
    """
    source = TextSource(file, options.get("encoding"), collect=bad.collect)
    quoted = bool(options.get("quote", '"'))
    named = _named_delimiter(source.text)
    delimiter = _given_delimiter(options) or named
    skipped = 0 if named is None else 1
    if delimiter is None:
        delimiter = _delimiter(source, quoted, options)
    dialect = _dialect(source, delimiter, quoted, options, skipped)
    return Content(_batches(source, dialect, bad), untyped=True)


def read_tsv(file: DataFile, options: Options, bad: BadRows) -> Content:
    """A tab-separated file with a header line; all columns are strings, an empty field is "".

    Quotes are part of the text, as most such files mean them, unless every field that starts with
    one is quoted as in CSV. Options and errors are those of `read_csv`.
    """
    source = TextSource(file, options.get("encoding"), collect=bad.collect)
    delimiter = _given_delimiter(options) or "\t"
    if "quote" in options:
        quoted = bool(options["quote"])
    else:
        quoted = _has_quotes(source.text) and not _has_lone_quotes(
            source, _dialect(source, delimiter, False, options)
        )
    dialect = _dialect(source, delimiter, quoted, options)
    return Content(_batches(source, dialect, bad), untyped=True)


CSV = Format("CSV", (".csv",), read_csv, _OPTIONS)
TSV = Format("TSV", (".tsv",), read_tsv, _OPTIONS)


def _given_delimiter(options: Options) -> str | None:
    delimiter = options.get("delimiter")
    if delimiter is None:
        return None
    if not isinstance(delimiter, str) or len(delimiter) != 1 or not delimiter.isascii():
        raise DataError(f"delimiter={delimiter!r} is not one ASCII character, such as ',' or ';'.")
    return delimiter


def _delimiter(source: TextSource, quoted: bool, options: Options) -> str:
    """What makes most columns of the header."""
    first = _first(source, ",", quoted, options)
    if len(first) > 1 and not any(mark in field for field in first for mark in _OTHER_DELIMITERS):
        return ","
    widths = {mark: len(_first(source, mark, quoted, options)) for mark in _OTHER_DELIMITERS}
    best = max(widths, key=lambda mark: widths[mark])
    return best if widths[best] > len(first) else ","


def _named_delimiter(text: Text) -> str | None:
    with text.open() as stream:
        named = _NAMED_DELIMITER.fullmatch(stream.readline(len('"sep=;"\r\n')))
    return named[1].decode() if named else None


def _first(
    source: TextSource, delimiter: str, quoted: bool, options: Options, skipped: int = 0
) -> list[str]:
    escape = options.get("escape")
    try:
        with records(source.text, delimiter, quoted=quoted, escape=escape) as found:
            return next((record for line, record in found if record and line > skipped), [])
    except UnicodeDecodeError:  # it is so long that not all of it was looked at
        if not source.settle():
            raise
        return _first(source, delimiter, quoted, options, skipped)


def _dialect(
    source: TextSource, delimiter: str, quoted: bool, options: Options, skipped: int = 0
) -> _Dialect:
    """The dialect with the names of the columns: as given, else from the header."""
    first = _first(source, delimiter, quoted, options, skipped)
    name = source.text.file.name
    header = options.get("header", True) not in _NO_HEADER
    given = options.get("columns")
    if given is not None and len(given) != len(first):
        raise DataError(
            f"{name}: columns= names {len(given)} columns, but the first row has "
            f"{len(first)}. Name each of them."
        )
    named = given or ([field.strip() for field in first] if header else [""] * len(first))
    columns = [str(name) or f"column_{position}" for position, name in enumerate(named, start=1)]
    check_unique(columns, f"{name}, line {skipped + 1}")
    return _Dialect(delimiter, quoted, options.get("escape"), tuple(columns), header, skipped)


def _has_quotes(text: Text) -> bool:
    with text.open() as stream:
        blocks = iter(lambda: stream.read(_BLOCK), b"")
        return any(b'"' in block for block in islice(blocks, _looked_at(text)))


def _looked_at(text: Text) -> int | None:
    """How many blocks of a file tell its dialect; None for all of them."""
    return 1 if text.file.streamed else None


def _has_lone_quotes(source: TextSource, dialect: _Dialect) -> bool:
    """Whether a field starts with a quote that no other closes; unread where that is not clear."""
    try:
        for batch in islice(_parsed(source, dialect, []), _looked_at(source.text)):
            for column in batch.columns:
                starts = pc.starts_with(column, '"')
                quoted = pc.match_substring_regex(column, r'^"(?:[^"]|"")*"$')
                if pc.any(pc.and_not(starts, quoted)).as_py():
                    return True
    except _Unreadable:
        return False
    return False


def _batches(source: TextSource, dialect: _Dialect, bad: BadRows) -> Iterator[pa.RecordBatch]:
    ragged: list[pa_csv.InvalidRow] | None = [] if bad.collect else None
    first, broken_lines, undecodable = True, False, 0
    try:
        for batch in _parsed(source, dialect, ragged):
            whole = batch.slice(1) if first and dialect.header else batch
            first = False
            broken_lines = broken_lines or any(_has_newline(column) for column in whole.columns)
            readable = _decodable(whole) if source.text.keep_undecodable else whole
            undecodable += whole.num_rows - readable.num_rows
            yield readable
    except _Unreadable as error:
        source.settle()
        text = source.text
        for line, record in _ragged(text, dialect):
            raise _ragged_error(text, dialect, line, record) from error
        reason = str(error).splitlines()[0]
        raise DataError(f"{text.file.name}: the file cannot be read as CSV ({reason}).") from error
    if broken_lines and dialect.quoted and dialect.escape is None:
        check_quotes(source.text, dialect.delimiter)
    if ragged or undecodable:
        _set_aside(source.text, dialect, bad)


def _parsed(
    source: TextSource, dialect: _Dialect, ragged: list[pa_csv.InvalidRow] | None
) -> Iterator[pa.RecordBatch]:
    """The records as strings, the header among them; ragged ones go to `ragged` or raise."""
    size, done = _BLOCK_OF_STREAM if source.text.file.streamed else _BLOCK, 0
    while True:
        skip = done
        try:
            for batch in _stream(source.text, dialect, ragged, size):
                rest = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - rest.num_rows
                if rest.num_rows or not batch.num_rows:
                    done += rest.num_rows
                    yield rest
            return
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error) and source.settle():
                continue
            if "straddling" not in str(error) or size >= _LARGEST_BLOCK:
                raise _Unreadable(str(error)) from error
        if dialect.quoted and dialect.escape is None:
            source.settle()
            check_quotes(source.text, dialect.delimiter)
        size *= 8


def _stream(
    text: Text, dialect: _Dialect, ragged: list[pa_csv.InvalidRow] | None, size: int
) -> Iterator[pa.RecordBatch]:
    def refuse(row: pa_csv.InvalidRow) -> str:
        if ragged is None:
            return "error"
        ragged.append(row)
        return "skip"

    with _opened(text) as content:
        reader = pa_csv.open_csv(
            content,
            read_options=pa_csv.ReadOptions(
                column_names=dialect.columns,
                skip_rows=dialect.skipped,
                block_size=size,
                use_threads=False,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                escape_char=dialect.escape or False,
                newlines_in_values=dialect.quoted,
                invalid_row_handler=refuse,
            ),
            convert_options=pa_csv.ConvertOptions(
                strings_can_be_null=False,
                column_types=dict.fromkeys(dialect.columns, pa.string()),
            ),
        )
        yield from reader


def _opened(text: Text) -> BinaryIO | pa.NativeFile:
    """The content of a text, read by Arrow itself where it is in a file as it is."""
    plain = text.is_plain and text.file.opener is None and not text.mark
    return pa.OSFile(str(text.file.path), "rb") if plain else text.open()


def _has_newline(column: pa.StringArray) -> bool:
    offsets, content = column.buffers()[1:]
    if content is None or len(column) == 0:
        return False
    ends = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]]
    return bool((np.frombuffer(content, np.uint8)[ends[0] : ends[1]] == 0x0A).any())


def _set_aside(text: Text, dialect: _Dialect, bad: BadRows) -> None:
    """Counts the rows that were left out, each with its line: ragged ones, and undecodable ones."""
    for line, record in _left_out(text, dialect):
        if dialect.quoted and dialect.escape is None and any("\n" in each for each in record):
            check_quotes(text, dialect.delimiter)  # one that is not closed would hide all below
        raw = dialect.delimiter.join(record).replace(UNDECODABLE, "\ufffd")
        if len(record) == len(dialect.columns):
            reason = f"bytes that are not {text.encoding}"
            error = DataError(f"{text.file.name}, line {line}: the row holds {reason}.")
        else:
            reason = f"expected {len(dialect.columns)} fields, found {len(record)}"
            error = _ragged_error(text, dialect, line, record)
        bad.refuse(text.file.name, line, reason, raw, error)


def _left_out(text: Text, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    """The records that are ragged or hold bytes of no text, but for the header."""
    first = dialect.header
    with records(text, dialect.delimiter, quoted=dialect.quoted, escape=dialect.escape) as found:
        for line, record in found:
            if line <= dialect.skipped or not record:
                continue
            undecodable = not first and any(UNDECODABLE in field for field in record)
            first = False
            if undecodable or len(record) != len(dialect.columns):
                yield line, record


def _ragged(text: Text, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    with records(text, dialect.delimiter, quoted=dialect.quoted, escape=dialect.escape) as found:
        for line, record in found:
            if line > dialect.skipped and record and len(record) != len(dialect.columns):
                yield line, record


def _ragged_error(text: Text, dialect: _Dialect, line: int, record: list[str]) -> DataError:
    start = dialect.delimiter.join(record)
    shown = repr(start if len(start) <= _SHOWN else f"{start[:_SHOWN]}...")
    names = {"\t": "tab", ",": "comma", ";": "semicolon"}
    mark = names.get(dialect.delimiter, dialect.delimiter)
    if "\n" in record[-1]:
        advice = "A double quote that was opened is not closed there."
    elif len(record) > len(dialect.columns):
        advice = f"A field with a {mark} in it must stand in double quotes."
    else:
        advice = "Add what is missing, or join the row to the one it belongs to."
    as_in = "as in the header" if dialect.header else "for the columns"
    count = f"{len(dialect.columns)} field{'s' * (len(dialect.columns) != 1)}"
    return DataError(
        f"{text.file.name}, line {line}: expected {count} {as_in} "
        f"({', '.join(dialect.columns)}), found {len(record)}: {shown}. {advice}"
    )


def _decodable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch without the rows that hold bytes which are not of the encoding."""
    wrong = pa.array(np.zeros(batch.num_rows, np.bool_))
    for column in batch.columns:
        wrong = pc.or_(wrong, pc.match_substring(column, UNDECODABLE))
    return batch.filter(pc.invert(wrong))
