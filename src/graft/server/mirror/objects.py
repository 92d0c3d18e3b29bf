"""Large files of mirrored repositories: streamed through to who asks, and stored on the way."""

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
from starlette.concurrency import run_in_threadpool

from graft.server.mirror.upstream import Upstream, UpstreamError
from graft.server.records import Lfs

PIECE_BYTES = 1024**2
AT_ONCE = 8

logger = logging.getLogger("graft.server")

Store = Callable[[AsyncIterator[bytes]], Awaitable[None]]
"""Takes in all bytes of a file, checks them, and makes the file the repository's."""


class Download:
    """One file on its way: written to a temporary file, from which any number of askers read.

    The last byte is held back until all of them are checked and stored, so that nobody takes a
    damaged file for a whole one.
    """

    def __init__(self, lfs: Lfs, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lfs = lfs
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by who reads last)
        self._written = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()
        self._users = 1

    async def pieces(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """What comes, written down on the way."""
        async for piece in answer.aiter_bytes(PIECE_BYTES):
            await run_in_threadpool(self._write, piece)
            async with self._changed:
                self._written += len(piece)
                self._changed.notify_all()
            yield piece

    async def end(self, error: BaseException | None) -> None:
        """Tells who reads that no more comes."""
        async with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()
        self._leave()

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, as they come.

        Raises:
            UpstreamError: they do not come, or are not what they should be.
        """
        self._users += 1
        try:
            position = start
            while position < end:
                ready = await self._ready(position, end)
                length = min(PIECE_BYTES, ready - position)
                piece = await run_in_threadpool(os.pread, self._file.fileno(), length, position)
                position += len(piece)
                yield piece
        finally:
            self._leave()

    async def _ready(self, position: int, end: int) -> int:
        """Up to where can be read: further than `position`."""
        async with self._changed:
            while True:
                if self._error is not None:
                    raise UpstreamError(f"The file broke off on its way: {self._error}")
                ready = self._written if self._ended else min(self._written, self.lfs.size - 1)
                if ready > position:
                    return min(ready, end)
                if self._ended:
                    raise UpstreamError("The file is shorter than it should be.")
                await self._changed.wait()

    def _write(self, piece: bytes) -> None:
        os.pwrite(self._file.fileno(), piece, self._written)

    def _leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._file.close()


class Downloads:
    """The files on their way: each comes once, however many ask for it at a time."""

    def __init__(self, upstream: Upstream, folder: Path) -> None:
        self._upstream = upstream
        self._folder = folder
        self._running: dict[str, asyncio.Task[Download]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def begin(
        self, lfs: Lfs, address: Callable[[], tuple[str, dict[str, str]]], store: Store
    ) -> Download:
        """The download of a file, once its first bytes may come.

        Raises:
            UpstreamError: the other hub does not give it.
        """
        task = self._running.get(lfs.sha256)
        if task is None:
            task = asyncio.create_task(self._start(lfs, address, store))
            self._running[lfs.sha256] = task
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Breaks off what is under way; nothing of it is kept."""
        tasks = [*self._tasks, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._upstream.aclose()

    async def _start(
        self, lfs: Lfs, address: Callable[[], tuple[str, dict[str, str]]], store: Store
    ) -> Download:
        try:
            await self._places.acquire()
            try:
                context, answer = await self._open(address)
                download = Download(lfs, self._folder)
            except BaseException:
                self._places.release()
                raise
        except BaseException:
            del self._running[lfs.sha256]
            raise
        task = asyncio.create_task(self._run(download, context, answer, store))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return download

    async def _open(
        self, address: Callable[[], tuple[str, dict[str, str]]]
    ) -> tuple[Any, httpx.Response]:
        place, headers = await run_in_threadpool(address)
        context = self._upstream.get(place, headers)
        try:
            answer: httpx.Response = await context.__aenter__()
        except httpx.HTTPError as error:
            raise UpstreamError(
                f"{self._upstream.url} does not answer ({type(error).__name__})."
            ) from error
        if answer.status_code != 200:
            await context.__aexit__(None, None, None)
            raise UpstreamError(
                f"{self._upstream.url} answered with status {answer.status_code} instead of a file."
            )
        return context, answer

    async def _run(
        self, download: Download, context: Any, answer: httpx.Response, store: Store
    ) -> None:
        failure: BaseException | None = None
        try:
            await store(download.pieces(answer))
        except BaseException as error:
            failure = error
            logger.warning("The file %s did not arrive: %s", download.lfs.sha256, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._running.pop(download.lfs.sha256, None)
            self._places.release()
            await context.__aexit__(None, None, None)
            await download.end(failure)
