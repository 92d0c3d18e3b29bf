"""Rows of the database as plain records."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from graft.server.db.tables import AccountRow, RepositoryRow
from graft.server.records import Gate, Kind, Repository

# Columns of tables, not of mapped classes: almost every request reads some, and SQLAlchemy passes
# plain ones on in half the time.
_R = RepositoryRow.__table__.c
_A = AccountRow.__table__.c
BRIEF = (
    *(_R.id, _R.kind, _R.name, _R.folder, _R.private, _R.created_at, _R.updated_at, _R.head),
    *(_R.downloads, _R.likes, _R.trending_score, _R.tag_list, _R.task, _R.library, _R.license),
    *(_R.owner_id, _R.creator_id, _R.gated, _R.size, _R.parameters, _R.key),
    _A.name.label("owner_name"),
)
WHOLE = (*BRIEF, _R.weights, _R.card)


def repositories(*, brief: bool = False) -> Select[Any]:
    """A query for repositories that `to_record` makes records of; a brief one leaves out the card
    and the counts of weights, which may be long."""
    columns: tuple[ColumnElement[Any] | Any, ...] = BRIEF if brief else WHOLE
    return select(*columns).join(AccountRow.__table__, _A.id == _R.owner_id)


def to_record(row: Row[Any] | RepositoryRow) -> Repository:
    """A repository's row as a plain value that outlives the transaction."""
    values: Any = row
    if isinstance(row, RepositoryRow):
        own = (getattr(row, column.key) for column in BRIEF[:-1])
        values = (*own, row.owner.name, row.weights, row.card)
    return from_values(*values)


def from_values(
    number: int,
    kind: str,
    name: str,
    folder: str,
    private: bool,
    created_at: datetime,
    updated_at: datetime,
    head: str | None,
    downloads: int,
    likes: int,
    trending_score: int,
    tag_list: str,
    task: str | None,
    library: str | None,
    license_name: str | None,
    owner_id: int,
    creator_id: int | None,
    gated: str | None,
    size: int,
    _parameters: int | None,
    _key: str,
    owner: str,
    weights: str | None = None,
    card: str | None = None,
) -> Repository:
    """The values of `WHOLE`, or of `BRIEF`, in their order: pages of many rows are made here, and
    looking up names in rows would take longer than the rest."""
    tags, languages, datasets = _tags(tag_list)
    return Repository(
        id=number,
        kind=Kind(kind),
        owner=owner,
        name=name,
        folder=folder,
        private=private,
        created_at=created_at,
        updated_at=updated_at,
        head=head,
        downloads=downloads,
        likes=likes,
        trending_score=trending_score,
        tags=tags,
        task=task,
        library=library,
        license=license_name,
        languages=languages,
        datasets=datasets,
        weights=json.loads(weights) if weights else {},
        size=size,
        card=json.loads(card) if card else {},
        owner_id=owner_id,
        creator_id=creator_id,
        gated=to_gate(gated),
    )


def to_gate(value: str | None) -> Gate | None:
    """The column `gated` as a value of its type."""
    return "manual" if value == "manual" else "auto" if value == "auto" else None


@lru_cache(maxsize=20_000)
def _tags(text: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(tags, languages, data sets) from the column `tag_list`."""
    tags = tuple(json.loads(text))
    return tags, _after("language:", tags), _after("dataset:", tags)


def _after(prefix: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag[len(prefix) :] for tag in tags if tag.startswith(prefix))
