"""Branches, tags, and a history made short: what the API does with refs."""

import json
import time

import pygit2
from pygit2.enums import ObjectType
from sqlalchemy import select

from graft.server.community import pull_requests
from graft.server.db.tables import RepositoryRow
from graft.server.errors import BadRequestError, NotAllowedError
from graft.server.events import RefUpdate
from graft.server.git import merging, refs
from graft.server.git import repository as git
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Repository, User
from graft.server.repositories import refchanges

MAX_MESSAGE_CHARACTERS = 100_000


def create_branch(
    hub: Hub, repository: Repository, name: str, start: str | None, user: User | None
) -> None:
    """A branch at the revision `start`, or at the newest commit of `main`.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository.
        BadRequestError: a name that it cannot have.
        ConflictError: it exists.
        RevisionNotFoundError: no such starting point.
    """
    access.check(user, repository, "write")
    ref = f"{refs.BRANCHES}{name}"
    with refchanges.locked(hub, repository) as opened:
        refs.check_new(sorted(opened.references), "branch", ref)
        commit = git.find_commit(opened, start or git.DEFAULT_BRANCH)
        refchanges.move(hub, repository, opened, [RefUpdate(ref, None, str(commit.id))])


def delete_branch(hub: Hub, repository: Repository, name: str, user: User | None) -> None:
    """
    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository, or the branch is
            protected.
        RevisionNotFoundError: no such branch.
        BadRequestError: it is `main`.
    """
    access.check(user, repository, "write")
    ref = f"{refs.BRANCHES}{name}"
    if name == git.DEFAULT_BRANCH:
        raise BadRequestError(f"Cannot delete {ref}: every repository has that branch.")
    with refchanges.locked(hub, repository) as opened:
        target = refs.existing(opened, "branch", ref)
        check_unprotected(hub, repository, ref, "deleted")
        refchanges.move(hub, repository, opened, [RefUpdate(ref, target, None)])


def create_tag(
    hub: Hub, repository: Repository, name: str, revision: str, message: str, user: User | None
) -> None:
    """A tag at `revision`: an annotated one where there is a message.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository.
        BadRequestError: a name that it cannot have.
        ConflictError: it exists.
        RevisionNotFoundError: no such revision.
    """
    who = access.check(user, repository, "write")
    ref = f"{refs.TAGS}{name}"
    with refchanges.locked(hub, repository) as opened:
        target = git.find_commit(opened, revision).id
        refs.check_new(sorted(opened.references), "tag", ref)
        if message.strip():
            target = _annotate(opened, name, target, message, who.name)
        refchanges.move(hub, repository, opened, [RefUpdate(ref, None, str(target))])


def delete_tag(hub: Hub, repository: Repository, name: str, user: User | None) -> None:
    """
    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository.
        RevisionNotFoundError: no such tag.
    """
    access.check(user, repository, "write")
    ref = f"{refs.TAGS}{name}"
    with refchanges.locked(hub, repository) as opened:
        target = refs.existing(opened, "tag", ref)
        refchanges.move(hub, repository, opened, [RefUpdate(ref, target, None)])


def squash(hub: Hub, repository: Repository, name: str, message: str, user: User | None) -> str:
    """Replaces the history of a branch, or of another ref, by one commit with the same files.

    Answers the new commit. What the old ones held stays as long as another ref leads to it.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository, or the branch is
            protected.
        RevisionNotFoundError: no such branch.
    """
    ref = name if name.startswith("refs/") else f"{refs.BRANCHES}{name}"
    if merging.pull_request_number(ref) is not None:
        who = pull_requests.check_may_push(hub, repository, ref, user)
    else:
        who = access.check(user, repository, "write")
    if ref.startswith(refs.TAGS):
        raise BadRequestError(f"Cannot squash {ref}: a tag stays what it is.")
    with refchanges.locked(hub, repository) as opened:
        old = refs.existing(opened, "branch", ref)
        check_unprotected(hub, repository, ref, "squashed")
        text = message.replace("\0", "").strip()[:MAX_MESSAGE_CHARACTERS]
        new = merging.commit_squashed(opened, old, who.name, text or f"Super-squash {name!r}")
        refchanges.move(hub, repository, opened, [RefUpdate(ref, old, new)])
        return new


def protected_branches(hub: Hub, repository: Repository) -> tuple[str, ...]:
    """Patterns of the branches that keep their history: no force-push, no deletion, no squash."""
    with hub.database.reading() as session:
        kept = session.scalar(
            select(RepositoryRow.protected_branches).where(RepositoryRow.id == repository.id)
        )
    return tuple(json.loads(kept)) if kept else ()


def check_unprotected(hub: Hub, repository: Repository, ref: str, done: str) -> None:
    """That a ref is none of the branches that keep their history; `done` is what was to be done.

    Raises:
        NotAllowedError: it is; an admin's setting has to change first.
    """
    if refs.is_protected(ref, protected_branches(hub, repository)):
        raise NotAllowedError(
            f"The branch {ref.removeprefix(refs.BRANCHES)!r} is protected and cannot be {done}: "
            "the repository's settings (`protectedBranches`) say so."
        )


def _annotate(
    opened: pygit2.Repository, name: str, target: pygit2.Oid, message: str, author: str
) -> pygit2.Oid:
    """The object of an annotated tag; no ref names it yet."""
    who = git.signature(author)
    text = message.replace("\0", "").strip()[:MAX_MESSAGE_CHARACTERS]
    lines = [
        f"object {target}",
        "type commit",
        f"tag {name}",
        f"tagger {who.name} <{who.email}> {int(time.time())} +0000",
        "",
        f"{text}\n",
    ]
    return opened.write(ObjectType.TAG, "\n".join(lines).encode())
