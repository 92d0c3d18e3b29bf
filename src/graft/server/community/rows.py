"""Rows of discussions as plain records, and as what events tell of them."""

from graft.server.community.records import (
    Discussion,
    EventType,
    Person,
    Revision,
    Status,
    ThreadEvent,
)
from graft.server.db.tables import AccountRow
from graft.server.db.tables.community import DiscussionEventRow, DiscussionRow
from graft.server.events import CommentFacts, DiscussionFacts
from graft.server.people.identity import to_account_type
from graft.server.records import Repository

_STATUSES: dict[str, Status] = {
    "draft": "draft",
    "open": "open",
    "merged": "merged",
    "closed": "closed",
}
_TYPES: dict[str, EventType] = {
    "comment": "comment",
    "status-change": "status-change",
    "title-change": "title-change",
}


def to_person(row: AccountRow | None) -> Person | None:
    """Whose account it is; None for one that was deleted."""
    if row is None:
        return None
    return Person(row.id, row.name, row.full_name, to_account_type(row.type))


def to_discussion(row: DiscussionRow, repository: Repository) -> Discussion:
    """A discussion's row as a plain value."""
    return Discussion(
        id=row.id,
        key=row.key,
        repository=repository,
        number=row.number,
        title=row.title,
        author=to_person(row.author),
        is_pull_request=row.is_pull_request,
        status=_STATUSES[row.status],
        created_at=row.created_at,
        updated_at=row.updated_at,
        comments=row.comments,
        base=row.base,
        merge_commit=row.merge_commit,
        merge_base=row.merge_base,
        merge_head=row.merge_head,
    )


def to_event(row: DiscussionEventRow) -> ThreadEvent:
    """An event's row as a plain value; a hidden comment has lost its text."""
    return ThreadEvent(
        key=row.key,
        type=_TYPES[row.type],
        author=to_person(row.author),
        created_at=row.created_at,
        text="" if row.hidden else row.text,
        before=row.before,
        hidden=row.hidden,
        edited_at=row.edited_at,
        edited_by=to_person(row.edited_by),
        revisions=()
        if row.hidden
        else tuple(Revision(old.text, old.created_at) for old in row.revisions),
    )


def discussion_facts(row: DiscussionRow) -> DiscussionFacts:
    """What an event tells of a discussion."""
    return DiscussionFacts(
        key=row.key,
        number=row.number,
        title=row.title,
        author_id=row.author_id,
        is_pull_request=row.is_pull_request,
        status=row.status,
        base=row.base,
        merge_commit=row.merge_commit,
    )


def comment_facts(row: DiscussionEventRow) -> CommentFacts:
    """What an event tells of a comment."""
    return CommentFacts(row.key, row.author_id, "" if row.hidden else row.text, row.hidden)
