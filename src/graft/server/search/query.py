"""Listing repositories: words, filters, order, pages."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from graft.server.db.tables import RepositoryRow
from graft.server.errors import BadRequestError
from graft.server.records import Query, Sort
from graft.server.rows import repositories
from graft.server.search import text
from graft.server.search.selectors import FEW, Bits, CommonSets, selectors_of, within

MAX_LIMIT = 1000
WALK_ROWS = 500
"""How many rows of an order are looked at at once, at least, for those that were chosen."""

_COLUMNS: dict[Sort, InstrumentedAttribute[Any]] = {
    "updated": RepositoryRow.updated_at,
    "created": RepositoryRow.created_at,
    "downloads": RepositoryRow.downloads,
    "likes": RepositoryRow.likes,
    "trending": RepositoryRow.trending_score,
    "name": RepositoryRow.key,
    "parameters": RepositoryRow.parameters,
    "size": RepositoryRow.size,
}


@dataclass(frozen=True)
class Chosen:
    """What a query leaves, before order and pages: a list of few ids, bits of many, or everything;
    and the conditions that hold beside that."""

    ids: list[int] | Bits | None
    conditions: tuple[ColumnElement[bool], ...]


def choose(
    session: Session, query: Query, visible: ColumnElement[bool], sets: CommonSets
) -> Chosen:
    """What matches and may be seen."""
    ids = sets.choose(session, selectors_of(query))
    return Chosen(ids, (*within(query), visible))


def find(session: Session, query: Query, chosen: Chosen) -> tuple[list[Row[Any]], str | None]:
    """One page of what was chosen, as `rows.repositories` reads it, and where the next begins.

    Raises:
        BadRequestError: a cursor that this server did not give out.
    """
    limit = max(1, min(query.limit, MAX_LIMIT))
    if isinstance(chosen.ids, np.ndarray):
        rows = _walk(session, query, chosen, chosen.ids, limit + 1)
    else:
        rows = _page(session, query, chosen, limit + 1)
    column = _COLUMNS[query.sort]
    cursor = _cursor(rows[limit - 1], column) if len(rows) > limit else None
    return rows[:limit], cursor


def count(session: Session, chosen: Chosen, most: int = FEW) -> int:
    """How many were chosen; those past `most` are not counted."""
    ids = chosen.ids
    if isinstance(ids, np.ndarray):
        return most + 1
    matching = select(RepositoryRow.id).where(*chosen.conditions)
    if ids is not None:
        matching = matching.where(RepositoryRow.id.in_(text.among(session, ids)))
    limited = matching.limit(most + 1).subquery()
    return session.scalar(select(func.count()).select_from(limited)) or 0


def _page(session: Session, query: Query, chosen: Chosen, limit: int) -> list[Row[Any]]:
    """Rows in order, of everything or of few."""
    if chosen.ids == []:
        _after(query)  # a cursor that makes no sense is told of all the same
        return []
    page = _ordered(query, repositories(brief=query.brief)).where(*chosen.conditions).limit(limit)
    if isinstance(chosen.ids, list):
        page = page.where(RepositoryRow.id.in_(text.among(session, chosen.ids)))
    return list(session.execute(page))


def _walk(session: Session, query: Query, chosen: Chosen, bits: Bits, limit: int) -> list[Row[Any]]:
    """Rows in order, of many: the order is walked through until enough of it was chosen."""
    share = max(float(bits.mean()), 0.001)
    step = max(WALK_ROWS, int(limit / share * 1.5))
    column = _COLUMNS[query.sort]
    found: list[int] = []
    asked = select(RepositoryRow.id, column).where(*chosen.conditions)
    after = _after(query)
    while True:
        page = _order(query, asked).limit(step)
        rows = session.execute(page if after is None else page.where(after)).all()
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        ids = ids[ids < len(bits)]
        found += ids[bits[ids]].tolist()
        if len(found) >= limit or len(rows) < step:
            break
        after = _past(query, rows[-1][1], rows[-1][0])
        step *= 2
    if not found:
        return []
    wanted = repositories(brief=query.brief).where(
        RepositoryRow.id.in_(text.among(session, found[:limit]))
    )
    by_id = {row.id: row for row in session.execute(wanted)}
    return [by_id[i] for i in found[:limit] if i in by_id]


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


def _cursor(row: Row[Any], column: InstrumentedAttribute[Any]) -> str:
    value = getattr(row, column.key)
    value = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([value, row.id]).encode()).decode()


def _read_cursor(cursor: str, column: InstrumentedAttribute[Any]) -> tuple[Any, int]:
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
