"""Following people and organizations; who follows whom, `graft.server.people.overviews` tells."""

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from graft.server.db.tables.community import FollowRow
from graft.server.errors import BadRequestError, NotAllowedError
from graft.server.hub import Hub
from graft.server.people import denials
from graft.server.records import Account, User


def follow(hub: Hub, account: Account, user: User | None) -> None:
    """Follows somebody, or goes on following them.

    Raises:
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may not.
        BadRequestError: oneself.
    """
    user = _check(user)
    if account.id == user.account.id:
        raise BadRequestError("Nobody can follow themselves.")
    row = FollowRow(
        follower_id=user.account.id, followed_id=account.id, created_at=datetime.now(UTC)
    )
    try:
        with hub.database.writing() as session:
            if not _is_following(session, account, user):
                session.add(row)
    except IntegrityError:  # asked twice at once, or the account has just been deleted
        return


def unfollow(hub: Hub, account: Account, user: User | None) -> None:
    """Follows somebody no longer.

    Raises:
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may not.
    """
    user = _check(user)
    with hub.database.writing() as session:
        session.execute(
            delete(FollowRow).where(
                FollowRow.follower_id == user.account.id, FollowRow.followed_id == account.id
            )
        )


def is_following(hub: Hub, account: Account, user: User | None) -> bool:
    """Whether `user` follows the account."""
    if user is None:
        return False
    with hub.database.reading() as session:
        return _is_following(session, account, user)


def _is_following(session: Session, account: Account, user: User) -> bool:
    found = select(FollowRow.follower_id).where(
        FollowRow.follower_id == user.account.id, FollowRow.followed_id == account.id
    )
    return session.scalar(found) is not None


def _check(user: User | None) -> User:
    if user is None:
        raise denials.login_needed("Following somebody")
    if not user.may_write:
        raise NotAllowedError(
            f"The token {user.token_name!r} may not follow anybody; this needs the role 'write'."
        )
    return user
