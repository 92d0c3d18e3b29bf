"""Reading discussions: lists, and one with all that was said in it."""

from typing import Literal

from sqlalchemy import ColumnElement, func, select

from graft.server.community.records import Discussion, DiscussionPage, ThreadEvent
from graft.server.community.rows import to_discussion, to_event
from graft.server.community.writing import get_row
from graft.server.db.tables import AccountRow
from graft.server.db.tables.community import DiscussionEventRow, DiscussionRow
from graft.server.hub import Hub
from graft.server.records import Repository

PAGE_DISCUSSIONS = 50

TypeFilter = Literal["all", "discussion", "pull_request"]
StatusFilter = Literal["all", "open", "closed"]
_CLOSED = ("merged", "closed")


def find_all(
    hub: Hub,
    repository: Repository,
    *,
    of: TypeFilter = "all",
    status: StatusFilter = "all",
    author: str | None = None,
    page: int = 0,
) -> DiscussionPage:
    """A page of a repository's discussions, the newest first.

    `open` are those to be decided, drafts included; `closed` those that are, merged included.
    """
    conditions = [DiscussionRow.repository_id == repository.id]
    if of != "all":
        conditions.append(DiscussionRow.is_pull_request.is_(of == "pull_request"))
    with hub.database.reading() as session:
        if author:
            account = select(AccountRow.id).where(AccountRow.key == author.lower())
            conditions.append(DiscussionRow.author_id.in_(account))
        count = select(func.count()).select_from(DiscussionRow)
        closed = session.scalar(count.where(*conditions, DiscussionRow.status.in_(_CLOSED))) or 0
        wanted = [*conditions, *_has_status(status)]
        total = session.scalar(count.where(*wanted)) or 0
        start = page * PAGE_DISCUSSIONS
        rows = session.scalars(
            select(DiscussionRow)
            .where(*wanted)
            .order_by(DiscussionRow.number.desc())
            .limit(PAGE_DISCUSSIONS)
            .offset(start)
        )
        found = tuple(to_discussion(row, repository) for row in rows)
        return DiscussionPage(found, start, total, closed)


def find(
    hub: Hub, repository: Repository, number: int
) -> tuple[Discussion, tuple[ThreadEvent, ...]]:
    """A discussion and what was said and changed in it, in order; a pull request's commits are in
    git (`pull_requests.commits`).

    Raises:
        NotFoundError: no such discussion.
    """
    with hub.database.reading() as session:
        row = get_row(session, repository, number, lock=False)
        events = session.scalars(
            select(DiscussionEventRow)
            .where(DiscussionEventRow.discussion_id == row.id)
            .order_by(DiscussionEventRow.id)
        )
        return to_discussion(row, repository), tuple(to_event(event) for event in events)


def _has_status(status: StatusFilter) -> list[ColumnElement[bool]]:
    if status == "all":
        return []
    is_closed = DiscussionRow.status.in_(_CLOSED)
    return [is_closed if status == "closed" else ~is_closed]
