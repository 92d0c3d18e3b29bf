"""Cutting files into chunks by what they contain (specification: "Content-Defined Chunking").

A chunk ends where a rolling hash of the last 64 bytes has sixteen zero bits, so that the same bytes
are cut alike wherever they stand, and a change touches only the chunks around it.
"""

from graft.server.xet import _chunking
from graft.server.xet.hashes import Buffer

MIN_CHUNK_BYTES: int = _chunking.MIN_CHUNK_BYTES
MAX_CHUNK_BYTES: int = _chunking.MAX_CHUNK_BYTES


class Chunker:
    """Finds where the chunks of a file end, whose bytes come in pieces."""

    def __init__(self) -> None:
        self._chunker = _chunking.Chunker()

    def feed(self, data: Buffer) -> list[int]:
        """Where chunks end in the file's next bytes; the first of them may have begun before. The
        file's last chunk ends with the file, wherever that is."""
        return self._chunker.feed(data)


def cut(data: Buffer) -> list[int]:
    """Where the chunks of a whole file end."""
    ends = Chunker().feed(data)
    if len(data) > (ends[-1] if ends else 0):
        ends.append(len(data))
    return ends
