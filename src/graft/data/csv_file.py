"""CSV and TSV files: every field stays the text it is, and a ragged row is named by its line."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from graft.data.bad_rows import BadRows
from graft.data.checks import check_unique, check_utf8
from graft.data.data_file import Content, DataFile, Format, Options, batches_of
from graft.errors import DataError

_OTHER_DELIMITERS = ";\t|"
_SHOWN = 60
# One record must fit into a block.
_BLOCK = 64 << 20


class _Unreadable(Exception):
    """The parser's refusal; what the user is told comes from a second look at the file."""


def read_csv(path: Path, name: str) -> pa.Table:
    """A CSV file (RFC 4180) with a header line; all columns are strings, an empty field is "".

    The delimiter is the comma unless the header has none and has semicolons, tabs or bars. Raises
    `DataError` for a ragged row, an unclosed quote, two columns of one name, or another encoding.
    """
    header = _headers(path, name, ",")
    delimiter = ","
    if len(header) == 1:
        others = {mark: _headers(path, name, mark) for mark in _OTHER_DELIMITERS}
        best = max(others, key=lambda mark: len(others[mark]))
        if len(others[best]) > 1:
            header, delimiter = others[best], best
    return _parse_or_explain(path, name, header, delimiter, quoted=True)


def read_tsv(path: Path, name: str) -> pa.Table:
    """A tab-separated file with a header line; all columns are strings, an empty field is "".

    Quotes are part of the text, as most such files mean them, unless every field that starts with
    one is quoted as in CSV. Raises as `read_csv` does.
    """
    try:
        raw = _parse(path, _headers(path, name, "\t", quoted=False), "\t", quoted=False)
    except _Unreadable:
        header = _headers(path, name, "\t")
        return _parse_or_explain(path, name, header, "\t", quoted=True)
    if any(_has_lone_quote(column) for column in raw.columns):
        return _named(raw, name)
    return _parse_or_explain(path, name, _headers(path, name, "\t"), "\t", quoted=True)


def _has_lone_quote(column: pa.ChunkedArray) -> bool:
    starts = pc.starts_with(column, '"')
    quoted = pc.match_substring_regex(column, r'^"(?:[^"]|"")*"$')
    return bool(pc.any(pc.and_not(starts, quoted)).as_py())


def _headers(path: Path, name: str, delimiter: str, *, quoted: bool = True) -> list[str]:
    with _records(path, name, delimiter, quoted=quoted) as records:
        return next((record for _, record in records if record), [])


def _parse(path: Path, header: list[str], delimiter: str, *, quoted: bool) -> pa.Table:
    """The file as strings, its header as the first row."""
    columns = [str(position) for position in range(len(header))]
    try:
        return pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=columns, block_size=_BLOCK),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
            ),
            convert_options=pa_csv.ConvertOptions(
                strings_can_be_null=False,
                column_types=dict.fromkeys(columns, pa.string()),
            ),
        )
    except pa.ArrowInvalid as error:
        raise _Unreadable(str(error)) from error


def _parse_or_explain(
    path: Path, name: str, header: list[str], delimiter: str, *, quoted: bool
) -> pa.Table:
    try:
        raw = _parse(path, header, delimiter, quoted=quoted)
    except _Unreadable as error:
        check_utf8(path, name)
        _explain_ragged(path, name, header, delimiter)
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: the file cannot be read as CSV ({reason}).") from error
    if any(pc.any(pc.match_substring(column, "\n")).as_py() for column in raw.columns):
        _check_quotes(path, name, delimiter)
    return _named(raw, name)


def _named(raw: pa.Table, name: str) -> pa.Table:
    """The rows below the header, their columns named by it; a column without a name gets one."""
    given = [raw.column(position)[0].as_py().strip() for position in range(raw.num_columns)]
    columns = [column or f"column_{position}" for position, column in enumerate(given, start=1)]
    check_unique(columns, f"{name}, line 1")
    return raw.slice(1).rename_columns(columns)


def _explain_ragged(path: Path, name: str, header: list[str], delimiter: str) -> None:
    with _records(path, name, delimiter) as records:
        ragged = (at for at in records if at[1] and len(at[1]) != len(header))
        line, record = next(ragged, (0, []))
    if not record:
        return
    start = delimiter.join(record)
    shown = repr(start if len(start) <= _SHOWN else f"{start[:_SHOWN]}...")
    mark = {"\t": "tab", ",": "comma", ";": "semicolon"}.get(delimiter, delimiter)
    if "\n" in record[-1]:
        advice = "A double quote that was opened is not closed there."
    elif len(record) > len(header):
        advice = f"A field with a {mark} in it must stand in double quotes."
    else:
        advice = "Add what is missing, or join the row to the one it belongs to."
    raise DataError(
        f"{name}, line {line}: expected {len(header)} fields as in the header "
        f"({', '.join(header)}), found {len(record)}: {shown}. {advice}"
    )


def _check_quotes(path: Path, name: str, delimiter: str) -> None:
    """Raises `DataError` where a stray quote has swallowed the lines that follow it."""
    with path.open(encoding="utf-8-sig", newline="") as file, _any_field_size():
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                if next(reader, None) is None:
                    return
            except csv.Error as error:
                if reader.line_num > line or "end of data" in str(error):
                    raise DataError(
                        f"{name}, line {line}: a double quote that opens a field there is not "
                        "closed as it should be, and takes in the lines below. Close it; a double "
                        'quote within a quoted field is written twice ("").'
                    ) from error


@contextmanager
def _records(
    path: Path, name: str, delimiter: str, *, quoted: bool = True
) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The records of a file with the line that each starts on, for headers and explanations."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, _any_field_size():
            if quoted:
                yield _with_lines(csv.reader(file, delimiter=delimiter))
            else:
                yield _with_lines(csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE))
    except UnicodeDecodeError:
        check_utf8(path, name)
        raise


@contextmanager
def _any_field_size() -> Iterator[None]:
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _with_lines(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    line = 1
    for record in reader:
        yield line, record
        line = reader.line_num + 1  # type: ignore[attr-defined]


def _csv(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    return Content(batches_of(read_csv(file.path, file.name)), untyped=True)


def _tsv(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    return Content(batches_of(read_tsv(file.path, file.name)), untyped=True)


CSV = Format("CSV", (".csv",), _csv)
TSV = Format("TSV", (".tsv",), _tsv)
