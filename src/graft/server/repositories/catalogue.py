"""What can be found: lists, searches, and what is made from what.

All functions here block (database), so async code calls them in a worker thread.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from graft.server.db.tables import AccountRow, BaseModelRow, RepositoryRow
from graft.server.hub import Hub
from graft.server.people.access import visible_to
from graft.server.records import Entry, Item, Kind, Page, Query, Repository, User
from graft.server.rows import from_values
from graft.server.scan.scans import Scan, blob_of, scans
from graft.server.search import query as search_query
from graft.server.search.facets import MAX_VALUES, Facets
from graft.server.search.facets import facets as find_facets
from graft.server.search.selectors import FEW

MAX_RELATIVES = 100


@dataclass(frozen=True)
class Relative:
    """A model in another one's tree; `here` where this Hub has it and the asker may see it."""

    name: str
    relation: str
    here: bool


@dataclass(frozen=True)
class Tree:
    """What a model was made from, and what was made from it."""

    bases: tuple[Relative, ...]
    children: tuple[Relative, ...]
    counts: dict[str, int]
    """How many children there are of each relation."""


def search(hub: Hub, query: Query, user: User | None) -> Page[Repository]:
    """The repositories that match and that `user` may see.

    Raises:
        BadRequestError: a cursor that this Hub did not give out.
    """
    return search_rows(hub, query, user, from_values)


def search_rows(hub: Hub, query: Query, user: User | None, make: Callable[..., Item]) -> Page[Item]:
    """As `search`, with what `make` makes of the values of each row, those of `rows.repositories`.

    Raises:
        BadRequestError: a cursor that this Hub did not give out.
    """
    kept = hub.lists
    with hub.database.querying() as reader:
        chosen = search_query.choose(reader, query, visible_to(user), kept.sets)
        found = search_query.find(reader, query, chosen)
        is_part = bool(found.cursor or query.cursor)
        total = found.total if is_part else len(found.rows)
        if is_part and total is None:
            key = _key(query, user)
            total = None if kept.many.get(key) else search_query.count(reader, chosen)
            if total is not None and total > FEW:
                kept.many.put(key, True)
                total = None
    return Page(tuple(make(*row) for row in found.rows), total, found.cursor)


def facets(hub: Hub, query: Query, user: User | None, most: int = MAX_VALUES) -> Facets:
    """What a list can be narrowed by: task, library, language, license, dataset, each with its
    values, the most frequent first. On a large hub the counts may be a minute old."""

    def count() -> Facets:
        with hub.database.querying() as reader:
            chosen = search_query.choose(reader, query, visible_to(user), hub.lists.sets)
            return find_facets(reader, chosen, most)

    def is_large(found: Facets) -> bool:
        return sum(value.count for values in found.values() for value in values) > FEW

    key = (*_key(query, user), most)
    return hub.lists.facets.get_or_make(key, count, keep=is_large)


def children_of(hub: Hub, wanted: Collection[Repository], user: User | None) -> dict[int, int]:
    """How many models that `user` may see were made from each, by id."""
    by_key = {item.full_name.lower(): item.id for item in wanted if item.kind is Kind.MODEL}
    if not by_key:
        return {}
    with hub.database.reading() as session:
        rows = session.execute(
            select(BaseModelRow.base_key, func.count())
            .join(RepositoryRow, RepositoryRow.id == BaseModelRow.repository_id)
            .where(BaseModelRow.base_key.in_(by_key), visible_to(user))
            .group_by(BaseModelRow.base_key)
        ).all()
    return {by_key[key]: number for key, number in rows}


def security(hub: Hub, files: Iterable[Entry]) -> dict[str, Scan]:
    """What was found in files, by blob: programs in pickles, secrets in texts. A file that nobody
    has a reason to look at is not among them."""
    blobs = {blob_of(entry) for entry in files if entry.is_file}
    if not blobs:
        return {}
    with hub.database.reading() as session:
        return scans(session, blobs)


def tree(hub: Hub, repository: Repository, user: User | None) -> Tree:
    """The tree of models that a model stands in: its bases and theirs, and its children."""
    key = repository.full_name.lower()
    visible = visible_to(user)
    child = (
        select(BaseModelRow.relation, RepositoryRow.name, AccountRow.name)
        .join(RepositoryRow, RepositoryRow.id == BaseModelRow.repository_id)
        .join(AccountRow, AccountRow.id == RepositoryRow.owner_id)
        .where(BaseModelRow.base_key == key, visible)
    )
    with hub.database.reading() as session:
        children = session.execute(
            child.order_by(RepositoryRow.downloads.desc(), RepositoryRow.id).limit(MAX_RELATIVES)
        ).all()
        counts = session.execute(
            select(BaseModelRow.relation, func.count())
            .join(RepositoryRow, RepositoryRow.id == BaseModelRow.repository_id)
            .where(BaseModelRow.base_key == key, visible)
            .group_by(BaseModelRow.relation)
        ).all()
        bases = session.execute(
            select(BaseModelRow.base_name, BaseModelRow.relation, RepositoryRow.id)
            .outerjoin(
                RepositoryRow,
                (RepositoryRow.key == BaseModelRow.base_key)
                & (RepositoryRow.kind == Kind.MODEL.value)
                & visible,
            )
            .where(BaseModelRow.repository_id == repository.id)
            .order_by(BaseModelRow.id)
        ).all()
    return Tree(
        tuple(Relative(name, relation, found is not None) for name, relation, found in bases),
        tuple(Relative(f"{owner}/{name}", relation, True) for relation, name, owner in children),
        {relation: int(number) for relation, number in counts},
    )


def _key(query: Query, user: User | None) -> tuple[Any, ...]:
    """What a count depends on: all but order and page; and who asks, with what token."""
    bounds = (query.min_parameters, query.max_parameters, query.gated)
    return (query.kind, query.words, query.author, query.tags, *bounds, user)
