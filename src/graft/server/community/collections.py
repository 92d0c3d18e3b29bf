"""Collections: lists of repositories that somebody put together. Making and changing them;
`collection_items` is what is in one.

A collection is named by `owner/slug-key`. The slug follows the title and the key never changes, so
that an old address goes on leading to it.
"""

import re
import unicodedata
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from graft.server.community import trending
from graft.server.community.collecting import (
    Collection,
    find_row,
    get_visible_row,
    read_items,
    to_collection,
)
from graft.server.community.keys import new_key
from graft.server.community.texts import check_text
from graft.server.db.tables import AccountRow
from graft.server.db.tables.community import CollectionRow, UpvoteRow
from graft.server.errors import BadRequestError, ConflictError, NotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.scopes import WRITE_COLLECTIONS
from graft.server.records import Account, User

MAX_TITLE_CHARACTERS = 100
MAX_DESCRIPTION_CHARACTERS = 150
MAX_SLUG_CHARACTERS = 60
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")


class CollectionExistsError(ConflictError):
    """The owner has a collection of that title: `slug` names it."""

    def __init__(self, title: str, slug: str) -> None:
        super().__init__(f"There is a collection {title!r} already: {slug}.")
        self.slug = slug


def create(
    hub: Hub,
    owner: Account,
    title: str,
    user: User | None,
    *,
    description: str | None = None,
    private: bool = False,
) -> Collection:
    """A new, empty collection of `owner`: the user, or an organization that they may write for.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not make one there.
        BadRequestError: a title or description that cannot be kept.
        CollectionExistsError: there is one of that title.
    """
    user = access.check_owner(user, owner, WRITE_COLLECTIONS)
    title, description = _check_title(title), _check_description(description)
    with hub.database.writing() as session:
        # Two who make one for the same owner come one after the other.
        account = session.scalar(
            select(AccountRow).where(AccountRow.id == owner.id).with_for_update()
        )
        if account is None:
            raise NotFoundError(f"The account {owner.name} has just been deleted.")
        _check_title_is_free(session, owner.id, title)
        mine = CollectionRow.owner_id == owner.id
        now = datetime.now(UTC)
        row = CollectionRow(
            key=new_key(),
            owner=account,
            owner_id=owner.id,
            slug=slug_of(title),
            title=title,
            description=description,
            private=private,
            theme=THEMES[0],
            position=session.scalar(select(func.count()).where(mine)) or 0,
            upvotes=0,
            trending_score=0,
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        session.flush()
        return to_collection(row, ())


def change(
    hub: Hub,
    slug: str,
    user: User | None,
    *,
    title: str | None = None,
    description: str | None = None,
    position: int | None = None,
    private: bool | None = None,
    theme: str | None = None,
) -> Collection:
    """Changes what is given; a new title gives a new slug, under which the old key stays.

    Raises:
        NotFoundError: no such collection, or one that the user may not see.
        NotLoggedInError, NotAllowedError: it is another's.
        BadRequestError: a value that cannot be kept.
        CollectionExistsError: there is one of that title.
    """
    if theme is not None and theme not in THEMES:
        raise BadRequestError(f"A theme is one of {', '.join(THEMES)}, not {theme!r}.")
    with hub.database.writing() as session:
        row = own_row(session, slug, user)
        if title is not None:
            title = _check_title(title)
            if title != row.title:
                _check_title_is_free(session, row.owner_id, title, but=row.id)
            row.title, row.slug = title, slug_of(title)
        if description is not None:
            row.description = _check_description(description)
        if private is not None:
            row.private = private
        if theme is not None:
            row.theme = theme
        if position is not None:
            _move_collection(session, row, position)
        row.updated_at = datetime.now(UTC)
        session.flush()
        return to_collection(row, read_items(session, row, user))


def delete(hub: Hub, slug: str, user: User | None) -> None:
    """
    Raises:
        NotFoundError: no such collection, or one that the user may not see.
        NotLoggedInError, NotAllowedError: it is another's.
    """
    with hub.database.writing() as session:
        session.delete(own_row(session, slug, user))


def set_upvote(hub: Hub, slug: str, user: User | None, good: bool) -> int:
    """Finds a collection good, or no longer; answers how many do.

    Raises:
        NotFoundError: no such collection, or one that the user may not see.
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may only read.
    """
    who = access.check_permission(user, WRITE_COLLECTIONS)
    with hub.database.writing() as session:
        row = get_visible_row(session, slug, who, lock=True)
        found = session.get(UpvoteRow, (row.id, who.account.id))
        now = datetime.now(UTC)
        if good and found is None:
            made = UpvoteRow(collection_id=row.id, account_id=who.account.id, created_at=now)
            session.add(made)
            row.upvotes += 1
            row.trending_score = trending.after(row.trending_score, trending.LIKE, now)
        elif not good and found is not None:
            then = found.created_at
            row.upvotes = max(0, row.upvotes - 1)
            row.trending_score = trending.without(row.trending_score, trending.LIKE, then)
            session.delete(found)
        return row.upvotes


def slug_of(title: str) -> str:
    """A title as it stands in an address: `My models!` -> `my-models`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG_CHARACTERS].strip("-")
    return slug or "collection"


def own_row(session: Session, slug: str, user: User | None) -> CollectionRow:
    """The row of a collection that `user` may change; two who change it come one by one.

    Raises:
        NotFoundError: no such collection, or one that the user may not see.
        NotLoggedInError, NotAllowedError: it is another's.
    """
    row = find_row(session, slug, lock=True)
    if row is None or row.owner_id not in access.owners_for(user, WRITE_COLLECTIONS):
        row = get_visible_row(session, slug, user)  # else it is as if there were none
        access.check_owner(user, to_collection(row, ()).owner, WRITE_COLLECTIONS)
    return row


def _move_collection(session: Session, row: CollectionRow, position: int) -> None:
    others = list(
        session.scalars(
            select(CollectionRow)
            .where(CollectionRow.owner_id == row.owner_id, CollectionRow.id != row.id)
            .order_by(CollectionRow.position, CollectionRow.id)
        )
    )
    others.insert(max(0, position), row)
    for number, other in enumerate(others):
        other.position = number


def _check_title(title: str) -> str:
    title = " ".join(title.split())
    if not title:
        raise BadRequestError("A collection needs a title.")
    return check_text("The title", title, MAX_TITLE_CHARACTERS)


def _check_description(description: str | None) -> str | None:
    if description is None or not description.strip():
        return None
    return check_text("The description", description.strip(), MAX_DESCRIPTION_CHARACTERS)


def _check_title_is_free(
    session: Session, owner_id: int, title: str, *, but: int | None = None
) -> None:
    rows = session.scalars(select(CollectionRow).where(CollectionRow.owner_id == owner_id))
    for row in rows:
        if row.title.casefold() == title.casefold() and row.id != but:
            raise CollectionExistsError(title, to_collection(row, ()).slug)
