"""Which repository may use which large object, in the database."""

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from graft.server.db.tables import ObjectRow, RepositoryObjectRow, RepositoryRow


def size_in(session: Session, repository_id: int, sha256: str) -> int | None:
    """The size of an object that the repository holds, or None where it does not hold it."""
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .where(RepositoryObjectRow.repository_id == repository_id, ObjectRow.sha256 == sha256)
    )


def size_for(session: Session, account_id: int, sha256: str) -> int | None:
    """The size of an object in any repository that the account may read, or None.

    Knowing a hash is not having the file: an object that lies only in others' private repositories
    must be uploaded again before it can be used.
    """
    return session.scalar(
        select(ObjectRow.size)
        .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
        .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
        .where(
            ObjectRow.sha256 == sha256,
            or_(RepositoryRow.private.is_(False), RepositoryRow.owner_id == account_id),
        )
        .limit(1)
    )


def link(session: Session, repository_id: int, sha256: str) -> None:
    """Lets the repository use an object that is stored."""
    if session.get(RepositoryObjectRow, (repository_id, sha256)) is None:
        session.add(RepositoryObjectRow(repository_id=repository_id, sha256=sha256))
        session.flush()


def forget_orphans(session: Session) -> list[str]:
    """Deletes the rows of objects that no repository uses, and answers their hashes."""
    used = exists().where(RepositoryObjectRow.sha256 == ObjectRow.sha256)
    return list(session.scalars(delete(ObjectRow).where(~used).returning(ObjectRow.sha256)))
