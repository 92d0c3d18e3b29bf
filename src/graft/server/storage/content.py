"""The content store: large files, whichever way they came, as runs of chunks that are kept once.

Chunks lie in xorbs, and xorbs in storage under their hashes. A file is known by the SHA-256 of its
bytes and by the hash that Xet gives it, and goes out as plain bytes or by its xorbs. What the
database does not know is not there: its commit comes last.
"""

import asyncio
import hashlib
import mmap
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session, undefer

from graft.server.db.database import Database, insert_into
from graft.server.db.tables import ObjectRow, ObjectXorbRow, SharedChunkRow
from graft.server.errors import BadContentError, ConflictError, EntryNotFoundError, StorageError
from graft.server.storage import reading, reconstruction
from graft.server.storage.blobs import BlobNotFoundError, Spool, gathered
from graft.server.storage.cutting import Cut, Cutter
from graft.server.storage.layout import Layout, Term, decode
from graft.server.storage.lengths import exactly
from graft.server.storage.open import open_blobs
from graft.server.storage.recent import Recent
from graft.server.storage.reconstruction import Extent
from graft.server.storage.streams import LONG_PIECE_BYTES
from graft.server.storage.threads import done, in_thread, settled
from graft.server.storage.xorbs import Xorbs
from graft.server.xet.hashes import Buffer, to_text
from graft.server.xet.xorb import XorbError, scan

Result = TypeVar("Result")

WHOLE = "sha256"
"""The folder of objects that are one file, as all were before there were xorbs."""

REMEMBERED_TERMS = 100_000

_WORKERS = 32
_WRITERS = 4
_CHECKERS = 8

# How many files that have a chunk in common with a new one are looked into for more.
_ALIKE = 3
_XORBS_OF_ONE_FILE = 64


@dataclass(frozen=True)
class Received:
    """A file that storage holds, and which `ContentStore.publish` makes an object."""

    sha256: str
    size: int
    xet_hash: str
    terms: tuple[Term, ...]
    first_chunk: bytes | None


@dataclass(frozen=True)
class Whole:
    """An object that lies in storage as one file, as all did before there were xorbs."""

    size: int


class ContentStore:
    """All large objects of a Hub."""

    def __init__(self, url: str, folder: Path, database: Database) -> None:
        """`url` is an obstore address (`s3://bucket/prefix`); empty: local files in `folder`.

        Raises:
            HubError: an address that obstore does not understand.
        """
        self.blobs = open_blobs(url, folder)
        self.xorbs = Xorbs(self.blobs, database)
        self._database = database
        self._layouts: Recent[str, Layout | Whole] = Recent(REMEMBERED_TERMS, _weight)
        # Of its own, so that no upload waits for the threads that other requests have. Most of them
        # wait for a disk or a bucket at any time.
        self._workers = ThreadPoolExecutor(_WORKERS, "graft-content")
        self._writers = ThreadPoolExecutor(_WRITERS, "graft-xorbs")
        self._checkers = ThreadPoolExecutor(_CHECKERS, "graft-checks")

    def close(self) -> None:
        """Ends the threads."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._checkers.shutdown(wait=False, cancel_futures=True)
        self.blobs.close()

    async def in_thread(self, work: Callable[..., Result], *given: Any) -> Result:
        """What `work` answers, done in one of the threads that check what was sent: it may take as
        long as reading files does, and no other request waits for it. Ends only when `work` has."""
        return await in_thread(self._checkers, work, *given)

    async def receive(self, chunks: AsyncIterator[Buffer], sha256: str, size: int) -> Received:
        """Takes in a file's bytes and checks them; nobody sees it before it is published.

        Raises:
            BadContentError: another size or hash than announced.
            StorageFullError, StorageError: it cannot be kept.
        """
        loop = asyncio.get_running_loop()
        cutter = Cutter(self.blobs, self.xorbs, self._alike, self._writers)
        try:
            cut = await self._cut(loop, cutter, exactly(chunks, size, f"object {sha256}"), sha256)
        finally:
            await settled([loop.run_in_executor(self._workers, cutter.close)])
        return Received(sha256, size, cut.xet_hash, tuple(cut.terms), cut.first_chunk)

    async def _cut(
        self,
        loop: asyncio.AbstractEventLoop,
        cutter: Cutter,
        chunks: AsyncIterator[Buffer],
        sha256: str,
    ) -> Cut:
        digest = hashlib.sha256()
        under_way: list[asyncio.Future[Any]] = []
        try:
            async for block in gathered(chunks):
                await done(under_way)
                # Both let go of the interpreter: two cores work, and the next block comes.
                under_way = [
                    loop.run_in_executor(self._workers, _hash, digest, block),
                    loop.run_in_executor(self._workers, cutter.feed, block),
                ]
            await done(under_way)
            _check_hash(digest.hexdigest(), sha256)
            finishing = loop.run_in_executor(self._workers, cutter.finish)
            under_way = [finishing]
            await done(under_way)
            return finishing.result()
        finally:
            await settled(under_way)

    def publish(self, session: Session, received: Received) -> None:
        """Makes what was received an object, when the transaction commits.

        Raises:
            ConflictError: some of it was deleted meanwhile: it has to be sent again.
        """
        self._database.lock(session, f"object:{received.sha256}")
        layout = Layout(received.terms)
        names = layout.xorbs
        if len(self.xorbs.held(session, names)) != len(names):
            raise ConflictError(
                "Parts of the upload were deleted before it was complete; send the file again."
            )
        self.xorbs.touch(session, names)
        row = session.get(ObjectRow, received.sha256)
        if row is not None and row.xet_hash is not None:
            return
        if row is None:
            now = datetime.now(UTC)
            row = ObjectRow(sha256=received.sha256, size=received.size, created_at=now)
            session.add(row)
        else:  # it was one file, for which there is no more use: deleted when nobody waits for us
            event.listen(session, "after_commit", lambda _: self.delete(received.sha256), once=True)
        row.xet_hash = received.xet_hash
        row.terms = layout.encode()
        session.flush()
        if names:
            rows = [{"sha256": received.sha256, "xorb": name} for name in names]
            session.execute(insert(ObjectXorbRow), rows)
        self._share(session, received)

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes of an object from `start` on; all that follow where it is None.

        Raises:
            EntryNotFoundError: no such object.
            StorageError: storage does not answer, or is damaged.
        """
        layout = self.layout(sha256)
        end = layout.size if length is None else min(start + length, layout.size)
        return b"".join(self._pieces(sha256, start, end))

    async def stream(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """An object's bytes from `start` up to, not including, `end`, in pieces.

        Raises:
            EntryNotFoundError: no such object.
            StorageError: storage does not answer, or is damaged.
        """
        loop = asyncio.get_running_loop()
        with self.blobs.streams.opened() as piece_bytes:
            pieces = self._pieces(sha256, start, end, piece_bytes)

            def ahead() -> asyncio.Future[bytes | None]:
                return loop.run_in_executor(self._workers, next, pieces, None)

            coming = ahead()
            try:
                while (piece := await asyncio.shield(coming)) is not None:
                    coming = ahead()  # is read while the one before goes out
                    yield piece
            finally:
                await settled([coming])

    def chunks_of(self, layout: Layout) -> Iterator[memoryview]:
        """The bytes that a layout makes, which need not be an object yet; the next chunks are read
        while those before are used.

        Raises:
            BlobNotFoundError, StorageError.
        """
        plan = reading.plan(self.xorbs, layout, 0, layout.size)
        pieces = (reading.read_parts(self.xorbs, piece) for piece in plan)
        coming = self._workers.submit(next, pieces, None)
        while (chunks := coming.result()) is not None:
            coming = self._workers.submit(next, pieces, None)
            yield from chunks

    def store_xorb(self, spool: Spool, name: str) -> bool:
        """Keeps a xorb that somebody sent; answers whether it is new.

        Args:
            spool: what was sent.
            name: the hash that it must have.

        Raises:
            XorbError: not a sound xorb, or another one; nothing is kept.
            StorageFullError, StorageError: it cannot be kept.
        """
        size = os.fstat(spool.file.fileno()).st_size
        if not size:
            raise XorbError("The xorb is empty.")
        # Given back when nobody looks at it any more: errors, on their way up, still do.
        index = scan(memoryview(mmap.mmap(spool.file.fileno(), size, access=mmap.ACCESS_READ)))
        root = index.root()
        if to_text(root) != name:
            raise XorbError(f"The xorb's hash is {to_text(root)}, not {name}.")
        return self.xorbs.store(spool, root, index)

    def layout(self, sha256: str) -> Layout | Whole:
        """What an object is made of.

        Raises:
            EntryNotFoundError: no such object.
        """
        found = self._layouts.get(sha256)
        if found is None:
            found = self._load(sha256)
            self._layouts.keep(sha256, found)
        return found

    def reconstruct(
        self, sha256: str, start: int, end: int, address: Callable[[Extent], str]
    ) -> dict[str, Any]:
        """How a client puts the bytes from `start` up to `end` together itself.

        Args:
            address: where the frames of an extent can be fetched.

        Raises:
            EntryNotFoundError: no such object, or one that lies in storage as one file.
            StorageError: storage does not answer, or is damaged.
        """
        for _ in range(2):
            layout = self.layout(sha256)
            if isinstance(layout, Whole):
                raise EntryNotFoundError(f"The object {sha256} was never cut into chunks.")
            try:
                return reconstruction.reconstruct(self.xorbs, layout, start, end, address)
            except BlobNotFoundError as error:
                missing = error
                self._layouts.forget(sha256)
        raise _lost(sha256, missing) from missing

    def delete(self, sha256: str) -> None:
        """Forgets an object whose row is gone; the xorbs it was made of go when nobody uses them
        (`xorbs.delete_unused`)."""
        self._layouts.forget(sha256)
        self.blobs.remove(whole_key(sha256))

    def _pieces(
        self, sha256: str, start: int, end: int, piece_bytes: int = LONG_PIECE_BYTES
    ) -> Iterator[bytes]:
        done = start
        for _ in range(2):
            try:
                for piece in self._read(sha256, (done, end), piece_bytes):
                    done += len(piece)
                    yield piece
            except BlobNotFoundError as error:
                missing = error
                self._layouts.forget(sha256)  # it may be of before a deletion and another upload
                continue
            return
        raise _lost(sha256, missing) from missing

    def _read(self, sha256: str, part: tuple[int, int], piece_bytes: int) -> Iterator[bytes]:
        layout, (start, end) = self.layout(sha256), part
        if isinstance(layout, Layout):
            for piece in reading.plan(self.xorbs, layout, start, end, piece_bytes):
                yield reading.read(self.xorbs, piece)
            return
        while start < end:
            length = min(piece_bytes, end - start)
            yield self.blobs.read(whole_key(sha256), start, length)
            start += length

    def _load(self, sha256: str) -> Layout | Whole:
        with self._database.reading() as session:
            row = session.get(ObjectRow, sha256, options=[undefer(ObjectRow.terms)])
            if row is None:
                raise EntryNotFoundError(f"This Hub holds no object {sha256}.")
            return Whole(row.size) if row.terms is None else decode(row.terms)

    def _alike(self, chunk: bytes) -> Iterator[str]:
        """The xorbs of files that share a chunk."""
        with self._database.reading() as session:
            statement = select(SharedChunkRow.xorb).where(SharedChunkRow.chunk == chunk)
            names = list(session.scalars(statement.limit(_ALIKE)))
            objects = select(ObjectXorbRow.sha256).where(ObjectXorbRow.xorb.in_(names))
            others = select(ObjectXorbRow.xorb).where(
                ObjectXorbRow.sha256.in_(objects.limit(_ALIKE).scalar_subquery())
            )
            names += session.scalars(others.limit(_XORBS_OF_ONE_FILE)) if names else []
        known = dict.fromkeys(names)
        yield from known

    def _share(self, session: Session, received: Received) -> None:
        """Lets who has a file that begins alike find this one."""
        if received.first_chunk is None:
            return
        # Another file that begins alike may come at the same moment.
        row = {"chunk": received.first_chunk, "xorb": received.terms[0].xorb}
        session.execute(insert_into(session, SharedChunkRow).values(row).on_conflict_do_nothing())


def whole_key(sha256: str) -> str:
    """Where an object lies that is one file."""
    return f"{WHOLE}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _lost(sha256: str, missing: Exception) -> StorageError:
    return StorageError(
        f"The Hub's storage has lost parts of the object {sha256} ({missing}). Whoever runs the "
        "Hub can find out with `graft hub fsck` which files that concerns."
    )


def _weight(layout: Layout | Whole) -> int:
    return 1 + (len(layout.terms) if isinstance(layout, Layout) else 0)


def _hash(digest: "hashlib._Hash", block: list[Buffer]) -> None:
    for chunk in block:
        digest.update(chunk)


def _check_hash(found: str, announced: str) -> None:
    if found != announced:
        raise BadContentError(
            f"The uploaded bytes have the SHA-256 {found}, but {announced} was announced. "
            "Nothing was stored; send the file again."
        )
