"""Which repository may use which large object, in the database."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import delete, exists, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from graft.server.db.database import Database, Reader, insert_into
from graft.server.db.tables import Moment, ObjectRow, RepositoryObjectRow, RepositoryRow
from graft.server.errors import ConflictError
from graft.server.people import access
from graft.server.records import User

Value = TypeVar("Value")

# Of one query's values: databases allow only so many.
MOST_AT_ONCE = 500

# Writing the time at every use would make reading cost a write.
LINK_PRECISION = timedelta(hours=1)


def size_in(session: Session, repository_id: int, sha256: str) -> int | None:
    """The size of an object that the repository holds, or None where it does not hold it."""
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256 == sha256)
    )


def sizes_in(session: Session, repository_id: int, hashes: Collection[str]) -> dict[str, int]:
    """The sizes of those objects that the repository holds."""
    return dict(_of_objects(session, repository_id, hashes, ObjectRow.size))


def xet_hashes(reader: Reader, repository_id: int, hashes: Collection[str]) -> dict[str, str]:
    """The Xet hashes, by SHA-256, of those objects that the repository holds and that have one."""
    found = _of_objects(reader, repository_id, hashes, ObjectRow.xet_hash)
    return {sha256: value for sha256, value in found if value}


def _of_objects(
    reader: Reader,
    repository_id: int,
    hashes: Collection[str],
    column: InstrumentedAttribute[Value],
) -> Iterator[tuple[str, Value]]:
    """(SHA-256, value of a column) of those objects that the repository holds."""
    for some in batched(hashes):
        query = (
            select(ObjectRow.sha256, column)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256.in_(some))
        )
        yield from reader.execute(query)


def link_all(session: Session, repository_id: int, hashes: Collection[str]) -> None:
    """Lets the repository use objects that are stored, and keeps what collects garbage from them
    until a commit had time to name them.

    Raises:
        ConflictError: one of them, or the repository, was deleted just now.
    """
    now = datetime.now(UTC)
    mine = RepositoryObjectRow.repository_id == repository_id
    try:
        for some in batched(hashes):
            stored = (
                select(literal(repository_id), ObjectRow.sha256, literal(now, Moment()))
                .where(ObjectRow.sha256.in_(some))
                .order_by(ObjectRow.sha256)
            )
            session.execute(
                insert_into(session, RepositoryObjectRow)
                .from_select(["repository_id", "sha256", "linked_at"], stored)
                .on_conflict_do_update(
                    index_elements=["repository_id", "sha256"],
                    set_={"linked_at": now},
                    where=RepositoryObjectRow.linked_at < now - LINK_PRECISION,
                )
            )
            listed = RepositoryObjectRow.sha256.in_(some)
            count = select(func.count()).select_from(RepositoryObjectRow).where(mine, listed)
            if session.scalar(count) != len(some):
                raise _gone()
    except IntegrityError as error:
        raise _gone() from error


def _gone() -> ConflictError:
    return ConflictError(
        "A large file was deleted before the commit was made; upload it again, then commit."
    )


def sizes_for(session: Session, user: User, hashes: Collection[str]) -> dict[str, int]:
    """The sizes of those objects that lie in any repository whose files `user` may read.

    Knowing a hash is not having the file: an object that lies only in others' private repositories
    must be uploaded again before it can be used.
    """
    found: dict[str, int] = {}
    for some in batched(hashes):
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
            for some in batched(hashes)
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
            link_all(session, repository_id, set(hashes) - fresh)


_USED = exists().where(RepositoryObjectRow.sha256 == ObjectRow.sha256)


def orphans(session: Session) -> list[str]:
    """The hashes of objects that no repository uses."""
    return list(session.scalars(select(ObjectRow.sha256).where(~_USED)))


def forget_orphan(session: Session, sha256: str) -> bool:
    """Deletes the row of an object, unless a repository uses it; answers whether it did."""
    mine = ObjectRow.sha256 == sha256
    # Who links the object just now holds its row: only then is it known whether one does.
    session.execute(select(ObjectRow.sha256).where(mine).with_for_update())
    gone = session.execute(delete(ObjectRow).where(mine, ~_USED).returning(ObjectRow.sha256))
    return gone.one_or_none() is not None


def batched(values: Collection[str]) -> Iterator[list[str]]:
    """The values, each once and in order, in lists that fit into one statement."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), MOST_AT_ONCE):
        yield ordered[start : start + MOST_AT_ONCE]
