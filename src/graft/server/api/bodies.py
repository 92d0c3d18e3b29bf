"""Request bodies too long for memory: they go to a temporary file, within a limit."""

import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from fastapi import Request

from graft.server.errors import BadRequestError, TooLargeError

# What is left of a refused upload is read up to here, so that the client gets to see the answer.
MAX_DRAINED_BYTES = 64 * 1024**2


@asynccontextmanager
async def spooled(request: Request, limit: int, what: str) -> AsyncIterator[IO[bytes]]:
    """The request's body as a file, read to its start; unpacked where it came gzipped.

    Raises:
        TooLargeError: longer than `limit` bytes.
        BadRequestError: gzip that cannot be unpacked.
    """
    gzipped = request.headers.get("content-encoding") in ("gzip", "x-gzip")
    unpacker = zlib.decompressobj(wbits=31) if gzipped else None
    with tempfile.TemporaryFile() as file:
        length = 0
        async for chunk in request.stream():
            data = _unpack(unpacker, chunk, limit - length + 1) if unpacker else chunk
            length += len(data)
            if length > limit:
                raise TooLargeError(f"The {what} is longer than the {limit} bytes allowed.")
            file.write(data)
        file.seek(0)
        yield file


async def drain(chunks: AsyncIterator[bytes]) -> None:
    """Reads what is left of a body that was refused, up to a limit."""
    left = MAX_DRAINED_BYTES
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            return


def _unpack(unpacker: "zlib._Decompress", chunk: bytes, limit: int) -> bytes:
    try:
        return unpacker.decompress(chunk, limit)
    except zlib.error as error:
        raise BadRequestError(f"The body is not valid gzip ({error}).") from None
