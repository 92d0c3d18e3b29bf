"""Bytes under names: files in a local folder, or objects of a bucket.

A name is visible only once its bytes are whole. Functions that are not `async` block.
"""

import asyncio
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from starlette.concurrency import run_in_threadpool

from graft.errors import HubError
from graft.server.errors import StorageError
from graft.server.storage.full import is_full, storage_full
from graft.server.storage.streams import Streams
from graft.server.storage.threads import done, in_thread, settled
from graft.server.xet.hashes import Buffer

INCOMING = "incoming"
"""The folder of what is being written, and has no name yet."""

_READERS = 16
"""Threads that read parts of files for answers."""
BLOCK_BYTES = 1024**2
"""How many bytes of an upload are hashed, cut or written at once: they stay in a core's cache."""

Method = Literal["GET", "PUT"]


class BlobNotFoundError(HubError):
    """There are no bytes of that name."""


@dataclass(frozen=True)
class Blob:
    """A name, how many bytes it has, and when they came."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Spool:
    """A local file that is being written, until `Blobs.keep` gives it a name."""

    path: Path
    file: BinaryIO

    def write(self, pieces: Sequence[Buffer]) -> None:
        """Appends the pieces.

        Raises:
            StorageFullError: no space left.
        """
        try:
            most = os.sysconf("SC_IOV_MAX")
            for first in range(0, len(pieces), most):
                some = pieces[first : first + most]
                written = os.writev(self.file.fileno(), some)
                if written != sum(map(len, some)):  # a disk that fills takes what still fits
                    self._write_rest(b"".join(some)[written:])
        except OSError as error:
            if is_full(error):
                raise storage_full() from error
            raise

    def _write_rest(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.file.fileno(), data) :]


NOTHING = "xorbs/none"
"""A folder that nothing is kept in."""


class Blobs(ABC):
    """Bytes under names like `xorbs/ab/cd/abcd...`."""

    def __init__(self, incoming: Path) -> None:
        """`incoming` is a local folder for what is being written."""
        self._incoming = incoming
        self.streams = Streams()
        # Of its own: where storage is slow, all else still has its threads.
        self._readers = ThreadPoolExecutor(_READERS, "graft-ranges")
        incoming.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Ends the threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """A new local file to write to; what has no name when the block ends is deleted.

        Raises:
            StorageFullError: no space left.
        """
        path = self._incoming / secrets.token_hex(16)
        try:
            file = cast("BinaryIO", path.open("x+b", buffering=0))
        except OSError as error:
            if is_full(error):
                raise storage_full() from error
            raise
        with file:
            try:
                yield Spool(path, file)
            finally:
                path.unlink(missing_ok=True)

    def sweep(self, age: timedelta) -> int:
        """Deletes files that processes which are no more left unfinished; answers their bytes."""
        freed = 0
        before = time.time() - age.total_seconds()
        with os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.is_file() and entry.stat().st_mtime < before:
                        freed += entry.stat().st_size
                        Path(entry.path).unlink()
        return freed

    @abstractmethod
    def keep(self, name: str, spool: Spool, *, replace: bool = True) -> bool:
        """Gives what was written a name, in one step; answers whether it did.

        Whatever had the name before is replaced, or stays where `replace` is false.

        Raises:
            StorageFullError: no space left.
            StorageError: the bucket does not answer.
        """

    @abstractmethod
    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` on; all that follow where it is None.

        Raises:
            BlobNotFoundError: no such name.
            StorageError: fewer bytes than asked for, or the bucket does not answer.
        """

    @abstractmethod
    def read_end(self, name: str, length: int) -> bytes:
        """The last `length` bytes, or all there are.

        Raises:
            BlobNotFoundError: no such name.
            StorageError: the bucket does not answer.
        """

    @abstractmethod
    def size_of(self, name: str) -> int | None:
        """How many bytes there are under that name, or None where there is no such name."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Forgets a name and its bytes; one that is not there is no error."""

    @abstractmethod
    def entries(self, prefix: str) -> Iterator[Blob]:
        """All whose names begin with the folder `prefix`, in no order."""

    @abstractmethod
    def address(self, name: str, method: Method, seconds: int) -> str | None:
        """An address at which anybody may do that for so long; None where there is no such way."""

    def check(self) -> None:
        """Asks for nothing, to see whether there is an answer.

        Raises:
            StorageError: the bucket does not answer, or there is none.
        """
        next(iter(self.entries(NOTHING)), None)

    async def put(self, name: str, chunks: AsyncIterator[Buffer]) -> None:
        """Keeps bytes as they come; where they end with an error, nothing is kept."""
        with self.spool() as spool:
            await fill(spool, chunks)
            await run_in_threadpool(self.keep, name, spool)

    async def size(self, name: str) -> int | None:
        """`size_of`, in a worker thread."""
        return await run_in_threadpool(self.size_of, name)

    async def list(self, prefix: str) -> list[Blob]:
        """`entries`, all of them, in a worker thread."""
        return await run_in_threadpool(lambda: [*self.entries(prefix)])

    async def delete(self, names: Sequence[str]) -> None:
        """`remove` of each, in a worker thread."""

        def remove() -> None:
            for name in names:
                self.remove(name)

        await run_in_threadpool(remove)

    async def stream(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, a piece at a time."""
        with self.streams.opened() as piece_bytes:
            while start < end:
                length = min(piece_bytes, end - start)
                yield await in_thread(self._readers, self.read, name, start, length)
                start += length


async def fill(spool: Spool, chunks: AsyncIterator[Buffer]) -> None:
    """Appends bytes as they come: some are written while the next are on their way.

    Raises:
        StorageFullError: no space left.
    """
    loop = asyncio.get_running_loop()
    under_way: list[asyncio.Future[Any]] = []
    try:
        async for block in gathered(chunks):
            await done(under_way)
            under_way = [loop.run_in_executor(None, spool.write, block)]
        await done(under_way)
    finally:
        await settled(under_way)


async def gathered(chunks: AsyncIterator[Buffer]) -> AsyncIterator[list[Buffer]]:
    """The same bytes, as many at a time as are worth a thread's while."""
    block: list[Buffer] = []
    size = 0
    async for chunk in chunks:
        block.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def too_short(name: str) -> StorageError:
    return StorageError(
        f"The Hub's storage holds fewer bytes of {name} than it should. "
        "Whoever runs the Hub can find out with `graft hub fsck`."
    )
