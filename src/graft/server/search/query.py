"""Listing repositories: words, filters, order, pages."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import KeyedColumnElement

from graft.server.db.tables import RepositoryRow
from graft.server.errors import BadRequestError
from graft.server.records import Query, Sort
from graft.server.rows import repositories
from graft.server.search import text
from graft.server.search.selectors import FEW, Bits, CommonSets, selectors_of, within

MAX_LIMIT = 1000
_R = RepositoryRow.__table__.c
WALK_ROWS = 500
"""How many rows of an order are looked at at once, at least, for those that were chosen."""
SLACK = 8

_COLUMNS: dict[Sort, KeyedColumnElement[Any]] = {
    "updated": _R.updated_at,
    "created": _R.created_at,
    "downloads": _R.downloads,
    "likes": _R.likes,
    "trending": _R.trending_score,
    "name": _R.key,
    "parameters": _R.parameters,
    "size": _R.size,
}


@dataclass(frozen=True)
class Chosen:
    """What a query leaves, before order and pages: a list of few ids, bits of many, or everything;
    and the conditions that hold beside that."""

    ids: list[int] | Bits | None
    conditions: tuple[ColumnElement[bool], ...]
    visible: ColumnElement[bool]

    @property
    def all_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All that is looked at row by row."""
        return (*self.conditions, self.visible)


def choose(
    session: Session, query: Query, visible: ColumnElement[bool], sets: CommonSets
) -> Chosen:
    """What matches and may be seen."""
    ids = sets.choose(session, selectors_of(query))
    return Chosen(ids, tuple(within(query)), visible)


@dataclass(frozen=True)
class Found:
    """One page of what was chosen, as `rows.repositories` reads it."""

    rows: list[Row[Any]]
    cursor: str | None
    """Where the next page begins; None at the end."""
    total: int | None
    """How many were chosen in all, where that was to be seen on the way."""


def find(session: Session, query: Query, chosen: Chosen) -> Found:
    """One page of what was chosen.

    Raises:
        BadRequestError: a cursor that this server did not give out.
    """
    limit = max(1, min(query.limit, MAX_LIMIT))
    total = None
    if chosen.ids is None:
        rows = _page(session, query, chosen, limit + 1)
    elif isinstance(chosen.ids, list):
        ids = _in_order_of_few(session, query, chosen, chosen.ids)
        rows = _visible(session, query, chosen, ids[: limit + 1])
        total = None if query.cursor else len(ids)
    else:
        rows = _walk(session, query, chosen, chosen.ids, limit + 1)
    column = _COLUMNS[query.sort]
    cursor = _cursor(rows[limit - 1], column) if len(rows) > limit else None
    return Found(rows[:limit], cursor, total)


def count(session: Session, chosen: Chosen, most: int = FEW) -> int:
    """How many were chosen; those past `most` are not counted."""
    ids = chosen.ids
    if isinstance(ids, np.ndarray):
        return most + 1
    matching = select(RepositoryRow.id).where(*chosen.all_conditions)
    if ids is not None:
        matching = matching.where(RepositoryRow.id.in_(text.among(session, ids)))
    limited = matching.limit(most + 1).subquery()
    return session.scalar(select(func.count()).select_from(limited)) or 0


def _page(session: Session, query: Query, chosen: Chosen, limit: int) -> list[Row[Any]]:
    """Rows in order, of everything."""
    wanted = repositories(brief=query.brief).where(*chosen.all_conditions)
    return list(session.execute(_ordered(query, wanted).limit(limit)))


def _in_order_of_few(session: Session, query: Query, chosen: Chosen, ids: list[int]) -> list[int]:
    """Those of few ids that may be seen and follow the query's cursor, in its order: by themselves,
    for whole rows are needed of one page only."""
    asked = _ordered(query, select(_R.id).where(*chosen.all_conditions))
    if not ids:
        return []
    found: list[int] = text.ids_of(
        session, asked.where(_R.id.in_(text.among(session, ids)))
    ).tolist()
    return found


def _walk(session: Session, query: Query, chosen: Chosen, bits: Bits, limit: int) -> list[Row[Any]]:
    """Rows in order, of many: the order is walked through until enough of it was chosen."""
    rows: list[Row[Any]] = []
    waiting: list[int] = []
    for ids in _in_order(session, query, chosen, bits, limit):
        waiting += ids
        while len(rows) < limit and len(waiting) > limit - len(rows):
            # Some more than needed: few of them are private.
            part = waiting[: limit - len(rows) + SLACK]
            del waiting[: len(part)]
            rows += _visible(session, query, chosen, part)
        if len(rows) >= limit:
            return rows[:limit]
    return (rows + _visible(session, query, chosen, waiting))[:limit]


def _in_order(
    session: Session, query: Query, chosen: Chosen, bits: Bits, limit: int
) -> Iterator[list[int]]:
    """The ids that were chosen, in the query's order, some at a time.

    Only what an index holds is looked at here, so that ten thousand rows take a few milliseconds;
    whether each may be seen is asked of those that would be shown.
    """
    share = max(float(bits.mean()), 0.001)
    step = max(WALK_ROWS, int(limit / share * 1.5))
    asked = select(_R.id).where(*chosen.conditions)
    after = _after(query)
    while True:
        page = _order(query, asked).limit(step)
        ids = text.ids_of(session, page if after is None else page.where(after))
        known = ids[ids < len(bits)]
        yield known[bits[known]].tolist()
        if len(ids) < step:
            return
        last = int(ids[-1])
        value = session.scalar(select(_COLUMNS[query.sort]).where(_R.id == last))
        if value is None:  # deleted just now, where the database does not hold still
            return
        after = _past(query, value, last)
        step *= 2


def _visible(session: Session, query: Query, chosen: Chosen, ids: list[int]) -> list[Row[Any]]:
    """The rows of ids that may be seen, in the order of the ids."""
    if not ids:
        return []
    wanted = repositories(brief=query.brief).where(
        _R.id.in_(text.among(session, ids)), chosen.visible
    )
    by_id = {row.id: row for row in session.execute(wanted)}
    return [by_id[i] for i in ids if i in by_id]


def _ordered(query: Query, wanted: Select[Any]) -> Select[Any]:
    after = _after(query)
    return _order(query, wanted if after is None else wanted.where(after))


def _order(query: Query, wanted: Select[Any]) -> Select[Any]:
    column = _COLUMNS[query.sort]
    if query.descending:
        return wanted.order_by(column.desc(), RepositoryRow.id.desc())
    return wanted.order_by(column, RepositoryRow.id)


def _after(query: Query) -> ColumnElement[bool] | None:
    """The condition that leaves what follows the query's cursor."""
    if not query.cursor:
        return None
    return _past(query, *_read_cursor(query.cursor, _COLUMNS[query.sort]))


def _past(query: Query, value: Any, row_id: int) -> ColumnElement[bool]:
    column = _COLUMNS[query.sort]
    # The first part is what an index can be entered by; the second takes out what was shown.
    if query.descending:
        return and_(column <= value, or_(column < value, RepositoryRow.id < row_id))
    return and_(column >= value, or_(column > value, RepositoryRow.id > row_id))


def _cursor(row: Row[Any], column: KeyedColumnElement[Any]) -> str:
    value = getattr(row, column.key)
    value = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([value, row.id]).encode()).decode()


def _read_cursor(cursor: str, column: KeyedColumnElement[Any]) -> tuple[Any, int]:
    try:
        value, row_id = json.loads(base64.urlsafe_b64decode(cursor))
        if column.key.endswith("_at"):
            value = datetime.fromisoformat(value)
        elif not isinstance(value, str if column.key == "key" else int):
            raise TypeError(value)
        if not -(2**63) <= int(row_id) < 2**63 or not isinstance(value, int) or abs(value) < 2**63:
            return value, int(row_id)
        raise ValueError(row_id)
    except (ValueError, TypeError, RecursionError):
        raise BadRequestError(
            f"The cursor {cursor[:40]!r} is not one that this Hub gave out; start the list anew."
        ) from None
