"""Discussions and pull requests: lists, threads, and all that is said and changed in them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from graft.server.api import speech
from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.community import discussions, pull_requests, threads
from graft.server.community.discussions import Proposal
from graft.server.community.records import Discussion, ThreadEvent
from graft.server.errors import RefusedError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.records import User
from graft.server.repositories.refchanges import MAIN

router = APIRouter()

LIST = f"{REPOSITORY}/discussions"
ONE = f"{LIST}/{{number}}"

# Databases keep numbers of 32 bits.
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=200_000)]


class NewDiscussion(BaseModel):
    """What `create_discussion` sends."""

    title: Text
    description: Text = ""
    pull_request: Annotated[bool, Field(alias="pullRequest")] = False
    base: Annotated[str, Field(max_length=300)] = MAIN
    """Of a pull request: the branch that it is for; clients leave it out for `main`."""


class NewComment(BaseModel):
    """What `comment_discussion` sends."""

    comment: Text


class EditedComment(BaseModel):
    """What `edit_discussion_comment` sends."""

    content: Text


class NewTitle(BaseModel):
    """What `rename_discussion` sends."""

    title: Text


class NewStatus(BaseModel):
    """What `change_discussion_status` sends."""

    status: str
    comment: Text = ""


class Merge(BaseModel):
    """What `merge_pull_request` sends, where it sends anything."""

    comment: Text = ""


@router.get(LIST)
def list_discussions(
    repository: PathRepository,
    hub: CurrentHub,
    of: Annotated[threads.TypeFilter, Query(alias="type")] = "all",
    status: threads.StatusFilter = "all",
    author: str | None = None,
    p: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> dict[str, Any]:
    """A page of discussions and pull requests, the newest first; `p` counts pages from 0."""
    page = threads.find_all(hub, repository, of=of, status=status, author=author, page=p)
    return {
        "discussions": [speech.discussion(found) for found in page.discussions],
        "start": page.start,
        "count": page.total,
        "numClosedDiscussions": page.closed,
    }


@router.post(LIST)
def create(
    request: Request,
    body: NewDiscussion,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Opens a discussion, or a pull request that has no commits yet."""
    description = body.description if body.description.strip() else body.title
    if body.pull_request:
        proposal = Proposal(body.title, description, body.base, draft=True)
        made = discussions.open_pull_request(hub, repository, proposal, user)
    else:
        made = discussions.open_discussion(hub, repository, body.title, description, user)
    return {
        "num": made.number,
        "pullRequest": made.is_pull_request,
        "url": f"{base_url(request)}{made.path}",
    }


@router.get(ONE)
def details(
    number: Number,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    diff: bool = False,
) -> dict[str, Any]:
    """A discussion with all that was said and changed in it; `diff` adds what a pull request
    changes, for those who may read the files."""
    found, events = threads.find(hub, repository, number)
    fields = speech.discussion(found)
    if found.is_pull_request:
        fields |= _of_pull_request(hub, found, user, diff=diff)
    changes = pull_requests.changes(hub, found)
    if changes is not None:
        events = in_order(events, changes.commits)
        fields["filesWithConflicts"] = list(changes.conflicts)
    fields["events"] = [speech.thread_event(event, repository) for event in events]
    return fields


def in_order(
    said: tuple[ThreadEvent, ...], commits: tuple[ThreadEvent, ...]
) -> tuple[ThreadEvent, ...]:
    """What was said, with the commits where they belong. The description stays first: a commit may
    be older than the pull request that brings it."""
    return (*said[:1], *sorted((*said[1:], *commits), key=lambda event: event.created_at))


def _of_pull_request(
    hub: Hub, found: Discussion, user: User | None, *, diff: bool
) -> dict[str, Any]:
    changes: dict[str, Any] = {"base": found.base}
    if found.merge_commit is not None:
        changes["mergeCommitId"] = found.merge_commit
    fields: dict[str, Any] = {"changes": changes, "filesWithConflicts": []}
    if diff:
        try:
            access.check_files(hub, found.repository, user)
            fields["diff"] = pull_requests.diff(hub, found)
        except RefusedError:  # gated, or its branch is gone: the rest is still to be read
            fields["diff"] = None
    return fields


@router.post(f"{ONE}/comment")
def comment(
    number: Number,
    body: NewComment,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Adds a comment."""
    said = discussions.comment(hub, repository, number, body.comment, user)
    return {"newMessage": speech.thread_event(said, repository)}


@router.post(f"{ONE}/comment/{{key}}/edit")
def edit_comment(
    number: Number,
    key: str,
    body: EditedComment,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Replaces the text of one's own comment."""
    said = discussions.edit_comment(hub, repository, number, key, body.content, user)
    return {"updatedComment": speech.thread_event(said, repository)}


@router.post(f"{ONE}/comment/{{key}}/hide")
def hide_comment(
    number: Number, key: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """Takes a comment's text away for good."""
    said = discussions.hide_comment(hub, repository, number, key, user)
    return {"updatedComment": speech.thread_event(said, repository)}


@router.post(f"{ONE}/title")
def rename(
    number: Number,
    body: NewTitle,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Changes the title."""
    changed = discussions.rename(hub, repository, number, body.title, user)
    return {"newTitle": speech.thread_event(changed, repository)}


@router.post(f"{ONE}/status")
def change_status(
    number: Number,
    body: NewStatus,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Closes it or opens it again; opening a draft says that it is ready."""
    changed = discussions.change_status(hub, repository, number, body.status, user, body.comment)
    return {"newStatus": speech.thread_event(changed, repository)}


@router.post(f"{ONE}/merge")
def merge(
    number: Number,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    body: Merge | None = None,
) -> dict[str, Any]:
    """Brings a pull request's changes into its branch; 409 with the files where both changed."""
    said = body.comment if body else ""
    merged = pull_requests.merge(hub, repository, number, user, said)
    return {"success": True, "mergeCommitId": merged.merge_commit}
