"""Cutting a file that comes in into chunks, and keeping those that storage does not have yet."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field

from graft.server.storage.blobs import BlobNotFoundError, Blobs, Spool
from graft.server.storage.layout import Term, join
from graft.server.storage.xorbs import Xorbs
from graft.server.xet.chunking import Chunker
from graft.server.xet.hashes import Buffer, Tree, chunk_hash, file_hash, is_shared, to_text
from graft.server.xet.xorb import (
    FULL_XORB_BYTES,
    FULL_XORB_CHUNKS,
    HEADER_BYTES,
    RAW,
    XorbIndex,
    header,
)

# A file's chunks are compared with so many of its own and of others at most: 40 MB of memory.
MOST_KNOWN_CHUNKS = 200_000

# So many finished xorbs are on their way to storage before a file waits for the first of them: a
# disk takes several in the time of one.
_XORBS_UNDER_WAY = 3

Lookup = Callable[[bytes], Iterator[str]]
"""Names of xorbs among whose chunks the ones that follow a chunk of that hash are likely to be."""


@dataclass
class _OpenXorb:
    """A xorb that is being written; it has a name once it is finished."""

    spool: Spool
    number: int
    hashes: list[bytes] = field(default_factory=list)
    packed_ends: list[int] = field(default_factory=list)
    unpacked_ends: list[int] = field(default_factory=list)
    packed: int = 0
    unpacked: int = 0

    def takes(self, size: int) -> bool:
        room = self.packed + HEADER_BYTES + size <= FULL_XORB_BYTES
        return room and len(self.hashes) < FULL_XORB_CHUNKS

    def add(self, value: bytes, size: int) -> None:
        self.packed += HEADER_BYTES + size
        self.unpacked += size
        self.hashes.append(value)
        self.packed_ends.append(self.packed)
        self.unpacked_ends.append(self.unpacked)

    def index(self) -> XorbIndex:
        return XorbIndex(b"".join(self.hashes), self.packed_ends, self.unpacked_ends)


@dataclass(slots=True)
class _Run:
    """Chunks that follow each other in the file and in a xorb; one that has no name yet goes by
    its number."""

    xorb: str | int
    first: int
    end: int
    size: int


@dataclass(frozen=True)
class Cut:
    """A file as it was cut: its Xet hash, its terms, the hash of the chunk it begins with."""

    xet_hash: str
    terms: list[Term]
    first_chunk: bytes | None


class Cutter:
    """Takes a file's bytes, in order; one thread at a time. To be closed in the end, however."""

    def __init__(self, blobs: Blobs, xorbs: Xorbs, lookup: Lookup, executor: Executor) -> None:
        """`executor` is where finished xorbs are written to storage while more bytes come."""
        self._blobs = blobs
        self._xorbs = xorbs
        self._lookup = lookup
        self._executor = executor
        self._chunker = Chunker()
        self._rest: list[memoryview] = []  # of the chunk that has not ended
        self._tree = Tree()
        self._first_chunk: bytes | None = None
        # A chunk's place: a xorb's name, or the number of one that has none yet; and the chunk's.
        self._known: dict[bytes, tuple[str | int, int]] = {}
        self._looked_into: set[str] = set()
        self._runs: list[_Run] = []
        self._open: _OpenXorb | None = None
        self._closing = ExitStack()
        self._names: list[Future[str]] = []

    def close(self) -> None:
        """Lets go of what was not finished; blocks until what is being written is."""
        for name in self._names:
            if not name.cancel():
                name.exception()  # waits: the file that is being read must not go
        self._closing.close()

    def feed(self, pieces: list[Buffer]) -> None:
        """The file's next bytes, in pieces.

        Raises:
            StorageFullError, StorageError.
        """
        view = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        start = 0
        frames: list[Buffer] = []
        for end in self._chunker.feed(view):
            self._chunk([*self._rest, view[start:end]], frames)
            self._rest.clear()
            start = end
        self._write(frames)
        if start < len(view):
            self._rest.append(view[start:])

    def finish(self) -> Cut:
        """Ends the file; when this returns, storage holds all its chunks.

        Raises:
            StorageFullError, StorageError.
        """
        if self._rest:
            frames: list[Buffer] = []
            self._chunk(self._rest, frames)
            self._write(frames)
        self._close()
        names = [name.result() for name in self._names]
        terms = [
            Term(
                names[run.xorb] if isinstance(run.xorb, int) else run.xorb,
                run.first,
                run.end,
                run.size,
            )
            for run in self._runs
        ]
        return Cut(to_text(file_hash(self._tree.root())), join(terms), self._first_chunk)

    def _chunk(self, parts: list[memoryview], frames: list[Buffer]) -> None:
        value, size = chunk_hash(*parts), sum(map(len, parts))
        self._tree.add(value, size)
        place = self._known.get(value)
        if place is None and (self._first_chunk is None or is_shared(value)):
            self._look_up(value)
            place = self._known.get(value)
        if self._first_chunk is None:
            self._first_chunk = value
        if place is None:
            if self._open is None or not self._open.takes(size):
                self._write(frames)
                frames.clear()
                self._close()
                self._open = self._start()
            place = (self._open.number, len(self._open.hashes))
            frames += (header(size, RAW, size), *parts)
            self._open.add(value, size)
            if len(self._known) < MOST_KNOWN_CHUNKS:
                self._known[value] = place
        self._place(*place, size)

    def _place(self, xorb: str | int, number: int, size: int) -> None:
        """Notes where the file's next chunk lies."""
        last = self._runs[-1] if self._runs else None
        if last is not None and last.xorb == xorb and last.end == number:
            last.end += 1
            last.size += size
        else:
            self._runs.append(_Run(xorb, number, number + 1, size))

    def _look_up(self, value: bytes) -> None:
        for name in self._lookup(value):
            if len(self._known) > MOST_KNOWN_CHUNKS:
                return
            if name in self._looked_into:
                continue
            self._looked_into.add(name)
            try:
                index = self._xorbs.index(name)
            except BlobNotFoundError:  # deleted just now
                continue
            for number in range(len(index)):
                self._known.setdefault(index.hash_of(number), (name, number))

    def _start(self) -> _OpenXorb:
        return _OpenXorb(self._closing.enter_context(self._blobs.spool()), len(self._names))

    def _write(self, frames: list[Buffer]) -> None:
        if frames and self._open is not None:
            self._open.spool.write(frames)

    def _close(self) -> None:
        """Has the open xorb written to storage, once few others are under way."""
        finished, self._open = self._open, None
        if finished is None:
            return
        if len(self._names) >= _XORBS_UNDER_WAY:
            self._names[-_XORBS_UNDER_WAY].result()
        self._names.append(self._executor.submit(self._store, finished))

    def _store(self, finished: _OpenXorb) -> str:
        index = finished.index()
        value = index.root()
        self._xorbs.store(finished.spool, value, index)
        finished.spool.path.unlink(missing_ok=True)
        finished.spool.file.close()
        return to_text(value)
