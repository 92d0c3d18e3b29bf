"""Rows of the database as plain records."""

import json
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
    tags = tuple(json.loads(row.tag_list))
    return Repository(
        id=row.id,
        kind=Kind(row.kind),
        owner=row.owner.name if isinstance(row, RepositoryRow) else row.owner_name,
        name=row.name,
        folder=row.folder,
        private=row.private,
        created_at=row.created_at,
        updated_at=row.updated_at,
        head=row.head,
        downloads=row.downloads,
        likes=row.likes,
        trending_score=row.trending_score,
        tags=tags,
        task=row.task,
        library=row.library,
        license=row.license,
        languages=_after("language:", tags),
        datasets=_after("dataset:", tags),
        weights=json.loads(getattr(row, "weights", "{}")),
        size=row.size,
        card=json.loads(getattr(row, "card", "{}")),
        owner_id=row.owner_id,
        creator_id=row.creator_id,
        gated=to_gate(row.gated),
    )


def to_gate(value: str | None) -> Gate | None:
    """The column `gated` as a value of its type."""
    return "manual" if value == "manual" else "auto" if value == "auto" else None


def _after(prefix: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag[len(prefix) :] for tag in tags if tag.startswith(prefix))
