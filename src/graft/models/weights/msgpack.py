"""Reading MessagePack (msgpack.org/spec), with arrays left in place.

Packages for it read a file whole. A file of weights is best left on disk: here bytes and extensions
become the place where they are.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

_DEEPEST = 64
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


@dataclass(frozen=True)
class Bytes:
    """Bytes that were passed over.

    Attributes:
        offset: Of the first, in the file.
        size: How many.
        kind: The number of the extension that they are; None for plain bytes.
    """

    offset: int
    size: int
    kind: int | None = None


class Reader:
    """Reads one value at a time.

    Args:
        file: Open at the start of a value.
        end: The offset that no value reaches past, in bytes.
    """

    def __init__(self, file: BinaryIO, end: int) -> None:
        self.file = file
        self.end = end

    def value(self, depth: int = 0) -> Any:
        """The value at this place: maps as `dict`, arrays as `list`, bytes as `Bytes`.

        Raises:
            ValueError: What is there is no MessagePack, or the file ends within it.
        """
        if depth > _DEEPEST:
            raise ValueError(f"values are nested deeper than {_DEEPEST}")
        code = self._take(1)[0]
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            layout = _NUMBERS[code]
            return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        return self._sized(code)(depth + 1)

    def _sized(self, code: int) -> Callable[[int], Any]:
        """What reads a value of a length."""
        if code < 0x90:
            return lambda depth: self._map(code & 0x0F, depth)
        if code < 0xA0:
            return lambda depth: self._array(code & 0x0F, depth)
        if code < 0xC0:
            return lambda _: self._text(code & 0x1F)
        if 0xC4 <= code <= 0xC6:
            return lambda _: self._skip(self._length(code - 0xC4))
        if 0xC7 <= code <= 0xC9:
            return lambda _: self._extension(self._length(code - 0xC7))
        if 0xD4 <= code <= 0xD8:
            return lambda _: self._extension(1 << (code - 0xD4))
        if 0xD9 <= code <= 0xDB:
            return lambda _: self._text(self._length(code - 0xD9))
        if 0xDC <= code <= 0xDD:
            return lambda depth: self._array(self._length(code - 0xDB), depth)
        if 0xDE <= code <= 0xDF:
            return lambda depth: self._map(self._length(code - 0xDD), depth)
        raise ValueError(f"byte {code:#x} begins no value")

    def _length(self, power: int) -> int:
        """A length of 1, 2 or 4 bytes."""
        return int.from_bytes(self._take(1 << power))

    def _take(self, size: int) -> bytes:
        if self.file.tell() + size > self.end:
            raise ValueError("it ends within a value")
        taken = self.file.read(size)
        if len(taken) < size:
            raise ValueError("it ends within a value")
        return taken

    def _text(self, size: int) -> str:
        return self._take(size).decode("utf-8")

    def _array(self, size: int, depth: int) -> list[Any]:
        return [self.value(depth) for _ in range(self._possible(size))]

    def _map(self, size: int, depth: int) -> dict[Any, Any]:
        entries = {}
        for _ in range(self._possible(size)):
            key = self.value(depth)
            if not isinstance(key, str | int):
                raise ValueError(f"a map has a key of type {type(key).__name__}")
            entries[key] = self.value(depth)
        return entries

    def _extension(self, size: int) -> Bytes:
        kind = self._take(1)[0]
        return self._skip(size, kind)

    def _skip(self, size: int, kind: int | None = None) -> Bytes:
        offset = self.file.tell()
        if offset + size > self.end:
            raise ValueError("it ends within a value")
        self.file.seek(size, 1)
        return Bytes(offset, size, kind)

    def _possible(self, size: int) -> int:
        """A number of values, each of which has a byte or more."""
        if self.file.tell() + size > self.end:
            raise ValueError("it announces more values than it has bytes")
        return size
