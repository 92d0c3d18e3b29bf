"""Request bodies too long for memory: they go to a temporary file, within a limit."""

import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from fastapi import Request

from graft.server.errors import BadRequestError
from graft.server.runtime.connections import MAX_UNREAD_BYTES
from graft.server.runtime.intake import EXTENSION, Intake
from graft.server.storage.blobs import BLOCK_BYTES
from graft.server.storage.lengths import at_most
from graft.server.xet.hashes import Buffer

PIECE_BYTES = 1024**2


@asynccontextmanager
async def spooled(request: Request, limit: int, what: str) -> AsyncIterator[IO[bytes]]:
    """`spool` for the length of a block."""
    with await spool(request, limit, what) as file:
        yield file


async def spool(request: Request, limit: int, what: str) -> IO[bytes]:
    """The request's body as a file without a name, read to its start; unpacked where it came
    gzipped. Who asks for it closes it.

    Raises:
        TooLargeError: longer than `limit` bytes.
        BadRequestError: gzip that cannot be unpacked.
    """
    gzipped = request.headers.get("content-encoding") in ("gzip", "x-gzip")
    unpacker = zlib.decompressobj(wbits=31) if gzipped else None
    file = tempfile.TemporaryFile()  # noqa: SIM115  (it outlives this function)
    try:
        chunks = request.stream() if unpacker is None else _unpacked(request.stream(), unpacker)
        async for data in at_most(chunks, limit, what):
            file.write(data)
        if unpacker is not None and not unpacker.eof:
            raise BadRequestError("The body is not valid gzip (it ends too early).")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def blocks(request: Request) -> AsyncIterator[Buffer]:
    """The request's body, a long one in blocks of `BLOCK_BYTES` that are copied nowhere."""
    chunks = request.stream()
    intake: Intake | None = None
    async for chunk in chunks:
        yield chunk
        intake = request.scope.get("extensions", {}).get(EXTENSION, _no_intake)()
        if intake is not None:
            break
    while intake is not None and intake.left:
        block = memoryview(bytearray(min(BLOCK_BYTES, intake.left)))
        filled = 0
        while filled < len(block):
            filled += await intake.receive_into(block[filled:])
        yield block


def _no_intake() -> Intake | None:
    return None


async def drain(chunks: AsyncIterator[Buffer]) -> None:
    """Reads what is left of a body that was refused, up to a limit."""
    left = MAX_UNREAD_BYTES
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            return


async def _unpacked(
    chunks: AsyncIterator[bytes], unpacker: "zlib._Decompress"
) -> AsyncIterator[bytes]:
    """What chunks hold, in pieces: a few bytes may stand for very many."""
    try:
        async for chunk in chunks:
            waiting = chunk
            while waiting:
                yield unpacker.decompress(waiting, PIECE_BYTES)
                waiting = unpacker.unconsumed_tail
    except zlib.error as error:
        raise BadRequestError(f"The body is not valid gzip ({error}).") from None
