"""Locks on files: who works on what (the locking API of Git LFS).

They bind only those who ask: `git lfs` does, before a push that touches what another has locked.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError

from graft.server.db.tables import LockRow
from graft.server.errors import BadRequestError, ConflictError, NotAllowedError, NotFoundError
from graft.server.hub import Hub
from graft.server.names import check_file_path
from graft.server.records import Repository, User

MAX_PAGE = 100


@dataclass(frozen=True)
class FileLock:
    """One lock: the path in the repository, and whose it is."""

    id: int
    path: str
    owner: str
    ref: str | None
    locked_at: datetime


class LockedError(ConflictError):
    """Somebody has locked the path already: `lock` says who."""

    def __init__(self, lock: FileLock) -> None:
        super().__init__(f"{lock.path!r} is locked by {lock.owner} since {lock.locked_at:%c} UTC.")
        self.lock = lock


def create(hub: Hub, repository: Repository, user: User, path: str, ref: str | None) -> FileLock:
    """A new lock on a path, whether or not a file lies there.

    Raises:
        BadRequestError: a path that no file can have.
        LockedError: there is one.
    """
    check_file_path(path)
    row = LockRow(
        repository_id=repository.id,
        account_id=user.account.id,
        path=path,
        ref=ref[:1024] if ref else None,
        locked_at=datetime.now(UTC),
    )
    try:
        with hub.database.writing() as session:
            session.add(row)
            session.flush()
            session.refresh(row)
            return _to_lock(row)
    except IntegrityError as error:
        found, _ = find(hub, repository, path=path)
        if not found:
            raise ConflictError(f"{path!r} was locked by somebody just now; try again.") from error
        raise LockedError(found[0]) from error


def find(
    hub: Hub,
    repository: Repository,
    *,
    path: str | None = None,
    lock_id: str | None = None,
    ref: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> tuple[list[FileLock], str | None]:
    """A page of the locks, the oldest first, and where the next begins.

    Args:
        ref: only those that were made for this ref or for none.

    Raises:
        BadRequestError: a cursor or an id that is not a number.
    """
    most = max(1, min(limit or MAX_PAGE, MAX_PAGE))
    query = select(LockRow).where(LockRow.repository_id == repository.id)
    if path is not None:
        query = query.where(LockRow.path == path)
    if lock_id is not None:
        query = query.where(LockRow.id == _number("id", lock_id))
    if ref is not None:
        query = query.where((LockRow.ref == ref) | LockRow.ref.is_(None))
    if cursor:
        query = query.where(LockRow.id >= _number("cursor", cursor))
    return _page(hub, query.order_by(LockRow.id).limit(most + 1), most)


def release(
    hub: Hub, repository: Repository, user: User, lock_id: str, *, force: bool, may_force: bool
) -> FileLock:
    """Takes a lock away: one's own, or another's by force.

    Raises:
        NotFoundError: no such lock.
        NotAllowedError: another's, without force or by somebody who may not.
    """
    number = _number("id", lock_id)
    with hub.database.writing() as session:
        row = session.get(LockRow, number)
        if row is None or row.repository_id != repository.id:
            raise NotFoundError(f"{repository.full_name} has no lock {lock_id}.")
        lock = _to_lock(row)
        if row.account_id != user.account.id and not (force and may_force):
            hint = "an administrator of the repository may, with --force"
            raise NotAllowedError(
                f"{lock.path!r} is locked by {lock.owner}; {user.name} may not unlock it: {hint}."
            )
        session.delete(row)
        return lock


def _page(hub: Hub, query: Select[LockRow], most: int) -> tuple[list[FileLock], str | None]:
    with hub.database.reading() as session:
        found = [_to_lock(row) for row in session.scalars(query)]
    return found[:most], str(found[most].id) if len(found) > most else None


def _to_lock(row: LockRow) -> FileLock:
    return FileLock(row.id, row.path, row.account.name, row.ref, row.locked_at)


def _number(what: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadRequestError(f"The {what} {text[:40]!r} of a lock is a number.")
    return int(text)
