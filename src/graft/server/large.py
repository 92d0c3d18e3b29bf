"""Large objects and the repositories that may use them."""

from datetime import UTC, datetime

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from graft.server.db.tables import ObjectRow, RepositoryObjectRow, RepositoryRow
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Entry, Repository, User
from graft.server.search.describe import Read


def reader(hub: Hub, snapshot: Snapshot) -> Read:
    """Reads parts of a snapshot's files, whether git or the store holds them."""

    def read(entry: Entry, start: int, length: int) -> bytes:
        if entry.lfs is not None:
            return hub.objects.read(entry.lfs.sha256, start, length)
        return snapshot.blob(entry)[start : start + length]

    return read


def size_in(session: Session, repository: Repository, sha256: str) -> int | None:
    """The size of an object that the repository holds, or None where it does not hold it."""
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .where(RepositoryObjectRow.repository_id == repository.id, ObjectRow.sha256 == sha256)
    )


def size_for(session: Session, user: User, sha256: str) -> int | None:
    """The size of an object in any repository that `user` may read, or None where there is none.

    Knowing a hash is not having the file: an object that lies only in others' private repositories
    must be uploaded again before it can be used.
    """
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
        .where(
            ObjectRow.sha256 == sha256,
            or_(RepositoryRow.private.is_(False), RepositoryRow.owner_id == user.account.id),
        )
        .limit(1)
    )


def link(session: Session, repository: Repository, sha256: str) -> None:
    """Lets the repository use an object that is stored."""
    if session.get(RepositoryObjectRow, (repository.id, sha256)) is None:
        session.add(RepositoryObjectRow(repository_id=repository.id, sha256=sha256))
        session.flush()


def add(hub: Hub, repository: Repository, key: str, sha256: str, size: int) -> None:
    """Publishes an object received under `key` and gives it to the repository."""
    try:
        with hub.database.writing() as session:
            if session.get(ObjectRow, sha256) is None:
                session.add(ObjectRow(sha256=sha256, size=size, created_at=datetime.now(UTC)))
                session.flush()
            link(session, repository, sha256)
            # Under the write lock, so that no deletion of the same object comes in between.
            hub.objects.publish(key, sha256)
    except BaseException:
        hub.objects.discard(key)
        raise


def forget_orphans(session: Session) -> list[str]:
    """Deletes the rows of objects that no repository uses, and answers their hashes."""
    used = exists().where(RepositoryObjectRow.sha256 == ObjectRow.sha256)
    return list(session.scalars(delete(ObjectRow).where(~used).returning(ObjectRow.sha256)))


def delete_orphans(hub: Hub, hashes: list[str]) -> None:
    """Deletes the bytes of forgotten objects, but of none that was uploaded again meanwhile."""
    with hub.database.writing() as session:
        for sha256 in hashes:
            if session.get(ObjectRow, sha256) is None:
                hub.objects.delete(sha256)
