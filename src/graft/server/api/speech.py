"""People, discussions and what was said in them as the JSON that stock clients read."""

from typing import Any

from graft.server.api.wire import moment
from graft.server.community.records import Discussion, Person, ThreadEvent
from graft.server.events import account_id
from graft.server.records import Repository
from graft.server.web.cards import CardLinks, render_card


def person(found: Person) -> dict[str, Any]:
    """Somebody, as lists and threads name them."""
    return {
        "_id": account_id(found.id),
        "name": found.name,
        "fullname": found.full_name,
        "avatarUrl": avatar(found.name),
        "type": "org" if found.type == "organization" else "user",
        "isHf": False,
        "isPro": False,
        "isMod": False,
    }


def avatar(name: str) -> str:
    """The address of an account's picture."""
    return f"/avatars/{name}.svg"


def discussion(found: Discussion) -> dict[str, Any]:
    """A discussion or pull request in a list. Who has gone is left out."""
    repository = found.repository
    fields: dict[str, Any] = {
        "_id": found.key,
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "isPullRequest": found.is_pull_request,
        "createdAt": moment(found.created_at),
        "updatedAt": moment(found.updated_at),
        "numComments": found.comments,
        "pinned": False,
        "repo": {"name": repository.full_name, "type": repository.kind.value},
        "repoOwner": {"name": repository.owner},
    }
    if found.author is not None:
        fields["author"] = person(found.author)
    return fields


def thread_event(found: ThreadEvent, repository: Repository) -> dict[str, Any]:
    """Something said or changed in a discussion of `repository`."""
    fields: dict[str, Any] = {
        "id": found.key[:24],
        "type": found.type,
        "createdAt": moment(found.created_at),
        "data": _data(found, repository),
    }
    if found.author is not None:
        fields["author"] = person(found.author)
    elif found.author_name:
        fields["author"] = {"name": found.author_name, "type": "user"}
    return fields


def _data(found: ThreadEvent, repository: Repository) -> dict[str, Any]:
    if found.type == "status-change":
        return {"status": found.text}
    if found.type == "title-change":
        return {"from": found.before, "to": found.text}
    if found.type == "commit":
        return {"subject": found.text, "oid": found.key}
    return _comment(found, repository)


def _comment(found: ThreadEvent, repository: Repository) -> dict[str, Any]:
    latest: dict[str, Any] = {
        "raw": "This comment has been hidden" if found.hidden else found.text,
        "html": "" if found.hidden else comment_html(found, repository),
        "updatedAt": moment(found.edited_at or found.created_at),
    }
    author = found.edited_by or found.author
    if author is not None:
        latest["author"] = person(author)
    return {
        "edited": found.edited_at is not None,
        "hidden": found.hidden,
        "latest": latest,
        "numEdits": len(found.revisions),
        "history": [
            {"raw": old.text, "updatedAt": moment(old.created_at)} for old in found.revisions
        ],
    }


def comment_html(found: ThreadEvent, repository: Repository) -> str:
    """A comment's Markdown as safe HTML; what it links to is seen from the repository."""
    links = CardLinks.at(repository.path.strip("/"), "main")
    return render_card(found.text, links, id_prefix=f"said-{found.key}-")
