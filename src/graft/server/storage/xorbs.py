"""The xorbs that storage holds: giving them their names, and reading what they are made of."""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from graft.server.db.database import Database
from graft.server.db.tables import ObjectXorbRow, SharedChunkRow, XorbRow
from graft.server.errors import StorageError
from graft.server.storage.blobs import Blob, BlobNotFoundError, Blobs, Spool
from graft.server.storage.recent import Recent
from graft.server.xet.hashes import is_shared, to_text
from graft.server.xet.xorb import XorbError, XorbIndex, footer_bytes, read_footer

PREFIX = "xorbs"

# The ends of chunks, for a few hundred xorbs of a thousand chunks each: about 15 MB.
REMEMBERED_CHUNKS = 400_000

# What a footer of a thousand chunks fits into: one read is enough for most.
_END_BYTES = 64 * 1024

# A store and the deletion of the same xorb may meet so often before we give up.
_ATTEMPTS = 10

# Rows that one statement names: SQLite takes no more than so many values.
BATCH = 400


class Xorbs:
    """All xorbs, which stay as they are for as long as something is made of them."""

    def __init__(self, blobs: Blobs, database: Database) -> None:
        self._blobs = blobs
        self._database = database
        self._indexes: Recent[str, XorbIndex] = Recent(REMEMBERED_CHUNKS, len)

    def index(self, name: str) -> XorbIndex:
        """What a xorb holds.

        Raises:
            BlobNotFoundError: storage has no such xorb.
            StorageError: storage does not answer, or its xorb is damaged.
        """
        found = self._indexes.get(name)
        if found is None:
            found = self._read_index(name)
            self._indexes.keep(name, found)
        return found

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a xorb's frames.

        Raises:
            BlobNotFoundError, StorageError.
        """
        return self._blobs.read(key_of(name), start, length)

    def store(self, spool: Spool, value: bytes, index: XorbIndex) -> bool:
        """Keeps a xorb whose frames, checked, were written to `spool`; answers whether it is new.

        Raises:
            StorageFullError, StorageError: it is not kept.
        """
        name = to_text(value)
        for _ in range(_ATTEMPTS):
            if not self._is_there(name):
                spool.file.truncate(index.packed_bytes)
                spool.file.seek(index.packed_bytes)
                spool.write([index.footer(value)])
                # Never in the place of another: it may be packed otherwise, and be read just now.
                self._blobs.keep(key_of(name), spool, replace=False)
            try:
                stored = self._register(name, self.index(name))
            except BlobNotFoundError:
                stored = None
            if stored is not None:
                return stored
            self._indexes.forget(name)
        raise StorageError(f"The xorb {name} is being deleted over and over; send it again.")

    def held(self, session: Session, names: Iterable[str]) -> set[str]:
        """Those of the xorbs that storage holds, and will hold to the end of the transaction."""
        found: set[str] = set()
        for some in batches(sorted(names)):  # all take them in one order, or would wait in a circle
            query = select(XorbRow.hash).where(XorbRow.hash.in_(some)).order_by(XorbRow.hash)
            found.update(session.scalars(query.with_for_update(read=True, key_share=True)))
        return found

    def touch(self, session: Session, names: Iterable[str]) -> None:
        """Notes that somebody was told about the xorbs, or referred to them."""
        now = datetime.now(UTC)
        for some in batches(names):
            old = XorbRow.last_used_at < now - timedelta(hours=1)
            statement = update(XorbRow).where(XorbRow.hash.in_(some), old)
            session.execute(statement.values(last_used_at=now))

    def delete_unused(self, before: datetime, limit: int = 1000) -> tuple[int, int]:
        """Deletes up to `limit` xorbs of which no object is made, and which nobody sent, referred
        to or was told about since `before`; answers how many, and their bytes.

        Safe while others upload: whoever refers to a xorb either comes first and keeps it, or finds
        that it is gone.
        """
        unused = ~exists().where(ObjectXorbRow.xorb == XorbRow.hash)
        condition = (unused, XorbRow.last_used_at < before)
        with self._database.reading() as session:
            names = list(session.scalars(select(XorbRow.hash).where(*condition).limit(limit)))
        count = freed = 0
        for name in names:
            with self._database.writing() as session:
                self._database.lock(session, f"xorb:{name}")
                # Who is making an object of it holds the row: only then is it known whether one is.
                session.execute(select(XorbRow.hash).where(XorbRow.hash == name).with_for_update())
                gone = session.execute(
                    delete(XorbRow)
                    .where(XorbRow.hash == name, *condition)
                    .returning(XorbRow.packed_bytes, XorbRow.chunks)
                ).one_or_none()
            if gone is not None:
                count += 1
                freed += gone.packed_bytes + footer_bytes(gone.chunks)
                self.delete_stray(name)
        return count, freed

    def delete_stray(self, name: str) -> None:
        """Deletes a xorb's bytes, unless the database knows it."""
        with self._database.held(_bytes_of(name)):
            with self._database.reading() as session:
                is_known = session.get(XorbRow, name) is not None
            if not is_known:
                self._blobs.remove(key_of(name))
                self._indexes.forget(name)

    def stored(self) -> Iterable[Blob]:
        """All that lies where xorbs lie, known to the database or not."""
        return self._blobs.entries(PREFIX)

    def _is_there(self, name: str) -> bool:
        try:
            self.index(name)
        except BlobNotFoundError:
            return False
        return self._blobs.size_of(key_of(name)) is not None

    def _register(self, name: str, index: XorbIndex) -> bool | None:
        """Writes the row; None where the bytes were deleted just before."""
        with self._database.held(_bytes_of(name)):
            if self._blobs.size_of(key_of(name)) is None:
                return None
            return self._write_row(name, index)

    def _write_row(self, name: str, index: XorbIndex) -> bool:
        """Writes the row, unless there is one; answers whether there was none."""
        now = datetime.now(UTC)
        with self._database.writing() as session:
            self._database.lock(session, f"xorb:{name}")
            row = session.get(XorbRow, name)
            if row is not None:
                row.last_used_at = now
                return False
            session.add(
                XorbRow(
                    hash=name,
                    chunks=len(index),
                    packed_bytes=index.packed_bytes,
                    unpacked_bytes=index.unpacked_bytes,
                    created_at=now,
                    last_used_at=now,
                )
            )
            session.flush()
            shared = {value for value, _ in index.chunks(0, len(index)) if is_shared(value)}
            if shared:
                rows = [{"chunk": value, "xorb": name} for value in shared]
                session.execute(insert(SharedChunkRow), rows)
            return True

    def _read_index(self, name: str) -> XorbIndex:
        try:
            end = self._blobs.read_end(key_of(name), _END_BYTES)
            if len(end) < 4:
                raise XorbError("The xorb has no footer.")
            length = 4 + int(struct.unpack_from("<I", end, len(end) - 4)[0])
            if length > len(end):
                end = self._blobs.read_end(key_of(name), length)
            value, index = read_footer(end[-length:])
        except XorbError as error:
            raise damaged(name, error) from error
        if to_text(value) != name:
            raise damaged(name, f"it says that it is {to_text(value)}")
        return index


def _bytes_of(name: str) -> str:
    """The lock that who deletes a xorb's bytes holds, and who counts on them."""
    return f"bytes of xorb {name}"


def key_of(name: str) -> str:
    """Where in storage a xorb lies."""
    return f"{PREFIX}/{name[:2]}/{name[2:4]}/{name}"


def batches(names: Iterable[str]) -> Iterable[list[str]]:
    """The names, as many at a time as one statement takes."""
    left = list(names)
    for first in range(0, len(left), BATCH):
        yield left[first : first + BATCH]


def damaged(name: str, why: object) -> StorageError:
    """The error that a stored xorb is not what it was."""
    return StorageError(
        f"The Hub's storage is damaged: the xorb {name} cannot be read ({why}). Whoever runs the "
        "Hub can find out with `graft hub fsck` which files that concerns."
    )
