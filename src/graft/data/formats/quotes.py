"""Double quotes in CSV files: whether all stand where RFC 4180 has them, and where one does not."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from graft.data.formats.encoding import Text
from graft.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

_BLOCK = 4 << 20
_QUOTE, _LINE_FEED, _RETURN = 0x22, 0x0A, 0x0D


def check_quotes(text: Text, delimiter: str) -> None:
    """Raises `DataError` where a stray quote has swallowed the lines that follow it."""
    if _are_paired(text, delimiter):
        return
    with _reader(text, delimiter=delimiter, strict=True) as reader:
        while True:
            line = reader.line_num + 1
            try:
                if next(reader, None) is None:
                    return
            except csv.Error as error:
                if reader.line_num > line or "end of data" in str(error):
                    raise DataError(
                        f"{text.file.name}, line {line}: a double quote that opens a field there "
                        "is not closed as it should be, and takes in the lines below. Close it; a "
                        'double quote within a quoted field is written twice ("").'
                    ) from error


@contextmanager
def records(
    text: Text, delimiter: str, *, quoted: bool = True, escape: str | None = None
) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The records of a file with the line that each starts on, for headers and explanations."""
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    with _reader(text, delimiter=delimiter, quoting=quoting, escapechar=escape) as reader:
        yield _with_lines(reader)


def _with_lines(reader: "Reader") -> Iterator[tuple[int, list[str]]]:
    line = 1
    for record in reader:
        yield line, record
        line = reader.line_num + 1


@contextmanager
def _reader(text: Text, **dialect: object) -> Iterator["Reader"]:
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with io.TextIOWrapper(text.open(), "utf-8", newline="") as stream:
            yield csv.reader(stream, **dialect)  # type: ignore[arg-type]
    finally:
        csv.field_size_limit(limit)


def _are_paired(text: Text, delimiter: str) -> bool:
    """Whether each quote opens or closes a field, or is one of two within a quoted field.

    Of all quotes, the first, third, ... then follow a delimiter, an end of line or a quote, and the
    others come before one of these.
    """
    # Bytes that may stand before a quote that opens, or behind one that closes.
    edge = np.zeros(256, np.bool_)
    edge[[_LINE_FEED, _RETURN, ord(delimiter), _QUOTE]] = True
    opens = True
    # What was read last waits for what follows it: its quotes are looked at with both neighbours.
    known = b"\n"
    with text.open() as stream:
        while True:
            block = stream.read(_BLOCK)
            content = np.frombuffer(known + (block or b"\n"), np.uint8)
            places = np.flatnonzero(content[1:-1] == _QUOTE) + 1
            first, second = (places[0::2], places[1::2]) if opens else (places[1::2], places[0::2])
            if not (edge[content[first - 1]].all() and edge[content[second + 1]].all()):
                return False
            opens ^= bool(len(places) % 2)
            if not block:
                return opens
            known = content[-2:].tobytes()
