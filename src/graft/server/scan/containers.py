"""Where pickles lie in a file: by themselves, one after the other, packed, in a zip or a tar."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import IO, Any, cast

from graft.server.scan.pickles import NotAPickleError, TooLongError, Walk, walk_pickle

SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".p", ".pt2")
"""The files that are looked into: those that loaders give to `pickle`."""
MAX_SECONDS = 60.0
MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 16 * 1024**2
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_PICKLES = 64
"""One after the other in a file: those of PyTorch before 1.6 have five."""
BLOCK_BYTES = 256 * 1024

_ZIP = b"PK\x03\x04"
_PROTO = 0x80
_PACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"]\x00\x00": lzma.LZMAFile,
}
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)


class PartialFile(io.RawIOBase):
    """A file that is somewhere else, read by parts: `read_part(start, length)`."""

    def __init__(self, read_part: Callable[[int, int], bytes], size: int) -> None:
        self._read_part = read_part
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        length = min(len(buffer), max(0, self._size - self._at))
        if length == 0:
            return 0
        data = self._read_part(self._at, length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def walk_file(read_part: Callable[[int, int], bytes], size: int) -> Walk:
    """All that the pickles in a file would import.

    Raises:
        TooLongError: more in it than is looked at; what was found before is in its `walk`.
    """
    end = monotonic() + MAX_SECONDS

    def check() -> None:
        if monotonic() > end:
            raise TooLongError(f"The file could not be looked through in {MAX_SECONDS:.0f} s.")

    walk = Walk(check=check)
    file = io.BufferedReader(PartialFile(read_part, size), BLOCK_BYTES)
    try:
        _walk_any(cast(IO[bytes], file), size, walk)
    except TooLongError as error:
        error.imports = walk.imports
        raise
    return walk


def _walk_any(file: IO[bytes], size: int, walk: Walk) -> None:
    head = file.read(512)
    file.seek(0)
    if head.startswith(_ZIP) or _ends_as_zip(file, size):
        try:
            _walk_zip(file, walk)
        except (*_BROKEN, NotImplementedError):
            # Whoever reads zips in another way may read it nevertheless.
            walk.is_whole = walk.is_whole and not head.startswith(_ZIP)
        if head.startswith(_ZIP):
            return
    file.seek(0)
    _walk_packed(file, head, walk)
    # Whatever it seems to be, it may be a pickle all the same: of what is none the walk ends soon.
    file.seek(0)
    _walk_one_after_the_other(file, walk)


def _walk_packed(file: IO[bytes], head: bytes, walk: Walk) -> None:
    with suppress(*_BROKEN):
        if head[257:262] == b"ustar":
            _walk_tar(file, walk)
        for magic, opener in _PACKED.items():
            if head.startswith(magic):
                file.seek(0)
                _walk_one_after_the_other(_limited(opener(file)), walk)
        if head[:1] == b"x":  # what joblib packs with zlib
            _walk_one_after_the_other(_limited(io.BufferedReader(_Inflated(file))), walk)


def _ends_as_zip(file: IO[bytes], size: int) -> bool:
    """Whether a zip's directory stands at the end of the file, whatever it begins with."""
    length = min(size, 65_557)
    file.seek(size - length)
    tail = file.read(length)
    file.seek(0)
    return b"PK\x05\x06" in tail


def _walk_zip(file: IO[bytes], walk: Walk) -> None:
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise TooLongError(f"The archive has more than {MAX_MEMBERS} members.")
        for member in members:
            walk.check()
            _walk_member(archive, member, walk)


def _walk_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, walk: Walk) -> None:
    is_named = member.filename.endswith(SUFFIXES)
    try:
        with archive.open(member) as opened:
            if is_named or _is_pickle(opened):
                opened.seek(0)
                _walk_one_after_the_other(_limited(opened), walk)
    except (*_BROKEN, NotImplementedError, RuntimeError):  # damaged, encrypted, or packed otherwise
        # PyTorch looks at neither checksums nor flags.
        walk.is_whole = walk.is_whole and not is_named


def _is_pickle(file: IO[bytes]) -> bool:
    """Whether a member begins as pickles of protocol 2 and newer do, whatever its name."""
    head = file.read(2)
    return len(head) == 2 and head[0] == _PROTO and head[1] <= pickle.HIGHEST_PROTOCOL


def _check_directory(file: IO[bytes]) -> None:
    """That the list of members is of a sane length: it is read into memory whole."""
    size = file.seek(0, io.SEEK_END)
    length = min(size, 65_557)
    file.seek(size - length)
    tail = file.read(length)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile
    (directory,) = struct.unpack("<I", tail[at + 12 : at + 16])
    zip64 = tail.rfind(b"PK\x06\x06")
    if zip64 >= 0 and len(tail) >= zip64 + 56:
        directory = struct.unpack("<Q", tail[zip64 + 40 : zip64 + 48])[0]
    elif directory == 0xFFFFFFFF:
        raise zipfile.BadZipFile
    if directory > MAX_DIRECTORY_BYTES:
        raise TooLongError(f"The archive's list of members has {directory} bytes.")
    file.seek(0)


def _walk_tar(file: IO[bytes], walk: Walk) -> None:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for number, member in enumerate(archive):
            walk.check()
            if number >= MAX_MEMBERS:
                raise TooLongError(f"The archive has more than {MAX_MEMBERS} members.")
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None:
                _walk_one_after_the_other(opened, walk)


def _walk_one_after_the_other(file: IO[bytes], walk: Walk) -> None:
    """The pickles that a file begins with; broken ones too, which run up to where they break."""
    for _ in range(MAX_PICKLES):
        try:
            walk_pickle(file, walk)
        except NotAPickleError:
            return
    raise TooLongError(f"The file has more than {MAX_PICKLES} pickles.")


class _Limited(io.RawIOBase):
    """The bytes of something packed, up to a limit: little can become more than anybody has."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._left = MAX_UNPACKED_BYTES

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._packed.read(size)
        self._count(data)
        return data

    def readline(self, size: int | None = -1) -> bytes:
        line = self._packed.readline(-1 if size is None else size)
        self._count(line)
        return line

    def _count(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise TooLongError(f"Unpacked, the file has more than {MAX_UNPACKED_BYTES} bytes.")


def _limited(packed: Any) -> IO[bytes]:
    return cast(IO[bytes], _Limited(packed))


class _Inflated(io.RawIOBase):
    """The bytes of a zlib stream."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacker = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while not self._unpacker.eof:
            waiting = self._unpacker.unconsumed_tail or self._packed.read(BLOCK_BYTES)
            if not waiting:
                return 0
            data = self._unpacker.decompress(waiting, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0
