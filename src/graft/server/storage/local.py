"""Bytes under names as files of a local folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from graft.files import sync
from graft.server.storage.blobs import (
    INCOMING,
    Blob,
    BlobNotFoundError,
    Blobs,
    Method,
    Spool,
    too_short,
)
from graft.server.storage.full import is_full, storage_full


class LocalBlobs(Blobs):
    """Files below a folder. What has a name is on the disk, not only in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / INCOMING)
        self._folder = folder

    def keep(self, name: str, spool: Spool, *, replace: bool = True) -> bool:
        path = self._folder / name
        try:
            os.fsync(spool.file.fileno())
            _make_folders(path.parent)
            if replace:
                spool.path.replace(path)
            else:
                path.hardlink_to(spool.path)
            sync(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            if is_full(error):
                raise storage_full() from error
            raise
        return True

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with self._open(name) as handle:
            if length is None:
                length = max(0, os.fstat(handle).st_size - start)
            return _read(handle, name, start, length)

    def read_end(self, name: str, length: int) -> bytes:
        with self._open(name) as handle:
            size = os.fstat(handle).st_size
            return _read(handle, name, max(0, size - length), min(size, length))

    def size_of(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def entries(self, prefix: str) -> Iterator[Blob]:
        for folder, _, names in os.walk(self._folder / prefix):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # deleted just now
                    found = path.stat()
                    modified = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield Blob(str(path.relative_to(self._folder)), found.st_size, modified)

    def address(self, name: str, method: Method, seconds: int) -> str | None:
        return None

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        try:
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobNotFoundError(f"The storage has no {name}.") from None
        try:
            yield handle
        finally:
            os.close(handle)


def _read(handle: int, name: str, start: int, length: int) -> bytes:
    pieces = []
    while length > 0:
        piece = os.pread(handle, length, start)  # at most 2 GB at once
        if not piece:
            raise too_short(name)
        pieces.append(piece)
        start += len(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _make_folders(folder: Path) -> None:
    """Creates a folder, so that it is still there after the machine stops at any moment."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
