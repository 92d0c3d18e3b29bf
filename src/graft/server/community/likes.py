"""Liking repositories."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server.community import trending
from graft.server.db.tables import AccountRow, RepositoryRow
from graft.server.db.tables.community import LikeRow
from graft.server.errors import RepoNotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.accounts import to_account
from graft.server.records import Account, Kind, Repository, User


@dataclass(frozen=True)
class Like:
    """Something that somebody likes, and since when; `id` is where a page of them ends."""

    id: int
    kind: Kind
    full_name: str
    created_at: datetime


def like(hub: Hub, repository: Repository, user: User | None) -> int:
    """Likes a repository, or goes on liking it; answers how many do.

    Raises:
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may only read.
    """
    user = access.check(user, repository, "discuss")
    with hub.database.writing() as session:
        row = _locked(session, repository)
        if _find(session, repository, user) is None:
            now = datetime.now(UTC)
            session.add(LikeRow(repository_id=row.id, account_id=user.account.id, created_at=now))
            row.likes += 1
            row.trending_score = trending.after(row.trending_score, trending.LIKE, now)
        return row.likes


def unlike(hub: Hub, repository: Repository, user: User | None) -> int:
    """Likes a repository no longer; answers how many do.

    Raises:
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may only read.
    """
    user = access.check(user, repository, "discuss")
    with hub.database.writing() as session:
        row = _locked(session, repository)
        found = _find(session, repository, user)
        if found is not None:
            score = trending.without(row.trending_score, trending.LIKE, found.created_at)
            row.likes, row.trending_score = max(0, row.likes - 1), score
            session.delete(found)
        return row.likes


def is_liked(hub: Hub, repository: Repository, user: User | None) -> bool:
    """Whether `user` likes the repository."""
    if user is None:
        return False
    with hub.database.reading() as session:
        return _find(session, repository, user) is not None


def likers(
    hub: Hub, repository: Repository, *, before: int | None = None, limit: int = 100
) -> list[tuple[int, Account]]:
    """Who likes a repository, the last first, each with the number that a page ends at."""
    query = (
        select(LikeRow.id, AccountRow)
        .join(AccountRow, AccountRow.id == LikeRow.account_id)
        .where(LikeRow.repository_id == repository.id)
        .order_by(LikeRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(LikeRow.id < before)
    with hub.database.reading() as session:
        return [(number, to_account(row)) for number, row in session.execute(query)]


def liked_by(
    hub: Hub, account: Account, user: User | None, *, before: int | None = None, limit: int = 100
) -> list[Like]:
    """What an account likes, the last first, of what `user` may see."""
    query = (
        select(
            LikeRow.id, LikeRow.created_at, RepositoryRow.kind, RepositoryRow.name, AccountRow.name
        )
        .join(RepositoryRow, RepositoryRow.id == LikeRow.repository_id)
        .join(AccountRow, AccountRow.id == RepositoryRow.owner_id)
        .where(LikeRow.account_id == account.id, access.visible_to(user))
        .order_by(LikeRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(LikeRow.id < before)
    with hub.database.reading() as session:
        return [
            Like(number, Kind(kind), f"{owner}/{name}", since)
            for number, since, kind, name, owner in session.execute(query)
        ]


def _locked(session: Session, repository: Repository) -> RepositoryRow:
    """The repository's row; two who like it are counted one after the other."""
    row = session.scalar(
        select(RepositoryRow)
        .where(RepositoryRow.id == repository.id)
        .with_for_update(of=RepositoryRow)
    )
    if row is None:
        raise RepoNotFoundError(f"{repository.full_name} has just been deleted.")
    return row


def _find(session: Session, repository: Repository, user: User) -> LikeRow | None:
    return session.scalar(
        select(LikeRow).where(
            LikeRow.repository_id == repository.id, LikeRow.account_id == user.account.id
        )
    )
