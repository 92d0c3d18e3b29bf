"""How much of each answer is in memory while it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager

FEW = 32
"""So many answers may be sent in long pieces at a time: they are quicker so."""
LONG_PIECE_BYTES = 2 * 1024**2
SHORT_PIECE_BYTES = 128 * 1024


class Streams:
    """The answers of one process that are being sent: each has up to three pieces in memory, for as
    long as its client takes."""

    def __init__(self) -> None:
        self._open = 0

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Counts one more while the block lasts; gives the length of its pieces, in bytes."""
        self._open += 1
        try:
            yield LONG_PIECE_BYTES if self._open <= FEW else SHORT_PIECE_BYTES
        finally:
            self._open -= 1
