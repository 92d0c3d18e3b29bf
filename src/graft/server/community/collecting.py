"""Reading collections: one with all that is in it, and lists of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from graft.server.community.keys import is_key
from graft.server.db.tables import AccountRow, RepositoryRow
from graft.server.db.tables.community import CollectionItemRow, CollectionRow, UpvoteRow
from graft.server.errors import NotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.accounts import to_account
from graft.server.people.scopes import READ_COLLECTIONS
from graft.server.records import Account, Kind, Repository, User
from graft.server.rows import repositories, to_record

ITEMS_IN_LISTS = 4
KEY_LENGTH = 24

Sort = Literal["lastModified", "trending", "upvotes"]


@dataclass(frozen=True)
class Item:
    """One thing in a collection: a repository, or another collection (without its items)."""

    key: str
    position: int
    note: str | None
    repository: Repository | None
    nested: "Collection | None"


@dataclass(frozen=True)
class Collection:
    """A collection; `items` are those that the asker may see."""

    id: int
    key: str
    owner: Account
    slug: str
    """How it is named: `owner/title-in-short-KEY`."""
    title: str
    description: str | None
    private: bool
    theme: str
    position: int
    upvotes: int
    created_at: datetime
    updated_at: datetime
    items: tuple[Item, ...] = ()
    is_upvoted: bool = False
    """Whether the asker finds it good."""

    @property
    def path(self) -> str:
        """The page's address below the Hub's."""
        return f"/collections/{self.slug}"


def find(hub: Hub, slug: str, user: User | None) -> Collection:
    """A collection with all in it that `user` may see.

    Raises:
        NotFoundError: no such collection, or one that the user may not see.
    """
    with hub.database.reading() as session:
        row = get_visible_row(session, slug, user)
        found = to_collection(row, read_items(session, row, user))
        if user is None:
            return found
        upvoted = session.get(UpvoteRow, (row.id, user.account.id)) is not None
        return replace(found, is_upvoted=upvoted)


def find_all(
    hub: Hub,
    user: User | None,
    *,
    owners: Sequence[str] = (),
    items: Sequence[str] = (),
    words: str = "",
    sort: Sort = "lastModified",
    start: int = 0,
    limit: int = 30,
) -> list[Collection]:
    """Collections that `user` may see, each with the first of its items.

    Args:
        owners: names of accounts: those of any of them.
        items: `models/owner/name`, `datasets/owner/name`, `collections/owner/slug`: those that hold
            any of them.
        words: part of the title.
        start: how many to leave out at the beginning.
    """
    conditions = [condition_visible(user)]
    if owners:
        keys = [owner.lower() for owner in owners]
        accounts = select(AccountRow.id).where(AccountRow.key.in_(keys))
        conditions.append(CollectionRow.owner_id.in_(accounts))
    if words.strip():
        conditions.append(CollectionRow.title.icontains(words.strip(), autoescape=True))
    order = {
        "lastModified": CollectionRow.updated_at,
        "trending": CollectionRow.trending_score,
        "upvotes": CollectionRow.upvotes,
    }[sort]
    with hub.database.reading() as session:
        if items:
            conditions.append(_holds(session, items, user))
        rows = session.scalars(
            select(CollectionRow)
            .where(*conditions)
            .order_by(order.desc(), CollectionRow.id.desc())
            .offset(start)
            .limit(limit)
        ).all()
        return [
            to_collection(row, read_items(session, row, user, limit=ITEMS_IN_LISTS)) for row in rows
        ]


def of_owner(hub: Hub, owner: Account, user: User | None) -> list[Collection]:
    """An account's collections that `user` may see, in its order."""
    with hub.database.reading() as session:
        rows = session.scalars(
            select(CollectionRow)
            .where(CollectionRow.owner_id == owner.id, condition_visible(user))
            .order_by(CollectionRow.position, CollectionRow.id)
            .limit(100)
        ).all()
        return [to_collection(row, ()) for row in rows]


def condition_visible(user: User | None) -> ColumnElement[bool]:
    """The condition that leaves the collections that `user` may see."""
    public = CollectionRow.private.is_(False)
    owners = access.owners_for(user, READ_COLLECTIONS)
    return or_(public, CollectionRow.owner_id.in_(owners)) if owners else public


def find_row(session: Session, slug: str, *, lock: bool = False) -> CollectionRow | None:
    """The row of `owner/slug-KEY`, whatever its slug is by now, or of `owner/slug` alone."""
    owner, _, name = slug.partition("/")
    key = name[-KEY_LENGTH:]
    query = (
        select(CollectionRow)
        .join(AccountRow, AccountRow.id == CollectionRow.owner_id)
        .where(AccountRow.key == owner.lower())
        .order_by(CollectionRow.id)
        .limit(1)
    )
    if is_key(key):
        query = query.where(CollectionRow.key == key)
    else:
        query = query.where(CollectionRow.slug == name.lower())
    return session.scalar(query.with_for_update(of=CollectionRow) if lock else query)


def get_visible_row(
    session: Session, slug: str, user: User | None, *, lock: bool = False
) -> CollectionRow:
    """
    Raises:
        NotFoundError: no such collection, or one that the user may not see.
    """
    row = find_row(session, slug, lock=lock)
    if row is None or not _is_visible(row, user):
        raise NotFoundError(
            f"There is no collection {slug!r} on this Hub, or it is private and you may not see it."
        )
    return row


def _is_visible(row: CollectionRow, user: User | None) -> bool:
    """`condition_visible` of a row that was read."""
    return not row.private or row.owner_id in access.owners_for(user, READ_COLLECTIONS)


def read_items(
    session: Session, row: CollectionRow, user: User | None, *, limit: int | None = None
) -> tuple[Item, ...]:
    """What is in a collection, in order, of what `user` may see; with `limit`, of the first."""
    rows = session.scalars(
        select(CollectionItemRow)
        .where(CollectionItemRow.collection_id == row.id)
        .order_by(CollectionItemRow.position, CollectionItemRow.id)
        .limit(limit)
    ).all()
    ids = [item.repository_id for item in rows if item.repository_id is not None]
    nested_ids = [item.nested_id for item in rows if item.nested_id is not None]
    known = _repositories(session, ids, user) if ids else {}
    nested = _nested(session, nested_ids, user) if nested_ids else {}
    found = []
    for item in rows:
        repository = known.get(item.repository_id or 0)
        inner = nested.get(item.nested_id or 0)
        if repository is not None or inner is not None:
            found.append(Item(item.key, item.position, item.note, repository, inner))
    return tuple(found)


def to_collection(row: CollectionRow, items: tuple[Item, ...]) -> Collection:
    """A collection's row as a plain value."""
    return Collection(
        id=row.id,
        key=row.key,
        owner=to_account(row.owner),
        slug=f"{row.owner.name}/{row.slug}-{row.key}",
        title=row.title,
        description=row.description,
        private=row.private,
        theme=row.theme,
        position=row.position,
        upvotes=row.upvotes,
        created_at=row.created_at,
        updated_at=row.updated_at,
        items=items,
    )


def _repositories(session: Session, ids: Sequence[int], user: User | None) -> dict[int, Repository]:
    query = repositories(brief=True).where(RepositoryRow.id.in_(ids), access.visible_to(user))
    return {row.id: to_record(row) for row in session.execute(query)}


def _nested(session: Session, ids: Sequence[int], user: User | None) -> dict[int, Collection]:
    query = select(CollectionRow).where(CollectionRow.id.in_(ids), condition_visible(user))
    return {row.id: to_collection(row, ()) for row in session.scalars(query)}


def _holds(session: Session, items: Sequence[str], user: User | None) -> ColumnElement[bool]:
    """The condition that a collection holds one of the things, of those that `user` may see."""
    plurals = {kind.plural: kind for kind in Kind}
    found: list[ColumnElement[bool]] = []
    for item in items:
        kind, _, name = item.partition("/")
        if kind in plurals:
            wanted = select(RepositoryRow.id).where(
                RepositoryRow.kind == plurals[kind].value,
                RepositoryRow.key == name.lower(),
                access.visible_to(user),
            )
            found.append(CollectionItemRow.repository_id.in_(wanted))
        elif kind == "collections":
            nested = find_row(session, name)
            if nested is not None and _is_visible(nested, user):
                found.append(CollectionItemRow.nested_id == nested.id)
    holding = select(CollectionItemRow.collection_id).where(or_(False, *found))
    return CollectionRow.id.in_(holding)
