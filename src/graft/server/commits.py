"""Commits over the HTTP API: all of one is done, or nothing."""

from collections.abc import Iterable

import pygit2

from graft.server import large, links, repos
from graft.server.errors import RevisionNotFoundError, StaleParentError
from graft.server.git import repository as git
from graft.server.git.build import CommitBuilder
from graft.server.git.history import to_commit
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.operations import Draft, parse, read_header
from graft.server.records import Commit, Repository, User
from graft.server.search import index
from graft.server.search.describe import describe


def commit(
    hub: Hub, repository: Repository, branch: str, lines: Iterable[bytes], user: User | None
) -> Commit:
    """Makes one commit on `branch` from lines of JSON: a header, then one operation a line.

    Answers the branch's newest commit: the old one where the operations change nothing.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not change the repository.
        RevisionNotFoundError: no such branch.
        StaleParentError: `parentCommit` is no longer the branch's newest.
        BadRequestError: lines that cannot be understood, a card with broken YAML, a large file that
            was not uploaded.
        EntryNotFoundError: a file to delete that is not there.
    """
    user = repos.check_may_write(repository, user)
    operations = parse(lines)
    header = read_header(operations)
    with git.locked(repos.repository_path(hub, repository)):
        opened = repos.open_git(hub, repository)
        parent = _branch_head(opened, branch, header.parent)
        builder = CommitBuilder(opened, parent)
        draft = Draft(hub, user, builder)
        for operation in operations:
            draft.apply(operation)
        draft.check_card()
        oid = builder.commit(user.name, header.message)
        made = opened[oid].peel(pygit2.Commit)
        if oid != parent.id:
            _publish(hub, repository, opened, branch, parent, made, draft.objects)
        return to_commit(made)


def _publish(
    hub: Hub,
    repository: Repository,
    opened: pygit2.Repository,
    branch: str,
    parent: pygit2.Commit,
    made: pygit2.Commit,
    objects: set[str],
) -> None:
    """Moves the branch and writes the tables; the database's commit comes last, and undoes both
    where it fails."""
    description = None
    if branch == git.DEFAULT_BRANCH:
        found = Snapshot(opened, made)
        description = describe(
            repository.kind, found, large.reader(hub, repository.id, found, objects)
        )
    ref = f"refs/heads/{branch}"
    moved = False
    try:
        with hub.database.writing() as session:
            row = repos.get_row(session, repository)
            for sha256 in objects:
                links.link(session, repository.id, sha256)
            if description is not None:
                index.write(session, row, description)
            git.move_branch(opened, ref, parent.id, made.id)
            moved = True
    except BaseException:
        if moved:
            git.move_branch(opened, ref, made.id, parent.id)
        raise


def _branch_head(opened: pygit2.Repository, branch: str, expected: str | None) -> pygit2.Commit:
    name = f"refs/heads/{branch}"
    reference = opened.references.get(name) if pygit2.reference_is_valid_name(name) else None
    if reference is None:
        raise RevisionNotFoundError(
            f"There is no branch {branch!r} in this repository; commits go to branches only."
        )
    head = reference.peel(pygit2.Commit)
    if expected is not None and expected != str(head.id):
        raise StaleParentError(
            # The first two sentences are what stock clients look for.
            "The branch was updated since you opened this page. Please refresh and try again. "
            f"The newest commit of {branch!r} is {head.id}, not {expected}; nothing was committed."
        )
    return head
