"""Writing new objects into a bare repository: a few as files of their own, many as one pack.

Formats: gitformat-pack (pack version 2, index version 2) of the git documentation.
"""

import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

import pygit2
from pygit2.enums import ObjectType

from graft.files import sync

MAX_LOOSE_OBJECTS = 100
"""More objects than this go into a pack; git itself draws the line at as many for a push."""

MAX_LOOSE_BYTES = 4 * 1024**2
TEMPORARY_PREFIX = "tmp_pack_graft_"
"""How the files of unfinished packs begin; `git gc` removes those that a stop left behind."""

# Packs of a commit are packed anew by `git gc`: until then, speed counts for more.
_COMPRESSION = 1
_KINDS = {
    ObjectType.COMMIT: b"commit",
    ObjectType.TREE: b"tree",
    ObjectType.BLOB: b"blob",
    ObjectType.TAG: b"tag",
}
_LARGE_OFFSET = 2**31


class ObjectWriter:
    """Collects new objects. They exist in the repository once `finish` has been called.

    Memory is bounded: what is too much for it goes to a temporary file at once. Leaving the block
    without `finish` leaves nothing behind.
    """

    def __init__(self, path: Path) -> None:
        """`path` is the bare repository's folder."""
        self._folder = path / "objects" / "pack"
        self._waiting: dict[pygit2.Oid, tuple[ObjectType, bytes]] = {}
        self._waiting_bytes = 0
        self._pack: _PackFile | None = None
        self._remembered: dict[pygit2.Oid, bytes] = {}

    def write(self, kind: ObjectType, data: bytes, *, remember: bool = False) -> pygit2.Oid:
        """Takes an object and answers its id; `remember` keeps its bytes for `read`."""
        header = b"%s %d\0" % (_KINDS[kind], len(data))
        oid = pygit2.Oid(raw=hashlib.sha1(header + data, usedforsecurity=False).digest())
        if remember:
            self._remembered[oid] = data
        if self._pack is not None:
            self._pack.add(oid, kind, data)
        elif oid not in self._waiting:
            self._waiting[oid] = kind, data
            self._waiting_bytes += len(data)
            if len(self._waiting) > MAX_LOOSE_OBJECTS or self._waiting_bytes > MAX_LOOSE_BYTES:
                self._begin_pack()
        return oid

    def read(self, oid: pygit2.Oid) -> bytes | None:
        """The bytes of an object that was to be remembered, or None."""
        return self._remembered.get(oid)

    def finish(self, repository: pygit2.Repository) -> None:
        """Gives the objects to the repository; no ref names them yet."""
        if self._pack is not None:
            self._pack.finish(self._folder)
            self._pack = None
        for kind, data in self._waiting.values():
            repository.write(kind, data)
        self._waiting.clear()

    def _begin_pack(self) -> None:
        self._pack = _PackFile(self._folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        for oid, (kind, data) in self._waiting.items():
            self._pack.add(oid, kind, data)
        self._waiting.clear()

    def __enter__(self) -> "ObjectWriter":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pack is not None:
            self._pack.discard()
            self._pack = None
        self._waiting.clear()


class _PackFile:
    """A pack that grows on disk, under a temporary name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("x+b")
        self._entries: dict[pygit2.Oid, tuple[int, int]] = {}
        """Object -> (CRC-32 of its bytes in the pack, where they begin)."""
        self._size = self._file.write(_pack_header(0))

    def add(self, oid: pygit2.Oid, kind: ObjectType, data: bytes) -> None:
        if oid in self._entries:
            return
        entry = _entry_header(kind, len(data)) + zlib.compress(data, _COMPRESSION)
        self._entries[oid] = zlib.crc32(entry), self._size
        self._size += self._file.write(entry)

    def finish(self, folder: Path) -> None:
        """Completes the pack, writes its index, and gives both their names."""
        try:
            checksum = self._seal()
            index = self._path.with_suffix(".idx")
            _write_durably(index, _index(self._entries, checksum))
            name = folder / f"pack-{checksum.hex()}"
            for temporary, suffix in ((self._path, ".pack"), (index, ".idx")):
                temporary.chmod(0o444)
                temporary.rename(name.with_suffix(suffix))  # the index last: it makes it a pack
            sync(folder)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        self._file.close()
        for path in (self._path, self._path.with_suffix(".idx")):
            with suppress(FileNotFoundError):
                path.unlink()

    def _seal(self) -> bytes:
        """Writes how many objects there are, and the checksum over all bytes."""
        self._file.seek(0)
        self._file.write(_pack_header(len(self._entries)))
        self._file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while chunk := self._file.read(1024**2):
            digest.update(chunk)
        self._file.write(digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return digest.digest()


def _pack_header(count: int) -> bytes:
    return struct.pack(">4sLL", b"PACK", 2, count)


def _entry_header(kind: ObjectType, size: int) -> bytes:
    """Type and size: 3 and 4 bits in the first byte, then 7 bits a byte, the lowest first."""
    byte = kind << 4 | size & 15
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 128)
        byte = size & 127
        size >>= 7
    header.append(byte)
    return bytes(header)


def _index(entries: dict[pygit2.Oid, tuple[int, int]], pack_checksum: bytes) -> bytes:
    ordered = sorted((oid.raw, crc, offset) for oid, (crc, offset) in entries.items())
    counts = [0] * 256
    for raw, _, _ in ordered:
        counts[raw[0]] += 1
    fanout, total = [], 0
    for count in counts:
        total += count
        fanout.append(total)
    offsets, large = _offsets(offset for _, _, offset in ordered)
    body = b"".join(
        (
            b"\xfftOc",
            struct.pack(">L256L", 2, *fanout),
            b"".join(raw for raw, _, _ in ordered),
            struct.pack(f">{len(ordered)}L", *(crc for _, crc, _ in ordered)),
            struct.pack(f">{len(offsets)}L", *offsets),
            struct.pack(f">{len(large)}Q", *large),
            pack_checksum,
        )
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _offsets(offsets: Iterable[int]) -> tuple[list[int], list[int]]:
    """The table of 4-byte offsets, and that of those which need 8 bytes."""
    small: list[int] = []
    large: list[int] = []
    for offset in offsets:
        if offset < _LARGE_OFFSET:
            small.append(offset)
        else:
            small.append(_LARGE_OFFSET | len(large))
            large.append(offset)
    return small, large


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
