"""Discussions and pull requests: opening them, and all that is said and changed in them.

Who may do what: whoever has the right "discuss" on the repository opens and comments. Its author or
whoever may write to the repository changes a discussion's title and status. A comment is edited by
its author alone, and hidden by its author or whoever may write.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import pygit2
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from graft.server import events
from graft.server.community.keys import new_key
from graft.server.community.records import Discussion, Status, ThreadEvent
from graft.server.community.rows import comment_facts, discussion_facts, to_discussion, to_event
from graft.server.community.texts import check_comment, check_title
from graft.server.community.writing import add_event, get_row, say, tell, tell_of_comment
from graft.server.db.tables import RepositoryRow
from graft.server.db.tables.community import (
    CommentRevisionRow,
    DiscussionEventRow,
    DiscussionRow,
)
from graft.server.errors import BadRequestError, ConflictError, NotAllowedError, NotFoundError
from graft.server.git import merging
from graft.server.git import repository as git
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Repository, User
from graft.server.repositories import refchanges, repos

# --- opening -------------------------------------------------------------------------------------


def open_discussion(
    hub: Hub, repository: Repository, title: str, description: str, user: User | None
) -> Discussion:
    """A new discussion; its description is its first comment.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not discuss here.
        BadRequestError: a title or description that cannot be kept.
    """
    user = access.check(user, repository, "discuss")
    title, description = check_title(title), check_comment(description)
    with hub.database.writing() as session:
        row = _new_row(repository, user, title, status="open", base=None)
        _insert(session, repository, row, description)
        return to_discussion(row, repository)


@dataclass(frozen=True)
class Proposal:
    """What a new pull request is to be: for the branch `base` (its full name), of the commit
    `head`; None: the base's newest, for commits to come."""

    title: str
    description: str
    base: str = refchanges.MAIN
    head: str | None = None
    draft: bool = False
    """Whether it has to be told ready (`change_status`) before it can be merged."""
    objects: Collection[str] = ()
    """Large objects that the commit names, and which whoever made it may use."""


def open_pull_request(
    hub: Hub, repository: Repository, proposal: Proposal, user: User | None
) -> Discussion:
    """A new pull request, whose ref `refs/pr/NUMBER` points at the commit.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not discuss here.
        BadRequestError: a title or description that cannot be kept.
        RevisionNotFoundError: no such branch or commit.
    """
    user = access.check(user, repository, "discuss")
    with refchanges.locked(hub, repository) as opened:
        return open_pull_request_in(hub, opened, repository, proposal, user)


def open_pull_request_in(
    hub: Hub, opened: pygit2.Repository, repository: Repository, proposal: Proposal, user: User
) -> Discussion:
    """`open_pull_request` for whoever holds the repository (`refchanges.locked`) and has made the
    commit. Rights were checked.

    Raises:
        BadRequestError, RevisionNotFoundError: as `open_pull_request` does; nothing was changed.
    """
    title, description = check_title(proposal.title), check_comment(proposal.description)
    base, head = proposal.base, proposal.head
    if not base.startswith("refs/heads/"):
        raise BadRequestError(f"A pull request is for a branch (refs/heads/...), not for {base!r}.")
    start = git.find_commit(opened, base)
    target = str((git.find_commit(opened, head) if head is not None else start).id)
    status: Status = "draft" if proposal.draft else "open"
    made: list[Discussion] = []
    while True:  # until nobody opened a discussion between the look and the transaction
        with hub.database.reading() as session:
            number = _next_number(session, repository)

        def insert(session: Session, number: int = number) -> None:
            row = _new_row(repository, user, title, status=status, base=base)
            _insert(session, repository, row, description, number)
            made.append(to_discussion(row, repository))

        update = events.RefUpdate(merging.pull_request_ref(number), None, target)
        if update.ref in opened.references:  # without its pull request: left by an old fault
            opened.references.delete(update.ref)
        try:
            refchanges.move(
                hub, repository, opened, [update], objects=proposal.objects, also=insert
            )
        except _NumberTakenError:
            continue
        return made[-1]


class _NumberTakenError(Exception):
    """Somebody has just opened another discussion under this number."""


def _next_number(session: Session, repository: Repository) -> int:
    mine = DiscussionRow.repository_id == repository.id
    return (session.scalar(select(func.max(DiscussionRow.number)).where(mine)) or 0) + 1


def _new_row(
    repository: Repository, user: User, title: str, *, status: Status, base: str | None
) -> DiscussionRow:
    """The row of a discussion, or with `base` of a pull request, that has no number yet."""
    now = datetime.now(UTC)
    return DiscussionRow(
        key=new_key(),
        repository_id=repository.id,
        title=title,
        author_id=user.account.id,
        is_pull_request=base is not None,
        status=status,
        created_at=now,
        updated_at=now,
        comments=0,
        base=base,
    )


def _insert(
    session: Session,
    repository: Repository,
    row: DiscussionRow,
    description: str,
    number: int | None = None,
) -> None:
    """Gives a new row the next number of the repository, and tells of it.

    Raises:
        _NumberTakenError: that is not `number`.
    """
    # Whoever opens the next one here waits until this one has its number.
    session.execute(
        select(RepositoryRow.id).where(RepositoryRow.id == repository.id).with_for_update()
    )
    repos.get_row(session, repository)
    row.number = _next_number(session, repository)
    if number not in (None, row.number):
        raise _NumberTakenError
    session.add(row)
    session.flush()
    said = add_event(session, row, row.author_id, "comment", description)
    facts, comment = discussion_facts(row), comment_facts(said)
    opening = events.Event("discussion", "create", repository, discussion=facts, comment=comment)
    events.emit(session, opening)


# --- saying --------------------------------------------------------------------------------------


def comment(
    hub: Hub, repository: Repository, number: int, text: str, user: User | None
) -> ThreadEvent:
    """
    Raises:
        NotLoggedInError, NotAllowedError: the user may not discuss here.
        NotFoundError: no such discussion.
        BadRequestError: an empty or too long comment.
    """
    user = access.check(user, repository, "discuss")
    text = check_comment(text)
    with hub.database.writing() as session:
        row = get_row(session, repository, number)
        return to_event(say(session, repository, row, user.account.id, text))


def edit_comment(
    hub: Hub, repository: Repository, number: int, key: str, text: str, user: User | None
) -> ThreadEvent:
    """Replaces a comment's text; what it said before stays in its history.

    Raises:
        NotLoggedInError, NotAllowedError: it is not the user's.
        NotFoundError: no such discussion or comment.
        BadRequestError: an empty or too long comment.
        ConflictError: it was hidden.
    """
    user = access.check(user, repository, "discuss")
    text = check_comment(text)
    with hub.database.writing() as session:
        row = get_row(session, repository, number)
        said = _comment_row(session, row, key)
        if said.author_id != user.account.id:
            raise NotAllowedError("Only who wrote a comment may edit it.")
        if said.hidden:
            raise ConflictError("This comment was hidden: what it said is gone for good.")
        now = datetime.now(UTC)
        if text != said.text:
            past = CommentRevisionRow(text=said.text, created_at=said.edited_at or said.created_at)
            said.revisions.append(past)
        said.text, said.edited_at, said.edited_by_id = text, now, user.account.id
        said.edited_by = said.author
        row.updated_at = now
        tell_of_comment(session, repository, row, said, "update")
        return to_event(said)


def hide_comment(
    hub: Hub, repository: Repository, number: int, key: str, user: User | None
) -> ThreadEvent:
    """Takes a comment's text away, with its history, for good.

    Raises:
        NotLoggedInError, NotAllowedError: it is not the user's, nor is the repository.
        NotFoundError: no such discussion or comment.
    """
    user = access.check(user, repository, "discuss")
    with hub.database.writing() as session:
        row = get_row(session, repository, number)
        said = _comment_row(session, row, key)
        if said.author_id != user.account.id:
            access.check(user, repository, "write")
        if not said.hidden:
            said.hidden, said.text = True, ""
            for past in said.revisions:
                session.delete(past)
            said.revisions = []
            row.updated_at = datetime.now(UTC)
            tell_of_comment(session, repository, row, said, "update")
        return to_event(said)


# --- changing ------------------------------------------------------------------------------------


def rename(
    hub: Hub, repository: Repository, number: int, title: str, user: User | None
) -> ThreadEvent:
    """
    Raises:
        NotLoggedInError, NotAllowedError: it is not the user's, nor is the repository.
        NotFoundError: no such discussion.
        BadRequestError: a title that cannot be kept, or the one that it has.
    """
    user = access.check(user, repository, "discuss")
    title = check_title(title)
    with hub.database.writing() as session:
        row = get_row(session, repository, number)
        _check_may_change(row, repository, user)
        if title == row.title:
            raise BadRequestError(f"The title is {title!r} already.")
        changed = add_event(session, row, user.account.id, "title-change", title, before=row.title)
        row.title = title
        tell(session, repository, row)
        return to_event(changed)


def change_status(
    hub: Hub, repository: Repository, number: int, status: str, user: User | None, said: str = ""
) -> ThreadEvent:
    """Closes or opens it; opening a draft says that it is ready. `said` is a comment to go with it.

    Raises:
        NotLoggedInError, NotAllowedError: it is not the user's, nor is the repository.
        NotFoundError: no such discussion.
        BadRequestError: another status than `open` or `closed`.
        ConflictError: it has that status already, or was merged.
    """
    user = access.check(user, repository, "discuss")
    if status not in ("open", "closed"):
        raise BadRequestError(f"The status can be set to 'open' or 'closed', not to {status!r}.")
    said = check_comment(said) if said.strip() else ""
    with hub.database.writing() as session:
        row = get_row(session, repository, number)
        _check_may_change(row, repository, user)
        if row.status == "merged":
            raise ConflictError(f"Pull request {number} was merged: that is final.")
        if row.status == status:
            raise ConflictError(f"Number {number} is {status} already.")
        if said:
            say(session, repository, row, user.account.id, said)
        changed = add_event(session, row, user.account.id, "status-change", status)
        row.status = status
        tell(session, repository, row)
        return to_event(changed)


def may_change(discussion: Discussion, user: User | None) -> bool:
    """Whether `user` may change its title and status."""
    if user is None or not access.allows(user, discussion.repository, "discuss"):
        return False
    mine = discussion.author is not None and discussion.author.id == user.account.id
    return mine or access.allows(user, discussion.repository, "write")


def _comment_row(session: Session, row: DiscussionRow, key: str) -> DiscussionEventRow:
    said = session.scalar(
        select(DiscussionEventRow).where(
            DiscussionEventRow.key == key.lower(),
            DiscussionEventRow.discussion_id == row.id,
            DiscussionEventRow.type == "comment",
        )
    )
    if said is None:
        raise NotFoundError(f"There is no comment {key!r} in number {row.number}.")
    return said


def _check_may_change(row: DiscussionRow, repository: Repository, user: User) -> None:
    if row.author_id != user.account.id:
        access.check(user, repository, "write")
