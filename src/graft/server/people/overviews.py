"""What there is to say about an account: how much it owns, who follows it, where it belongs."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from graft.server.community.collecting import condition_visible
from graft.server.db.tables import (
    AccountRow,
    CollectionRow,
    DiscussionRow,
    FollowRow,
    LikeRow,
    MemberRow,
    RepositoryRow,
    UpvoteRow,
)
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.accounts import to_account
from graft.server.people.identity import to_member_role
from graft.server.records import Account, Membership, User


@dataclass(frozen=True)
class Overview:
    """An account and its figures, counting what the asker may see."""

    account: Account
    models: int
    datasets: int
    discussions: int
    likes: int
    upvotes: int
    members: int
    followers: int
    following: int
    is_followed: bool
    """Whether the asker follows it."""
    memberships: tuple[Membership, ...]


def overview(hub: Hub, account: Account, user: User | None) -> Overview:
    """The account's figures, as `user` sees them."""
    mine = user.account.id if user else None
    with hub.database.reading() as session:
        owned = _owned(session, account, user)
        likes = select(func.count(LikeRow.id)).join(
            RepositoryRow, RepositoryRow.id == LikeRow.repository_id
        )
        talks = select(func.count(DiscussionRow.id)).join(
            RepositoryRow, RepositoryRow.id == DiscussionRow.repository_id
        )
        upvotes = select(func.count(UpvoteRow.collection_id)).join(
            CollectionRow, CollectionRow.id == UpvoteRow.collection_id
        )
        seen = access.visible_to(user)
        return Overview(
            account=account,
            models=owned.get("model", 0),
            datasets=owned.get("dataset", 0),
            discussions=session.scalar(talks.where(DiscussionRow.author_id == account.id, seen))
            or 0,
            likes=session.scalar(likes.where(LikeRow.account_id == account.id, seen)) or 0,
            upvotes=session.scalar(
                upvotes.where(UpvoteRow.account_id == account.id, condition_visible(user))
            )
            or 0,
            members=_count(session, MemberRow.organization_id == account.id),
            followers=_count(session, FollowRow.followed_id == account.id),
            following=_count(session, FollowRow.follower_id == account.id),
            is_followed=_count(
                session, FollowRow.followed_id == account.id, FollowRow.follower_id == mine
            )
            > 0,
            memberships=_memberships(session, account),
        )


def follows(
    hub: Hub,
    account: Account,
    side: Literal["followers", "following"],
    *,
    after: int = 0,
    limit: int,
) -> list[Account]:
    """Who follows the account, or whom it follows, in the order of their accounts' numbers."""
    mine, others = FollowRow.followed_id, FollowRow.follower_id
    if side == "following":
        mine, others = others, mine
    query = (
        select(AccountRow)
        .join(FollowRow, others == AccountRow.id)
        .where(mine == account.id, AccountRow.id > after)
        .order_by(AccountRow.id)
        .limit(limit)
    )
    with hub.database.reading() as session:
        return [to_account(row) for row in session.scalars(query)]


def _owned(session: Session, account: Account, user: User | None) -> dict[str, int]:
    query = (
        select(RepositoryRow.kind, func.count())
        .where(RepositoryRow.owner_id == account.id, access.visible_to(user))
        .group_by(RepositoryRow.kind)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).where(*conditions)) or 0


def _memberships(session: Session, account: Account) -> tuple[Membership, ...]:
    rows = session.execute(
        select(AccountRow, MemberRow.role)
        .join(MemberRow, MemberRow.organization_id == AccountRow.id)
        .where(MemberRow.account_id == account.id)
        .order_by(AccountRow.key)
    )
    return tuple(Membership(to_account(row), to_member_role(role)) for row, role in rows)
