"""What is in a collection: putting repositories and other collections in, moving, taking out."""

from datetime import UTC, datetime

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server.community.collecting import (
    Collection,
    get_visible_row,
    read_items,
    to_collection,
)
from graft.server.community.collections import own_row
from graft.server.community.keys import new_key
from graft.server.community.texts import check_text
from graft.server.db.tables import RepositoryRow
from graft.server.db.tables.community import CollectionItemRow, CollectionRow
from graft.server.errors import BadRequestError, ConflictError, NotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Kind, User

MAX_NOTE_CHARACTERS = 500
MAX_ITEMS = 1000

_REPOSITORIES = {kind.value: kind for kind in Kind}


def add(
    hub: Hub, slug: str, kind: str, name: str, user: User | None, *, note: str | None = None
) -> Collection:
    """Puts something at the end: a `model` or `dataset` by its id, a `collection` by its slug.

    Raises:
        NotFoundError: no such collection or thing, or one that the user may not see.
        NotLoggedInError, NotAllowedError: the collection is another's.
        ConflictError: it is in the collection.
        BadRequestError: a note that cannot be kept, a collection in itself, or too many things.
    """
    note = _check_note(note)
    with hub.database.writing() as session:
        row = own_row(session, slug, user)
        items = _item_rows(session, row)
        if len(items) >= MAX_ITEMS:
            raise BadRequestError(f"A collection holds at most {MAX_ITEMS} things.")
        item = CollectionItemRow(
            key=new_key(), collection_id=row.id, position=len(items), note=note
        )
        if kind in _REPOSITORIES:
            item.repository_id = _repository_id(session, _REPOSITORIES[kind], name, user)
        elif kind == "collection":
            item.nested_id = get_visible_row(session, name, user).id
            if item.nested_id == row.id:
                raise BadRequestError("A collection cannot hold itself.")
        else:
            raise NotFoundError(f"This Hub has no {kind} {name!r}.")
        for known in items:
            if (known.repository_id, known.nested_id) == (item.repository_id, item.nested_id):
                raise ConflictError(f"The {kind} {name} is in this collection already.")
        _renumber(items)
        session.add(item)
        row.updated_at = datetime.now(UTC)
        session.flush()
        return to_collection(row, read_items(session, row, user))


def change(
    hub: Hub,
    slug: str,
    key: str,
    user: User | None,
    *,
    note: str | None = None,
    position: int | None = None,
) -> None:
    """Changes an item's note, or moves it; what lies between makes room.

    Raises:
        NotFoundError: no such collection or item.
        NotLoggedInError, NotAllowedError: the collection is another's.
        BadRequestError: a note that cannot be kept.
    """
    note = _check_note(note)
    with hub.database.writing() as session:
        row = own_row(session, slug, user)
        items = _item_rows(session, row)
        item = _item(items, key)
        if note is not None:
            item.note = note or None
        if position is not None:
            items.remove(item)
            items.insert(max(0, position), item)
        _renumber(items)
        row.updated_at = datetime.now(UTC)


def remove(hub: Hub, slug: str, key: str, user: User | None) -> None:
    """
    Raises:
        NotFoundError: no such collection or item.
        NotLoggedInError, NotAllowedError: the collection is another's.
    """
    with hub.database.writing() as session:
        row = own_row(session, slug, user)
        items = _item_rows(session, row)
        item = _item(items, key)
        items.remove(item)
        _renumber(items)
        session.execute(delete_rows(CollectionItemRow).where(CollectionItemRow.id == item.id))
        row.updated_at = datetime.now(UTC)


def _item_rows(session: Session, row: CollectionRow) -> list[CollectionItemRow]:
    return list(
        session.scalars(
            select(CollectionItemRow)
            .where(CollectionItemRow.collection_id == row.id)
            .order_by(CollectionItemRow.position, CollectionItemRow.id)
        )
    )


def _item(items: list[CollectionItemRow], key: str) -> CollectionItemRow:
    for item in items:
        if item.key == key:
            return item
    raise NotFoundError(f"There is no item {key!r} in this collection.")


def _renumber(items: list[CollectionItemRow]) -> None:
    """From 0 on without gaps: repositories that were deleted have left some."""
    for number, item in enumerate(items):
        item.position = number


def _repository_id(session: Session, kind: Kind, name: str, user: User | None) -> int:
    owner, _, repository = name.partition("/")
    found = session.scalar(
        select(RepositoryRow.id).where(
            RepositoryRow.kind == kind.value,
            RepositoryRow.key == f"{owner}/{repository}".lower(),
            access.visible_to(user),
        )
    )
    if found is None:
        raise access.not_found(kind, owner, repository)
    return found


def _check_note(note: str | None) -> str | None:
    return None if note is None else check_text("The note", note.strip(), MAX_NOTE_CHARACTERS)
