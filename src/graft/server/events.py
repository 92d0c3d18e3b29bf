"""What happened, for whoever wants to be told: written in the transaction that makes it happen.

The row that `emit` writes is there exactly when the change is. `community.deliveries` sends it to
the webhooks that watch the repository or its owner.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.orm import Session

from graft.server.db.tables import MemberRow
from graft.server.db.tables.community import EventRow, WatchRow, WebhookRow
from graft.server.records import Repository

Scope = Literal["repo", "repo.content", "repo.config", "discussion", "discussion.comment"]
Action = Literal["create", "delete", "move", "update"]

MAX_REFS = 1000
"""How many refs one message names: a push may move any number of them."""


@dataclass(frozen=True)
class RefUpdate:
    """A ref that moved from one commit to another; None: it was not there, or is no more."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class DiscussionFacts:
    """What a message says about a discussion or pull request."""

    key: str
    number: int
    title: str
    author_id: int | None
    is_pull_request: bool
    status: str
    base: str | None = None
    merge_commit: str | None = None


@dataclass(frozen=True)
class CommentFacts:
    """What a message says about a comment; a hidden one has no text any more."""

    key: str
    author_id: int | None
    text: str
    hidden: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened to a repository, or in one of its discussions.

    `repository` is as it was before a deletion or move, and as it is after all else.
    """

    scope: Scope
    action: Action
    repository: Repository
    refs: tuple[RefUpdate, ...] = ()
    """Of `repo.content`: what moved."""
    moved_to: Repository | None = None
    """Of a move: the repository under its new name; not told where it went, private, to another
    owner."""
    discussion: DiscussionFacts | None = None
    comment: CommentFacts | None = None


def emit(session: Session, event: Event) -> None:
    """Writes the event into the transaction that makes it happen."""
    repository = event.repository
    session.add(
        EventRow(
            created_at=datetime.now(UTC),
            scope=event.scope,
            action=event.action,
            kind=repository.kind.value,
            repository_key=repository.full_name.lower(),
            owner_id=repository.owner_id,
            owner_key=repository.owner.lower(),
            private=repository.private,
            body=json.dumps(_payload(event), ensure_ascii=False),
        )
    )
    if event.moved_to is not None:
        _watch_under_new_name(session, repository, event.moved_to)


def account_id(number: int | None) -> str:
    """An account's number as clients see it; zeros for one that was deleted."""
    return f"{number or 0:024x}"


def _watch_under_new_name(session: Session, old: Repository, new: Repository) -> None:
    """Who watches a repository goes on watching it when it has another name, and may know that."""
    watches = and_(WatchRow.type == old.kind.value, WatchRow.key == old.full_name.lower())
    if new.private:
        watches = and_(watches, WatchRow.webhook_id.in_(_webhooks_inside(new.owner_id)))
    session.execute(
        update(WatchRow)
        .where(watches)
        .values(name=new.full_name, key=new.full_name.lower())
        .execution_options(synchronize_session=False)
    )


def _webhooks_inside(owner_id: int) -> Select[int]:
    """The webhooks of an owner's own accounts: the owner, or members of the organization."""
    members = select(MemberRow.account_id).where(MemberRow.organization_id == owner_id)
    inside = or_(WebhookRow.account_id == owner_id, WebhookRow.account_id.in_(members))
    return select(WebhookRow.id).where(inside)


def _payload(event: Event) -> dict[str, Any]:
    """The message, but for the webhook's own part. Addresses below `url` lack the Hub's."""
    repository = event.repository
    payload: dict[str, Any] = {
        "event": {"action": event.action, "scope": event.scope},
        "repo": _repository(repository),
    }
    moved = event.moved_to
    # Who saw a private repository at its old owner need not see it, or its name, at the new one.
    if moved is not None and (not moved.private or moved.owner_id == repository.owner_id):
        payload["movedTo"] = {
            "name": moved.full_name,
            "owner": {"id": account_id(moved.owner_id)},
        }
    if event.refs:
        payload["updatedRefs"] = [
            {"ref": ref.ref, "oldSha": ref.old, "newSha": ref.new} for ref in event.refs[:MAX_REFS]
        ]
    if event.discussion is not None:
        payload["discussion"] = _discussion(repository, event.discussion)
        if event.comment is not None:
            payload["comment"] = _comment(repository, event.discussion, event.comment)
    return payload


def _repository(repository: Repository) -> dict[str, Any]:
    return {
        "type": repository.kind.value,
        "name": repository.full_name,
        "id": f"{repository.id:024x}",
        "private": repository.private,
        "url": {
            "web": repository.path,
            "api": f"/api/{repository.kind.plural}/{repository.full_name}",
        },
        "headSha": repository.head,
        "tags": list(repository.tags),
        "owner": {"id": account_id(repository.owner_id)},
    }


def _discussion(repository: Repository, discussion: DiscussionFacts) -> dict[str, Any]:
    path = f"{repository.full_name}/discussions/{discussion.number}"
    fields: dict[str, Any] = {
        "id": discussion.key,
        "num": discussion.number,
        "title": discussion.title,
        "author": {"id": account_id(discussion.author_id)},
        "url": {
            "web": f"/{repository.kind.prefix}{path}",
            "api": f"/api/{repository.kind.plural}/{path}",
        },
        "isPullRequest": discussion.is_pull_request,
        "status": discussion.status,
        "pinned": False,
    }
    if discussion.is_pull_request:
        fields["changes"] = {"base": discussion.base}
        if discussion.merge_commit is not None:
            fields["changes"]["mergeCommitId"] = discussion.merge_commit
    return fields


def _comment(
    repository: Repository, discussion: DiscussionFacts, comment: CommentFacts
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": comment.key,
        "author": {"id": account_id(comment.author_id)},
        "hidden": comment.hidden,
        "url": {"web": f"{repository.path}/discussions/{discussion.number}#{comment.key}"},
    }
    if not comment.hidden:
        fields["content"] = comment.text
    return fields
