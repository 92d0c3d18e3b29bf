"""Cutting files into chunks by what they contain (specification: "Content-Defined Chunking").

A chunk ends where a rolling hash of the last 64 bytes has sixteen zero bits, so that the same bytes
are cut alike wherever they stand, and a change touches only the chunks around it.
"""

from graft.server.xet import _chunking
from graft.server.xet.hashes import Buffer

MIN_CHUNK_BYTES: int = _chunking.MIN_CHUNK_BYTES
MAX_CHUNK_BYTES: int = _chunking.MAX_CHUNK_BYTES


def cut(data: Buffer, *, final: bool) -> list[int]:
    """Where the chunks of `data` end, which begins with a chunk.

    Without `final` more bytes follow, and those behind the last end are to be given again, in front
    of them; with it the last chunk ends where the data does.
    """
    return _chunking.cut(data, final)
