"""The orders of lists: what reads rows or ids in one of them, and the cursors that lead on.

Statements are put together once and kept: to make one anew, and to see that it is one of those that
were compiled before, takes longer than the database takes to answer it. They have these parameters:
`most`, how many to answer; `after` and `after_id`, the cursor; `listed`, the ids to choose from.
"""

import base64
import json
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, and_, bindparam, or_, select
from sqlalchemy.sql.elements import KeyedColumnElement

from graft.server.db.database import Dialect
from graft.server.db.tables import RepositoryRow
from graft.server.errors import BadRequestError
from graft.server.records import Query, Sort
from graft.server.rows import repositories
from graft.server.search import text
from graft.server.search.selectors import within

KEPT_STATEMENTS = 500
"""How many of each kind are kept; those of people who log in name what they own."""
_R = RepositoryRow.__table__.c

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

Cursor = tuple[Any, int]
"""The value that a list is ordered by, and the id, of the last row that was shown."""


def shape_of(query: Query) -> Query:
    """What statements depend on: the same for many queries."""
    return replace(query, words="", author=None, tags=(), limit=0, cursor=None)


@lru_cache(KEPT_STATEMENTS)
def rows(shape: Query, visible: ColumnElement[bool], *, follows: bool) -> Select[Any]:
    """The rows of everything that may be seen; `follows` a cursor or not."""
    wanted = repositories(brief=shape.brief).where(*within(shape), visible)
    return _ordered(shape, wanted, follows).limit(bindparam("most", type_=Integer))


@lru_cache(KEPT_STATEMENTS)
def ids(shape: Query, dialect: Dialect, *, follows: bool) -> Select[Any]:
    """The ids of everything, as `text.read_ids` reads them. Only what an index holds is looked at,
    so that ten thousand of them take a few milliseconds."""
    wanted = select(_R.id).where(*within(shape))
    limited = _ordered(shape, wanted, follows).limit(bindparam("most", type_=Integer))
    return text.joined_ids(dialect, limited)


@lru_cache(KEPT_STATEMENTS)
def ids_among(
    shape: Query, visible: ColumnElement[bool], dialect: Dialect, *, follows: bool
) -> Select[Any]:
    """Those of the `listed` ids that may be seen, as `text.read_ids` reads them."""
    wanted = select(_R.id).where(*within(shape), visible, _R.id.in_(text.listed_ids(dialect)))
    return text.joined_ids(dialect, _ordered(shape, wanted, follows))


@lru_cache(KEPT_STATEMENTS)
def rows_among(visible: ColumnElement[bool], dialect: Dialect, *, brief: bool) -> Select[Any]:
    """The rows of those of the `listed` ids that may be seen, in no order."""
    return repositories(brief=brief).where(_R.id.in_(text.listed_ids(dialect)), visible)


@lru_cache
def value(sort: Sort) -> Select[Any]:
    """What a list is ordered by, of the row `id`."""
    return select(_COLUMNS[sort]).where(_R.id == bindparam("id"))


def parameters(after: Cursor | None) -> dict[str, Any]:
    """What a statement that follows a cursor takes; nothing without one."""
    return {} if after is None else {"after": after[0], "after_id": after[1]}


def write_cursor(query: Query, row: Row[Any]) -> str:
    """What leads on after a row."""
    last = getattr(row, _COLUMNS[query.sort].key)
    last = last.isoformat() if isinstance(last, datetime) else last
    return base64.urlsafe_b64encode(json.dumps([last, row.id]).encode()).decode()


def read_cursor(query: Query) -> Cursor | None:
    """The query's cursor; None where it begins the list.

    Raises:
        BadRequestError: a cursor that this server did not give out.
    """
    return _read(query.cursor, _COLUMNS[query.sort]) if query.cursor else None


def _ordered(shape: Query, wanted: Select[Any], follows: bool) -> Select[Any]:
    column, row_id = _COLUMNS[shape.sort], _R.id
    after = bindparam("after", type_=column.type)
    after_id = bindparam("after_id", type_=row_id.type)
    # The first part is what an index can be entered by; the second takes out what was shown.
    if shape.descending:
        past = and_(column <= after, or_(column < after, row_id < after_id))
        wanted = wanted.order_by(column.desc(), row_id.desc())
    else:
        past = and_(column >= after, or_(column > after, row_id > after_id))
        wanted = wanted.order_by(column, row_id)
    return wanted.where(past) if follows else wanted


def _read(cursor: str, column: KeyedColumnElement[Any]) -> Cursor:
    try:
        last, row_id = json.loads(base64.urlsafe_b64decode(cursor))
        if column.key.endswith("_at"):
            last = datetime.fromisoformat(last)
        elif not isinstance(last, str if column.key == "key" else int):
            raise TypeError(last)
        elif isinstance(last, str) and not last.isascii():  # no name is so
            raise ValueError(last)
        if not all(abs(n) < 2**63 for n in (last, int(row_id)) if isinstance(n, int)):
            raise ValueError(cursor)
        return last, int(row_id)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadRequestError(
            f"The cursor {cursor[:40]!r} is not one that this Hub gave out; start the list anew."
        ) from None
