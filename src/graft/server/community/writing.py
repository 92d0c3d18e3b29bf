"""Writing into discussions, within somebody's transaction: what was said, what changed, and that
those who watch are told."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server import events
from graft.server.community.keys import new_key
from graft.server.community.rows import comment_facts, discussion_facts
from graft.server.db.tables import AccountRow
from graft.server.db.tables.community import DiscussionEventRow, DiscussionRow
from graft.server.errors import NotFoundError
from graft.server.records import Repository


@dataclass(frozen=True)
class Merge:
    """The merge of a pull request: what its discussion keeps, beside the commit made."""

    number: int
    author_id: int
    """The account that merges it."""
    base: str | None
    """The commit that both sides grew from; None where they share none."""
    head: str
    """The pull request's newest commit."""


def mark_merged(session: Session, repository: Repository, merge: Merge, commit: str) -> None:
    """Writes that a pull request was merged in `commit`; where that is known, nothing changes.

    Raises:
        NotFoundError: no such discussion.
    """
    row = get_row(session, repository, merge.number)
    if row.status == "merged":
        return
    row.status, row.merge_commit = "merged", commit
    row.merge_base, row.merge_head = merge.base, merge.head
    author = session.get(AccountRow, merge.author_id)  # None: deleted meanwhile
    add_event(session, row, author.id if author else None, "status-change", "merged")
    tell(session, repository, row)


def get_row(
    session: Session, repository: Repository, number: int, *, lock: bool = True
) -> DiscussionRow:
    """A discussion's row within a transaction; with `lock`, those who change it come one after the
    other.

    Raises:
        NotFoundError: no such discussion.
    """
    query = select(DiscussionRow).where(
        DiscussionRow.repository_id == repository.id, DiscussionRow.number == number
    )
    row = session.scalar(query.with_for_update(of=DiscussionRow) if lock else query)
    if row is None:
        raise NotFoundError(f"{repository.full_name} has no discussion or pull request {number}.")
    return row


def add_event(
    session: Session,
    row: DiscussionRow,
    author_id: int | None,
    kind: str,
    text: str,
    *,
    before: str = "",
) -> DiscussionEventRow:
    """Writes that an account said or changed something."""
    now = datetime.now(UTC)
    event = DiscussionEventRow(
        key=new_key(),
        discussion_id=row.id,
        type=kind,
        author=session.get(AccountRow, author_id) if author_id is not None else None,
        author_id=author_id,
        created_at=now,
        text=text,
        before=before,
        hidden=False,
    )
    session.add(event)
    row.updated_at = now
    if kind == "comment":
        row.comments += 1
    session.flush()
    return event


def tell(session: Session, repository: Repository, row: DiscussionRow) -> None:
    """Tells those who watch that a discussion changed."""
    facts = discussion_facts(row)
    events.emit(session, events.Event("discussion", "update", repository, discussion=facts))


def say(
    session: Session, repository: Repository, row: DiscussionRow, author_id: int, text: str
) -> DiscussionEventRow:
    """Writes a comment, and tells those who watch."""
    said = add_event(session, row, author_id, "comment", text)
    tell_of_comment(session, repository, row, said, "create")
    return said


def tell_of_comment(
    session: Session,
    repository: Repository,
    row: DiscussionRow,
    said: DiscussionEventRow,
    action: events.Action,
) -> None:
    """Tells those who watch that a comment was written or changed."""
    facts, what = discussion_facts(row), comment_facts(said)
    event = events.Event("discussion.comment", action, repository, discussion=facts, comment=what)
    events.emit(session, event)
