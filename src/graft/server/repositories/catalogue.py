"""What can be found: lists, searches, and what is known of a repository without opening it.

All functions here block (database), so async code calls them in a worker thread.
"""

import json
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, func, select

from graft.server.content import large
from graft.server.db.tables import AccountRow, BaseModelRow, ContentsRow, RepositoryRow
from graft.server.errors import RefusedError
from graft.server.git.repository import DEFAULT_BRANCH
from graft.server.hub import Hub
from graft.server.people.access import visible_to
from graft.server.records import Entry, Item, Kind, Lfs, Page, Query, Repository, User
from graft.server.repositories import repos
from graft.server.rows import from_values, repositories, to_record
from graft.server.scan.scans import Scan, blob_of, scans
from graft.server.search import index
from graft.server.search import query as search_query
from graft.server.search.describe import Facts, describe
from graft.server.search.facets import MAX_VALUES, Facets
from graft.server.search.facets import facets as find_facets
from graft.server.search.selectors import FEW

MAX_RELATIVES = 100

_C = ContentsRow.__table__.c
_CONTENTS = select(_C.head, _C.files, _C.about).where(_C.repository_id == bindparam("id"))


@dataclass(frozen=True)
class Contents:
    """What a repository's newest commit holds, as it was read when it came."""

    head: str
    files: tuple[Entry, ...]
    about: dict[str, Any] = field(default_factory=dict)


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


def contents(hub: Hub, repository: Repository) -> Contents | None:
    """What the newest commit of `main` holds; None where that has not been read yet."""
    with hub.database.reading() as session:
        row = session.execute(_CONTENTS, {"id": repository.id}).first()
    if row is None or row.head != repository.head:
        return None
    return Contents(row.head, tuple(map(_entry, json.loads(row.files))), json.loads(row.about))


def contents_of(hub: Hub, wanted: Collection[Repository]) -> dict[int, Contents]:
    """What the newest commits of repositories hold, by id."""
    found = _read_contents(hub, wanted)
    for repository in wanted:
        if repository.id not in found and repository.head is not None:
            with suppress(RefusedError):  # deleted since the list was read
                found[repository.id] = at_revision(hub, repository, DEFAULT_BRANCH)[1]
    return found


def at_revision(hub: Hub, repository: Repository, revision: str) -> tuple[Repository, Contents]:
    """The repository as it was at a branch, tag or commit, read out of git.

    Raises:
        RevisionNotFoundError: none of those.
    """
    snapshot = repos.snapshot(hub, repository, revision)
    read = large.reader(hub, repository.id, snapshot)
    found = describe(repository.kind, snapshot, read, known_facts(hub, repository.id))
    then = replace(
        repository,
        head=found.head,
        updated_at=snapshot.commit.date,
        tags=tuple(found.tags),
        task=found.task,
        library=found.library,
        license=found.license,
        weights=found.weights,
        size=found.size,
        card=found.card,
    )
    return then, Contents(found.head, tuple(map(_entry, found.files)), found.about)


def known_facts(hub: Hub, repository_id: int) -> dict[str, Facts]:
    """What was read out of the files of a repository before, by blob."""
    with hub.database.reading() as session:
        return index.known_facts(session, repository_id)


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


def find_all(hub: Hub, kind: Kind, names: Iterable[str], user: User | None) -> list[Repository]:
    """Those of the repositories that are here and that `user` may see; others are left out."""
    keys = [name.lower() for name in names]
    with hub.database.reading() as session:
        rows = session.execute(
            repositories().where(
                RepositoryRow.kind == kind.value, RepositoryRow.key.in_(keys), visible_to(user)
            )
        ).all()
    return [to_record(row) for row in rows]


def _key(query: Query, user: User | None) -> tuple[Any, ...]:
    """What a count depends on: all but order and page; and who asks, with what token."""
    bounds = (query.min_parameters, query.max_parameters, query.gated)
    return (query.kind, query.words, query.author, query.tags, *bounds, user)


def _read_contents(hub: Hub, wanted: Collection[Repository]) -> dict[int, Contents]:
    heads = {item.id: item.head for item in wanted}
    columns = (ContentsRow.repository_id, ContentsRow.head, ContentsRow.files, ContentsRow.about)
    with hub.database.reading() as session:
        rows = session.execute(select(*columns).where(ContentsRow.repository_id.in_(heads))).all()
    return {
        id_: Contents(head, tuple(map(_entry, json.loads(files))), json.loads(about))
        for id_, head, files, about in rows
        if heads[id_] == head
    }


def _entry(listed: list[Any]) -> Entry:
    path, size, oid, sha256, pointer_size = listed
    lfs = Lfs(sha256, size, pointer_size) if sha256 else None
    return Entry(path, "file", oid, size, lfs)
