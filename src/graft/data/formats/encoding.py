"""The encoding of text files: found out over the whole file, and read as UTF-8 whatever it is."""

import codecs
import io
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from graft.data.formats.data_file import DataFile
from graft.errors import DataError

UNDECODABLE = "\ufffd\U000f5bad"
"""Stands for a byte that is not of the encoding, where such rows are set aside."""

_log = logging.getLogger("graft.data")
_BLOCK = 1 << 20
_MOST_THREADS = 8
# Bytes of a character behind its first one.
_MOST_FOLLOWING = 3
_MARKS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
_WIDE = 4096
# Of a large file, so much tells whether it is UTF-8 until something else turns up.
_LOOKED_AT = 4 << 20
# Bytes that Windows-1252 leaves undefined, and control characters that no text has.
_NO_TEXT = [*range(9), *range(14, 27), *range(28, 32), 0x7F, 0x81, 0x8D, 0x8F, 0x90, 0x9D]
_LETTERS = [*range(0x41, 0x5B), *range(0x61, 0x7B)]
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# A sign such as the superscript three in a word: a letter there in other encodings.
_SIGN_IN_WORD = re.compile(rb"[A-Za-z][\xa1-\xbf](?=[A-Za-z])")
# Of western languages about one letter in twenty is beyond ASCII; of others, most are.
_MOST_BEYOND_ASCII = 0.25
_MOST_SIGNS = 0.1


class _Unclear(Exception):
    """No one encoding is clearly that of a file; why says the error before it."""


@dataclass(frozen=True)
class Text:
    """A file of text as UTF-8 bytes.

    Attributes:
        file: where it is.
        encoding: what its bytes are.
        mark: how many bytes at its start are a mark of the encoding.
        keep_undecodable: whether `UNDECODABLE` stands for bytes that are not of the encoding;
            otherwise reading them raises `DataError`.
    """

    file: DataFile
    encoding: str = "utf-8"
    mark: int = 0
    keep_undecodable: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the content is UTF-8 already, so that it can be read as it is."""
        checked = not self.file.streamed
        return self.encoding == "utf-8" and checked and not self.keep_undecodable

    def open(self) -> BinaryIO:
        """The content from its start as UTF-8, without a mark."""
        stream = self.file.open()
        stream.read(self.mark)
        return stream if self.is_plain else io.BufferedReader(_Recoded(stream, self), _BLOCK)


def text_of(file: DataFile, encoding: str | None, *, collect: bool = False) -> Text:
    """A text file in the encoding given, else in the one found out over all its bytes.

    It is UTF-8, or UTF-16 or -32 by mark or zero bytes; else Windows-1252 where all bytes speak for
    it, of which a warning tells. With `collect`, single bytes that are not UTF-8 are kept as
    `UNDECODABLE`. Raises `DataError` where no encoding is clear, naming line and byte.
    """
    if file.streamed:
        return _text_of_stream(file, encoding, collect)
    start = _start(file)
    mark, marked = next(((len(m), name) for m, name in _MARKS if start.startswith(m)), (0, None))
    if encoding is not None:
        name = _known(encoding)
        if name == "utf-8" and (error := _first_error(file)):
            if not collect:
                raise error
            return Text(file, "utf-8", mark, keep_undecodable=True)
        same = marked is not None and _known(marked).split("-")[:2] == name.split("-")[:2]
        return Text(file, marked or name, mark, collect) if same else Text(file, name, 0, collect)
    found = marked or _wide(start)
    if found is not None and found != "utf-8":
        return Text(file, found, mark, collect)
    error = _first_error(file)
    if error is None:
        return Text(file, "utf-8", mark)
    try:
        _check_windows_1252(file, mark)
    except _Unclear:
        if collect:
            return Text(file, "utf-8", mark, keep_undecodable=True)
        raise error from None
    _log.warning(
        "%s is not UTF-8 and was read as Windows-1252. Give encoding='windows-1252' to say that "
        "this is right, or the encoding that it is in.",
        file.name,
    )
    return Text(file, "windows-1252")


def _text_of_stream(file: DataFile, encoding: str | None, collect: bool) -> Text:
    """A text file as its start tells; what follows is checked while it is read."""
    with file.open() as stream:
        start = stream.read(_BLOCK)
    if len(start) == _BLOCK and _is_utf8(start, len(start) - _unfinished(start)):
        start = start[: len(start) - _unfinished(start)]
    head = replace(file, opener=lambda: io.BytesIO(start), streamed=False)
    return replace(text_of(head, encoding, collect=collect), file=file, keep_undecodable=collect)


class TextSource:
    """A text file that is taken for UTF-8 where it starts so, until all of it has to be known.

    Who reads it checks what follows, and settles the encoding where something is not UTF-8. What
    was read by then stays true: it is ASCII where the file turns out to be Windows-1252, and all
    else raises an error.

    Attributes:
        text: the file in the encoding that is known so far.
        settled: whether that has been found out over all its bytes.
    """

    def __init__(self, file: DataFile, encoding: str | None, *, collect: bool = False) -> None:
        """As `text_of`, and with the same errors; with `collect`, it is settled at once."""
        self._whole = partial(text_of, file, encoding, collect=collect)
        self.settled = collect or not _starts_as_utf8(file, encoding)
        self.text = self._whole() if self.settled else Text(file, mark=_mark_of_utf8(file))

    def settle(self) -> bool:
        """Finds out the encoding over all bytes; False where that was done before.

        Raises `DataError` as `text_of` does.
        """
        if self.settled:
            return False
        self.text, self.settled = self._whole(), True
        return True


def _starts_as_utf8(file: DataFile, encoding: str | None) -> bool:
    """Whether a large file is to be UTF-8 as far as its start tells."""
    if file.streamed or (encoding is not None and _known(encoding) != "utf-8"):
        return False
    if file.opener is None and file.path.stat().st_size <= _LOOKED_AT:
        return False
    with file.open() as stream:
        start = stream.read(_LOOKED_AT)
    other = any(start.startswith(mark) for mark, name in _MARKS if name != "utf-8")
    if len(start) < _LOOKED_AT or other or _wide(start[:_WIDE]):
        return False
    return _is_utf8(start, len(start) - _unfinished(start))


def _mark_of_utf8(file: DataFile) -> int:
    return len(codecs.BOM_UTF8) if _start(file).startswith(codecs.BOM_UTF8) else 0


class _Recoded(io.RawIOBase):
    """A stream of bytes in some encoding as one in UTF-8."""

    def __init__(self, stream: BinaryIO, text: Text) -> None:
        errors = "graft-undecodable" if text.keep_undecodable else "strict"
        self._decoder = codecs.getincrementaldecoder(text.encoding)(errors)
        self._stream = stream
        self._text = text
        self._ready = self._rest = b""
        self._lines = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            block = self._stream.read(_BLOCK)
            self._ended = not block
            self._ready = self._decoded(block)
            self._lines += self._ready.count(b"\n")
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _decoded(self, block: bytes) -> bytes:
        try:
            if self._text.encoding == "utf-8" and not self._text.keep_undecodable:
                return self._checked(block)
            return self._decoder.decode(block, final=not block).encode()
        except UnicodeError as error:
            start = getattr(error, "start", 0)
            line = self._lines + block.count(b"\n", 0, start) + 1
            raise DataError(
                f"{self._text.file.name}, line {line} or near: the bytes there are not "
                f"{self._text.encoding} ({error}). Give the encoding that the file is in: "
                "encoding='...'."
            ) from error

    def _checked(self, block: bytes) -> bytes:
        """What is UTF-8 already, up to its last whole character."""
        content = self._rest + block
        whole = len(content) - (_unfinished(content) if block else 0)
        if not _is_utf8(content, whole):
            content[:whole].decode()  # says what is wrong, and where
        self._rest = content[whole:]
        return content[:whole]


def _replace(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return UNDECODABLE, error.end
    raise error


codecs.register_error("graft-undecodable", _replace)


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise DataError(
            f"encoding={encoding!r} is not an encoding that Python knows. "
            "Give one such as 'utf-8', 'utf-16', 'windows-1252' or 'latin-1'."
        ) from error
    return {"utf-8-sig": "utf-8", "utf_8_sig": "utf-8"}.get(name, name)


def _start(file: DataFile) -> bytes:
    with file.open() as stream:
        return stream.read(_WIDE)


def _wide(start: bytes) -> str | None:
    """UTF-16 without a mark, as its zero bytes tell: ASCII has one in every two."""
    if len(start) % 2 or b"\0" not in start:
        return None
    content = np.frombuffer(start, np.uint8).reshape(-1, 2)
    first, second = (content == 0).mean(axis=0)
    if second > 0.4 and first < 0.05:
        return "utf-16-le"
    return "utf-16-be" if first > 0.4 and second < 0.05 else None


def _first_error(file: DataFile) -> DataError | None:
    """The error for the first byte that is not UTF-8; None where all are."""
    if file.opener is None and _all_utf8(file):
        return None
    read = 0
    rest = b""
    with file.open() as stream:
        while block := stream.read(_BLOCK):
            content = rest + block
            whole = len(content) - _unfinished(content)
            if not _is_utf8(content, whole):
                return _located(file, content, read)
            rest = content[whole:]
            read += whole
    return _located(file, rest, read) if rest else None


def _all_utf8(file: DataFile) -> bool:
    """Whether a file on disk is UTF-8; several threads look at its blocks."""

    def is_good(start: int) -> bool:
        with file.path.open("rb", buffering=0) as stream:
            stream.seek(start)
            content = stream.read(_BLOCK + _MOST_FOLLOWING)
        # Two blocks meet where the character ends that begins in the first of them.
        first = _following(content[:_MOST_FOLLOWING]) if start else 0
        last = _BLOCK + _following(content[_BLOCK:])
        return _is_utf8(content[first:last], len(content[first:last]))

    starts = range(0, file.path.stat().st_size, _BLOCK)
    if len(starts) <= 1:
        return all(map(is_good, starts))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        return all(pool.map(is_good, starts))


def _following(content: bytes) -> int:
    """How many bytes at the start go on with a character that began before."""
    return next((at for at, byte in enumerate(content) if byte & 0xC0 != 0x80), len(content))


def _is_utf8(content: bytes, length: int) -> bool:
    ends = pa.py_buffer(np.array([0, length], np.int32))
    bytes_ = pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(content)])
    try:
        bytes_.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _unfinished(content: bytes) -> int:
    """How many bytes at the end are the start of a character that goes on."""
    for count in range(1, min(4, len(content) + 1)):
        byte = content[-count]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return count if count < length else 0
        if byte < 0x80:
            break
    return 0


def _located(file: DataFile, content: bytes, read: int) -> DataError | None:
    """The error for the first byte of `content` that is not UTF-8; `read` bytes came before it."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = count_lines(file, read + error.start) + 1
        return _not_utf8(file, read + error.start, line, content[error.start])
    return None


def count_lines(text: "DataFile | Text", size: int) -> int:
    """The ends of lines in the first `size` bytes of a file, or of a text as UTF-8."""
    count = 0
    with text.open() as stream:
        while size and (block := stream.read(min(size, _BLOCK))):
            count += block.count(b"\n")
            size -= len(block)
    return count


def _not_utf8(file: DataFile, offset: int, line: int, byte: int) -> DataError:
    converted = f"{file.path.stem}-utf8{file.path.suffix}"
    return DataError(
        f"{file.name}, line {line}: byte 0x{byte:02x} at offset {offset} is not UTF-8, and it is "
        "not clear what the file is instead. Give its encoding, such as encoding='windows-1252', "
        f"or convert it: iconv -f WINDOWS-1252 -t UTF-8 '{file.path.name}' > '{converted}'"
    )


def _check_windows_1252(file: DataFile, mark: int) -> None:
    """Raises `_Unclear` unless all bytes of a file speak for Windows-1252."""
    counts = np.zeros(256, np.int64)
    signs = 0
    tail = b""
    with file.open() as stream:
        while block := stream.read(_BLOCK):
            content = tail + block
            counts += np.bincount(np.frombuffer(block, np.uint8), minlength=256)
            if mark or _UTF8.search(content):
                raise _Unclear
            signs += len(_SIGN_IN_WORD.findall(content))
            tail = content[-3:]
    beyond = int(counts[0x80:].sum())
    letters = beyond + int(counts[_LETTERS].sum())
    cut_off = tail[-1:] >= b"\xc2" and beyond == 1
    if counts[_NO_TEXT].any() or beyond > _MOST_BEYOND_ASCII * letters or cut_off:
        raise _Unclear
    if signs > _MOST_SIGNS * beyond:
        raise _Unclear
