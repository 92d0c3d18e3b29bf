"""Walking through one JSON document of any size: only what is asked for is in memory at a time."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from graft.data.formats.encoding import Text
from graft.errors import DataError

_BLOCK = 1 << 20
_LONGEST = 1 << 28
_SPACE = re.compile(r"[ \t\n\r]*")
# So near the end of what was read, an error may come from what is still to be read.
_NEAR = 16


class Item(NamedTuple):
    """A value in a document: the line it starts on, the value, and how it is written."""

    line: int
    value: Any
    raw: str


class JsonStream:
    """A JSON document, read from its start. Close it, or use it in a `with` statement.

    After a key of `pairs`, its value is to be taken by `value`, `items`, `pairs` or `skip`. Errors
    are `DataError`s that name line and column.
    """

    def __init__(self, text: Text) -> None:
        self._name = text.file.name
        self._stream = io.TextIOWrapper(text.open(), "utf-8", newline="")
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._column = 1
        self._ended = False

    def __enter__(self) -> "JsonStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def peek(self) -> str:
        """The character that comes next, white space left out; "" at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            self._move(match.end() if match else self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def value(self) -> Item:
        """The value that comes next, whole."""
        self.peek()
        line = self._line
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                unfinished = "Unterminated" in error.msg or error.pos > len(self._buffer) - _NEAR
                if not unfinished or not self._more():
                    raise self._broken(error.msg, error.pos) from error
                continue
            except RecursionError as error:
                raise self._broken("nested too deeply", self._at) from error
            if end == len(self._buffer) and self._more():
                continue  # a number may go on
            raw = self._buffer[self._at : end]
            self._move(end)
            return Item(line, value, raw)

    def items(self) -> Iterator[Item]:
        """The items of the array that comes next."""
        self._take("[")
        if self.peek() == "]":
            self._move(self._at + 1)
            return
        while True:
            yield self.value()
            if self._take(",", "]") == "]":
                return

    def pairs(self) -> Iterator[str]:
        """The keys of the object that comes next; the value of each is to be taken in between."""
        self._take("{")
        if self.peek() == "}":
            self._move(self._at + 1)
            return
        while True:
            if self.peek() != '"':
                raise self._broken("a key in double quotes is expected", self._at)
            key = self.value().value
            self._take(":")
            yield key
            if self._take(",", "}") == "}":
                return

    def skip(self) -> None:
        """Passes over the value that comes next."""
        kind = self.peek()
        if kind == "[":
            for _ in self.items():
                pass
        elif kind == "{":
            for _ in self.pairs():
                self.skip()
        else:
            self.value()

    def check_end(self) -> None:
        """Raises `DataError` where something follows the document."""
        if self.peek():
            raise self._broken("something follows after the end of the document", self._at)

    def _take(self, *marks: str) -> str:
        found = self.peek()
        if found not in marks or not found:
            wanted = " or ".join(repr(mark) for mark in marks)
            raise self._broken(f"{wanted} is expected", self._at)
        self._move(self._at + 1)
        return found

    def _move(self, end: int) -> None:
        lines = self._buffer.count("\n", self._at, end)
        if lines:
            self._line += lines
            self._column = end - self._buffer.rfind("\n", self._at, end)
        else:
            self._column += end - self._at
        self._at = end

    def _more(self) -> bool:
        """Reads on: as much again as there is of the value at hand. False at the end."""
        if self._ended:
            return False
        rest = self._buffer[self._at :]
        if len(rest) > _LONGEST:
            raise DataError(
                f"{self._name}, line {self._line}: a value is longer than {_LONGEST:,} characters, "
                "or a double quote is not closed."
            )
        block = self._stream.read(max(_BLOCK, len(rest)))
        self._ended = not block
        if block:
            self._buffer, self._at = rest + block, 0
        return bool(block)

    def _broken(self, reason: str, at: int) -> DataError:
        line = self._line + self._buffer.count("\n", self._at, at)
        newline = self._buffer.rfind("\n", self._at, at)
        column = at - newline if newline >= 0 else self._column + at - self._at
        return DataError(
            f"{self._name}, line {line}, column {column}: broken JSON ({reason}). Correct it "
            "there; the file must be one array of objects, or one object per line."
        )
