"""Listing repositories: words, filters, order, pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, func, select

from graft.server.db.database import Reader, dialect_of
from graft.server.db.tables import RepositoryRow
from graft.server.records import Query
from graft.server.search import order, text
from graft.server.search.selectors import FEW, Bits, CommonSets, selectors_of, within

MAX_LIMIT = 1000
WALK_ROWS = 500
"""How many rows of an order are looked at at once, at least, for those that were chosen."""
SLACK = 8


@dataclass(frozen=True)
class Chosen:
    """What a query leaves, before order and pages: a list of few ids, bits of many, or everything;
    and the conditions that hold beside that."""

    query: Query
    ids: list[int] | Bits | None
    visible: ColumnElement[bool]

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All that is looked at row by row."""
        return (*within(self.query), self.visible)


def choose(reader: Reader, query: Query, visible: ColumnElement[bool], sets: CommonSets) -> Chosen:
    """What matches and may be seen."""
    ids = sets.choose(reader, selectors_of(query))
    return Chosen(query, ids, visible)


@dataclass(frozen=True)
class Found:
    """One page of what was chosen, as `rows.repositories` reads it."""

    rows: list[Row[Any]]
    cursor: str | None
    """Where the next page begins; None at the end."""
    total: int | None
    """How many were chosen in all, where that was to be seen on the way."""


def find(reader: Reader, query: Query, chosen: Chosen) -> Found:
    """One page of what was chosen.

    Raises:
        BadRequestError: a cursor that this server did not give out.
    """
    limit = max(1, min(query.limit, MAX_LIMIT))
    after = order.read_cursor(query)
    total = None
    if chosen.ids is None:
        rows = _page(reader, query, chosen, after, limit + 1)
    elif isinstance(chosen.ids, list):
        ids = _in_order_of_few(reader, query, chosen, after, chosen.ids)
        rows = _visible(reader, query, chosen, ids[: limit + 1])
        total = None if query.cursor else len(ids)
    else:
        rows = _walk(reader, query, chosen, after, chosen.ids, limit + 1)
    cursor = order.write_cursor(query, rows[limit - 1]) if len(rows) > limit else None
    return Found(rows[:limit], cursor, total)


def count(reader: Reader, chosen: Chosen, most: int = FEW) -> int:
    """How many were chosen; those past `most` are not counted."""
    ids = chosen.ids
    if isinstance(ids, np.ndarray):
        return most + 1
    matching = select(RepositoryRow.id).where(*chosen.conditions)
    if ids is not None:
        matching = matching.where(RepositoryRow.id.in_(text.among(reader, ids)))
    limited = matching.limit(most + 1).subquery()
    return reader.scalar(select(func.count()).select_from(limited)) or 0


def _page(
    reader: Reader, query: Query, chosen: Chosen, after: order.Cursor | None, limit: int
) -> list[Row[Any]]:
    """Rows in order, of everything."""
    asked = order.rows(order.shape_of(query), chosen.visible, follows=after is not None)
    return list(reader.execute(asked, {"most": limit, **order.parameters(after)}))


def _in_order_of_few(
    reader: Reader, query: Query, chosen: Chosen, after: order.Cursor | None, ids: list[int]
) -> list[int]:
    """Those of few ids that may be seen and follow the query's cursor, in its order: by themselves,
    for whole rows are needed of one page only."""
    if not ids:
        return []
    shape, dialect = order.shape_of(query), dialect_of(reader)
    asked = order.ids_among(shape, chosen.visible, dialect, follows=after is not None)
    values = {"listed": text.as_list(ids), **order.parameters(after)}
    found: list[int] = text.read_ids(reader, asked, values).tolist()
    return found


def _walk(
    reader: Reader,
    query: Query,
    chosen: Chosen,
    after: order.Cursor | None,
    bits: Bits,
    limit: int,
) -> list[Row[Any]]:
    """Rows in order, of many: the order is walked through until enough of it was chosen."""
    rows: list[Row[Any]] = []
    waiting: list[int] = []
    for ids in _in_order(reader, query, after, bits, limit):
        waiting += ids
        while len(rows) < limit and len(waiting) > limit - len(rows):
            # Some more than needed: few of them are private.
            part = waiting[: limit - len(rows) + SLACK]
            del waiting[: len(part)]
            rows += _visible(reader, query, chosen, part)
        if len(rows) >= limit:
            return rows[:limit]
    return (rows + _visible(reader, query, chosen, waiting))[:limit]


def _in_order(
    reader: Reader, query: Query, after: order.Cursor | None, bits: Bits, limit: int
) -> Iterator[list[int]]:
    """The ids that were chosen, in the query's order, some at a time; whether each may be seen is
    asked of those that would be shown."""
    share = max(np.count_nonzero(bits) / len(bits), 0.001)
    step = max(WALK_ROWS, int(limit / share * 1.5))
    shape, dialect = order.shape_of(query), dialect_of(reader)
    while True:
        asked = order.ids(shape, dialect, follows=after is not None)
        ids = text.read_ids(reader, asked, {"most": step, **order.parameters(after)})
        known = ids[ids < len(bits)]
        yield known[bits[known]].tolist()
        if len(ids) < step:
            return
        last = int(ids[-1])
        value = reader.scalar(order.value(query.sort), {"id": last})
        if value is None:  # deleted just now, where the database does not hold still
            return
        after = (value, last)
        step *= 2


def _visible(reader: Reader, query: Query, chosen: Chosen, ids: list[int]) -> list[Row[Any]]:
    """The rows of ids that may be seen, in the order of the ids."""
    if not ids:
        return []
    asked = order.rows_among(chosen.visible, dialect_of(reader), brief=query.brief)
    by_id = {row.id: row for row in reader.execute(asked, {"listed": text.as_list(ids)})}
    return [by_id[i] for i in ids if i in by_id]
