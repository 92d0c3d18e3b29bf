"""Bare git repositories on disk: creating, opening, finding revisions, branches and tags."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from graft.server.errors import (
    RepoNotFoundError,
    RevisionNotFoundError,
)
from graft.server.git.attributes import ATTRIBUTES_FILE, default_attributes
from graft.server.git.snapshot import Snapshot

DEFAULT_BRANCH = "main"

COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_SHORT_ID = re.compile(r"[0-9a-f]{7,39}")


def signature(name: str) -> pygit2.Signature:
    """Who makes a commit over the API: the account; the Hub knows no mail address."""
    return pygit2.Signature(name, f"{name}@users.noreply.invalid")


def create_repository(path: Path, author: str) -> str:
    """A bare repository with one commit, which holds `.gitattributes`; answers that commit's id."""
    repository = pygit2.init_repository(path, bare=True, initial_head=DEFAULT_BRANCH)
    builder = repository.TreeBuilder()
    builder.insert(ATTRIBUTES_FILE, repository.create_blob(default_attributes()), FileMode.BLOB)
    who = signature(author)
    commit = repository.create_commit(
        f"refs/heads/{DEFAULT_BRANCH}", who, who, "initial commit", builder.write(), []
    )
    return str(commit)


def open_repository(path: Path) -> pygit2.Repository:
    """
    Raises:
        RepoNotFoundError: it has just been deleted.
    """
    try:
        return pygit2.Repository(str(path), pygit2.enums.RepositoryOpenFlag.BARE)
    except pygit2.GitError:
        raise RepoNotFoundError("This repository has just been deleted.") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the repository's write lock, against other threads and other processes."""
    try:
        handle = os.open(path / "graft.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except FileNotFoundError:
        raise RepoNotFoundError("This repository has just been deleted.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def find_commit(repository: pygit2.Repository, revision: str) -> pygit2.Commit:
    """The commit that a branch, a tag, a full ref or a commit id names.

    Raises:
        RevisionNotFoundError: none of those.
    """
    for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
        if name.startswith("refs/") and pygit2.reference_is_valid_name(name):
            reference = repository.references.get(name)
            commit = commit_of(reference) if reference is not None else None
            if commit is not None:
                return commit
    if COMMIT_ID.fullmatch(revision) or _SHORT_ID.fullmatch(revision):
        # No such object, a short id that fits several, or the id of a file or folder.
        with suppress(KeyError, ValueError, pygit2.InvalidSpecError):
            return repository[revision].peel(pygit2.Commit)
    raise RevisionNotFoundError(
        f"There is no branch, tag or commit {revision!r} in this repository."
    )


def commit_of(reference: pygit2.Reference) -> pygit2.Commit | None:
    """The commit that a branch or tag names; None for the tag of a file or folder."""
    try:
        return reference.peel(pygit2.Commit)
    except (pygit2.InvalidSpecError, pygit2.GitError, ValueError, KeyError):
        return None


def commit_of_object(repository: pygit2.Repository, oid: str) -> pygit2.Commit | None:
    """The commit that an object is, or that it is a tag of; None for anything else."""
    with suppress(KeyError, ValueError, pygit2.InvalidSpecError, pygit2.GitError):
        return repository[oid].peel(pygit2.Commit)
    return None


def split_revision(repository: pygit2.Repository, rest: str) -> tuple[pygit2.Commit, str]:
    """Takes `revision/path/in/repository` apart. A revision may hold slashes; git does not allow
    both a branch `a` and a branch `a/b`, so the first part that names one is the one meant.

    Raises:
        RevisionNotFoundError: no leading part is a revision.
    """
    parts = rest.strip("/").split("/")
    for length in range(1, len(parts) + 1):
        try:
            commit = find_commit(repository, "/".join(parts[:length]))
        except RevisionNotFoundError:
            continue
        return commit, "/".join(parts[length:])
    raise RevisionNotFoundError(
        f"There is no branch, tag or commit {parts[0]!r} in this repository."
    )


def snapshot(repository: pygit2.Repository, revision: str) -> Snapshot:
    """The repository at `revision`."""
    return Snapshot(repository, find_commit(repository, revision))


def read_blob(repository: pygit2.Repository, oid: str) -> bytes:
    """All bytes of a blob that the repository is known to hold."""
    blob = repository[oid]
    if not isinstance(blob, pygit2.Blob):
        raise TypeError(f"{oid} is a {blob.type_str}, not a blob")
    return blob.data
