"""What accounts may know about the xorbs in storage: those of a file, those around a chunk."""

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server.content.registering import usable_xorbs
from graft.server.db.tables import (
    ObjectRow,
    ObjectXorbRow,
    RepositoryObjectRow,
    RepositoryRow,
    SharedChunkRow,
    XorbUploadRow,
)
from graft.server.errors import EntryNotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import User
from graft.server.storage.blobs import BlobNotFoundError
from graft.server.xet import shard
from graft.server.xet.hashes import from_text
from graft.server.xet.xorb import XorbIndex

TOLD_SECONDS = 3600
"""How long clients remember xorbs that they were told about: they refer to them without asking
again, and cannot go on where the repository of these was deleted or closed to them meanwhile."""

# Of the xorbs that have a chunk, so many are looked at; of the file it is in, so many are told.
_CANDIDATES = 32
_MOST_XORBS = 64


def find_file(hub: Hub, repository_id: int, xet_hash: str) -> tuple[str, int]:
    """(SHA-256, size) of a file of the repository.

    Raises:
        EntryNotFoundError: the repository has no such file.
    """
    with hub.database.reading() as session:
        found = session.execute(
            select(ObjectRow.sha256, ObjectRow.size)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .where(
                ObjectRow.xet_hash == xet_hash, RepositoryObjectRow.repository_id == repository_id
            )
        ).first()
    if found is None:
        raise EntryNotFoundError(f"The repository has no file with the Xet hash {xet_hash}.")
    return found.sha256, found.size


def note_upload(hub: Hub, user: User | None, xorb: str) -> None:
    """Remembers that the user sent a xorb, and so has what is in it."""
    if user is None:
        return
    with hub.database.writing() as session:
        hub.database.lock(session, f"xorb:{xorb}")
        if session.get(XorbUploadRow, (xorb, user.account.id)) is None:
            session.add(XorbUploadRow(xorb=xorb, account_id=user.account.id))


def shard_around(hub: Hub, user: User | None, chunk: bytes) -> bytes | None:
    """A shard of the xorbs of a file in which the chunk lies, if the user may use them.

    The hashes of chunks in it are under a key: only who has a chunk can find it there.
    """
    with hub.database.reading() as session:
        names = _xorbs_around(session, user, chunk)
    if not names:
        return None
    found: list[tuple[bytes, XorbIndex]] = []
    for name in names:
        try:
            found.append((from_text(name), hub.content.xorbs.index(name)))
        except BlobNotFoundError:  # deleted just now
            continue
    with hub.database.writing() as session:
        hub.content.xorbs.touch(session, names)
    now = int(time.time())
    key = hub.signer.key_for("shared chunks")
    return shard.write(found, key, now, now + TOLD_SECONDS)


def _xorbs_around(session: Session, user: User | None, chunk: bytes) -> list[str]:
    having = select(SharedChunkRow.xorb).where(SharedChunkRow.chunk == chunk).limit(_CANDIDATES)
    candidates = list(session.scalars(having))
    usable = usable_xorbs(session, user, candidates)
    first = next((name for name in candidates if name in usable), None)
    if first is None:
        return []
    sha256 = session.scalar(
        select(ObjectXorbRow.sha256)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectXorbRow.sha256)
        .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
        .where(ObjectXorbRow.xorb == first, access.files_readable_by(user))
        .limit(1)
    )
    others = select(ObjectXorbRow.xorb).where(ObjectXorbRow.sha256 == sha256).limit(_MOST_XORBS)
    return list(dict.fromkeys([first, *(session.scalars(others) if sha256 else ())]))
