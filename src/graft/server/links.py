"""Which repository may use which large object, in the database."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from graft.server import access
from graft.server.db.database import Database
from graft.server.db.tables import ObjectRow, RepositoryObjectRow, RepositoryRow
from graft.server.records import User

# Of one query's values: databases allow only so many.
MOST_AT_ONCE = 500

# Writing the time at every use would make reading cost a write.
LINK_PRECISION = timedelta(hours=1)
BATCH = 500


def size_in(session: Session, repository_id: int, sha256: str) -> int | None:
    """The size of an object that the repository holds, or None where it does not hold it."""
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256 == sha256)
    )


def sizes_in(session: Session, repository_id: int, hashes: Collection[str]) -> dict[str, int]:
    """The sizes of those objects that the repository holds."""
    found: dict[str, int] = {}
    for some in batched(hashes, MOST_AT_ONCE):
        query = (
            select(ObjectRow.sha256, ObjectRow.size)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256.in_(some))
        )
        found.update((sha256, size) for sha256, size in session.execute(query))
    return found


def xet_hashes(session: Session, repository_id: int, hashes: Collection[str]) -> dict[str, str]:
    """The Xet hashes, by SHA-256, of those objects that the repository holds and that have one."""
    found: dict[str, str] = {}
    for some in batched(hashes, MOST_AT_ONCE):
        query = (
            select(ObjectRow.sha256, ObjectRow.xet_hash)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256.in_(some))
        )
        found.update((sha256, value) for sha256, value in session.execute(query) if value)
    return found


def size_for(session: Session, user: User, sha256: str) -> int | None:
    """The size of an object in any repository whose files `user` may read, or None.

    Knowing a hash is not having the file: an object that lies only in others' private repositories
    must be uploaded again before it can be used.
    """
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
        .where(ObjectRow.sha256 == sha256, access.files_readable_by(user))
        .limit(1)
    )


def link(session: Session, repository_id: int, sha256: str) -> None:
    """Lets the repository use an object that is stored, and keeps what collects garbage from it
    until a commit had time to name it."""
    now = datetime.now(UTC)
    row = session.get(RepositoryObjectRow, (repository_id, sha256))
    if row is None:
        session.add(RepositoryObjectRow(repository_id=repository_id, sha256=sha256, linked_at=now))
        session.flush()
    elif now - row.linked_at > LINK_PRECISION:
        row.linked_at = now
        session.flush()


def sizes_for(session: Session, user: User, hashes: Collection[str]) -> dict[str, int]:
    """The sizes of those objects that lie in any repository whose files `user` may read."""
    found: dict[str, int] = {}
    for some in _in_batches(hashes):
        rows = session.execute(
            select(ObjectRow.sha256, ObjectRow.size)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
            .where(ObjectRow.sha256.in_(some), access.files_readable_by(user))
            .distinct()
        )
        found.update((sha256, size) for sha256, size in rows)
    return found


def give(database: Database, repository_id: int, hashes: Collection[str]) -> None:
    """Lets a repository use objects, in a transaction of its own where it does not yet."""
    if not hashes:
        return
    now = datetime.now(UTC)
    with database.reading() as session:
        fresh = {
            sha256
            for some in _in_batches(hashes)
            for sha256 in session.scalars(
                select(RepositoryObjectRow.sha256).where(
                    RepositoryObjectRow.repository_id == repository_id,
                    RepositoryObjectRow.sha256.in_(some),
                    RepositoryObjectRow.linked_at > now - LINK_PRECISION,
                )
            )
        }
    if len(fresh) < len(set(hashes)):
        with database.writing() as session:
            for sha256 in sorted(set(hashes) - fresh):
                link(session, repository_id, sha256)


def _in_batches(hashes: Collection[str]) -> Iterator[list[str]]:
    """Parts that fit into one statement, sorted, each hash once."""
    ordered = sorted(set(hashes))
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def forget_orphans(session: Session) -> list[str]:
    """Deletes the rows of objects that no repository uses, and answers their hashes."""
    used = exists().where(RepositoryObjectRow.sha256 == ObjectRow.sha256)
    return list(session.scalars(delete(ObjectRow).where(~used).returning(ObjectRow.sha256)))


def batched(values: Collection[str], size: int) -> Iterator[list[str]]:
    """The values in lists of at most `size`."""
    ordered = list(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
