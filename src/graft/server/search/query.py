"""Listing repositories: words, filters, order, pages, and counts of what a list can be cut by."""

import base64
import json
import re
from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from graft.server.db.tables import AccountRow, RepositoryRow, TagRow
from graft.server.errors import BadRequestError
from graft.server.records import FacetValue, Query, Sort

MAX_LIMIT = 1000
FACETS = ("task", "library", "language", "license", "dataset")
MAX_FACET_VALUES = 50

_WORD = re.compile(r"\w+")

_COLUMNS: dict[Sort, InstrumentedAttribute[Any]] = {
    "updated": RepositoryRow.updated_at,
    "created": RepositoryRow.created_at,
    "downloads": RepositoryRow.downloads,
    "name": RepositoryRow.key,
    "parameters": RepositoryRow.parameters,
}


def find(
    session: Session, query: Query, viewer_id: int | None
) -> tuple[list[RepositoryRow], int, str | None]:
    """One page of what matches: its rows, how many match in all, and where the next page begins.

    Raises:
        BadRequestError: a cursor that this server did not give out.
    """
    matching = _matching(session, query, viewer_id)
    total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    column = _COLUMNS[query.sort]
    if query.sort == "parameters":
        matching = matching.where(RepositoryRow.parameters.is_not(None))
    limit = max(1, min(query.limit, MAX_LIMIT))
    page = select(RepositoryRow).where(RepositoryRow.id.in_(matching))
    if query.cursor:
        page = page.where(_after(column, query))
    order = (
        (column.desc(), RepositoryRow.id.desc()) if query.descending else (column, RepositoryRow.id)
    )
    rows = list(session.scalars(page.order_by(*order).limit(limit + 1)))
    cursor = _cursor(rows[limit - 1], column) if len(rows) > limit else None
    return rows[:limit], total, cursor


def facets(session: Session, query: Query, viewer_id: int | None) -> dict[str, list[FacetValue]]:
    """For each facet, the values among what matches, the most frequent first."""
    count = func.count()
    rows = session.execute(
        select(TagRow.facet, TagRow.tag, count)
        .where(
            TagRow.repository_id.in_(_matching(session, query, viewer_id)),
            TagRow.facet.in_(FACETS),
        )
        .group_by(TagRow.facet, TagRow.tag)
        .order_by(count.desc(), TagRow.tag)
    )
    found: dict[str, list[FacetValue]] = defaultdict(list)
    for facet, tag, number in rows:
        if len(found[facet]) < MAX_FACET_VALUES:
            label = tag.partition(":")[2] if ":" in tag else tag
            found[facet].append(FacetValue(tag, label, number))
    return {facet: found[facet] for facet in FACETS}


def _matching(session: Session, query: Query, viewer_id: int | None) -> Select[int]:
    """The ids of all repositories that match and that the viewer may see."""
    conditions: list[ColumnElement[bool]] = [
        RepositoryRow.kind == query.kind.value,
        or_(RepositoryRow.private.is_(False), RepositoryRow.owner_id == viewer_id),
    ]
    if query.author:
        owner = select(AccountRow.id).where(AccountRow.key == query.author.lower())
        conditions.append(RepositoryRow.owner_id.in_(owner))
    if query.min_parameters is not None:
        conditions.append(RepositoryRow.parameters >= query.min_parameters)
    if query.max_parameters is not None:
        conditions.append(RepositoryRow.parameters <= query.max_parameters)
    for tag in query.tags:
        tagged = select(TagRow.repository_id).where(
            # Clients name a language or a library with its prefix or without.
            TagRow.tag.in_([tag, f"language:{tag}", tag.removeprefix("library:")])
        )
        conditions.append(RepositoryRow.id.in_(tagged))
    if query.words.strip():
        conditions.append(_has_words(session.get_bind().dialect.name, query.words))
    return select(RepositoryRow.id).where(and_(*conditions))


def _has_words(dialect: str, words: str) -> ColumnElement[bool]:
    """Part of the name, or every word (or its beginning) somewhere in name, tags or card."""
    pattern = words.strip().lower()
    in_name = RepositoryRow.key.contains(pattern, autoescape=True)
    tokens = _WORD.findall(pattern)
    if not tokens:
        return in_name
    if dialect == "sqlite":
        condition = "repository_search MATCH :match"
        match = " ".join(f'"{token}"*' for token in tokens)
    else:
        condition = "words @@ to_tsquery('simple', :match)"
        match = " & ".join(f"'{token}':*" for token in tokens)
    in_text: Select[int] = (
        select(literal_column("rowid"))
        .select_from(text("repository_search"))
        .where(text(condition).bindparams(match=match))
    )
    return or_(in_name, RepositoryRow.id.in_(in_text))


def _after(column: InstrumentedAttribute[Any], query: Query) -> ColumnElement[bool]:
    value, row_id = _read_cursor(query.cursor or "", column)
    if query.descending:
        return or_(column < value, and_(column == value, RepositoryRow.id < row_id))
    return or_(column > value, and_(column == value, RepositoryRow.id > row_id))


def _cursor(row: RepositoryRow, column: InstrumentedAttribute[Any]) -> str:
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
        return value, int(row_id)
    except (ValueError, TypeError):
        raise BadRequestError(
            f"The cursor {cursor[:40]!r} is not one that this Hub gave out; start the list anew."
        ) from None
