"""Commits over the HTTP API: all of one is done, or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pygit2

from graft.server.community import discussions, pull_requests
from graft.server.community.discussions import Proposal
from graft.server.errors import NotFoundError, RevisionNotFoundError, StaleParentError
from graft.server.events import RefUpdate
from graft.server.git.build import CommitBuilder
from graft.server.git.history import to_commit
from graft.server.git.merging import pull_request_number
from graft.server.git.writing import ObjectWriter
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Commit, Repository, User
from graft.server.repositories import refchanges, repos
from graft.server.repositories.operations import Draft, Header, parse, read_header
from graft.server.scan import scans


@dataclass(frozen=True)
class Made:
    """What came of a commit: the branch's newest one, and the pull request that was opened."""

    commit: Commit
    pull_request: int | None = None
    warnings: str = ""
    """What whoever commits should know, in lines: words of the card that nobody knows, secrets."""


def check_may_commit(
    hub: Hub, repository: Repository, revision: str, user: User | None, *, opens: bool = False
) -> User:
    """`user`, when they may commit to `revision`; with `opens`, when they may open a pull request.

    Writers may commit to all branches, and whoever opened a pull request to that one.

    Raises:
        ConflictError: the pull request was merged or closed.
        RevisionNotFoundError: no such pull request.
        RepoNotFoundError, NotLoggedInError, NotAllowedError: they may not.
    """
    if opens:
        return access.check(user, repository, "discuss")
    if pull_request_number(revision) is not None:
        try:
            return pull_requests.check_may_push(hub, repository, revision, user)
        except NotFoundError as error:
            raise RevisionNotFoundError(str(error)) from error
    return access.check(user, repository, "write")


def commit(
    hub: Hub,
    repository: Repository,
    revision: str,
    lines: Iterable[bytes],
    user: User | None,
    *,
    opens: bool = False,
) -> Made:
    """Makes one commit on `revision` from lines of JSON: a header, then one operation a line.

    `revision` is a branch or a pull request's ref; `opens` makes a new pull request of the commit,
    and leaves the branch where it is. Answers the branch's newest commit: the old one where the
    operations change nothing.

    Raises:
        NotLoggedInError, NotAllowedError, RepoNotFoundError: the user may not change the
            repository, or not any more.
        RevisionNotFoundError: no such branch.
        StaleParentError: `parentCommit` is no longer the branch's newest.
        BadRequestError: lines that cannot be understood, a card with broken YAML, a large file that
            was not uploaded.
        EntryNotFoundError: a file to delete that is not there.
    """
    repository, user = repos.again(hub, repository, user)
    user = check_may_commit(hub, repository, revision, user, opens=opens)
    operations = parse(lines)
    header = read_header(operations)
    # Not yet in turn: whoever comes too late is told so before everything is read.
    _check_parent(_head(repos.open_git(hub, repository), revision)[1], revision, header.parent)
    with ObjectWriter(repos.repository_path(hub, repository)) as writer:
        draft = Draft(hub, repository, user, writer)
        draft.read(operations)
        with refchanges.locked(hub, repository) as opened:
            made = _commit(draft, opened, revision, header, opens=opens)
    if draft.secrets:
        with hub.database.writing() as session:
            scans.mark_secrets(session, repository.id, draft.secrets)
    return replace(made, warnings=draft.warnings)


def _commit(
    draft: Draft, opened: pygit2.Repository, revision: str, header: Header, *, opens: bool
) -> Made:
    """Makes the commit that a draft is of, for whoever holds the repository."""
    hub, repository, user = draft.hub, draft.repository, draft.user
    ref, parent = _head(opened, revision)
    _check_parent(parent, revision, header.parent)
    builder = CommitBuilder(opened, parent, draft.writer)
    draft.apply(builder)
    oid = builder.commit(user.name, header.message)
    made = to_commit(opened[oid].peel(pygit2.Commit))
    if opens:
        text = header.description or f"Opened with the commit {made.id}."
        proposal = Proposal(header.summary, text, ref, made.id, objects=draft.objects)
        pull_request = discussions.open_pull_request_in(hub, opened, repository, proposal, user)
        return Made(made, pull_request.number)
    old = str(parent.id) if parent is not None else None
    if made.id != old:
        update = RefUpdate(ref, old, made.id)
        refchanges.move(hub, repository, opened, [update], objects=draft.objects)
    return Made(made)


def _head(opened: pygit2.Repository, revision: str) -> tuple[str, pygit2.Commit | None]:
    """The ref that a commit to `revision` moves, and its newest commit.

    Raises:
        RevisionNotFoundError: neither a branch nor a pull request.
    """
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    takes_commits = ref.startswith("refs/heads/") or pull_request_number(ref) is not None
    if takes_commits and pygit2.reference_is_valid_name(ref):
        reference = opened.references.get(ref)
        if reference is not None:
            return ref, reference.peel(pygit2.Commit)
        if ref == refchanges.MAIN and opened.is_empty:
            return ref, None
    raise RevisionNotFoundError(
        f"There is no branch {revision!r} in this repository; commits go to branches only."
    )


def _check_parent(head: pygit2.Commit | None, revision: str, expected: str | None) -> None:
    """
    Raises:
        StaleParentError: `expected` is not the newest commit any more.
    """
    newest = str(head.id) if head is not None else None
    if expected is not None and expected != newest:
        raise StaleParentError(
            # The first two sentences are what stock clients look for.
            "The branch was updated since you opened this page. Please refresh and try again. "
            f"The newest commit of {revision!r} is {newest}, not {expected}; nothing was committed."
        )
