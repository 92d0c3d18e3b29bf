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
    BadRequestError,
    ConflictError,
    RepoNotFoundError,
    RevisionNotFoundError,
    StaleParentError,
)
from graft.server.git.attributes import ATTRIBUTES_FILE, default_attributes
from graft.server.git.snapshot import Snapshot
from graft.server.records import Ref, Refs

DEFAULT_BRANCH = "main"

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT_ID = re.compile(r"[0-9a-f]{7,39}")


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
            commit = _commit_of(reference) if reference is not None else None
            if commit is not None:
                return commit
    if _COMMIT_ID.fullmatch(revision) or _SHORT_COMMIT_ID.fullmatch(revision):
        # No such object, a short id that fits several, or the id of a file or folder.
        with suppress(KeyError, ValueError, pygit2.InvalidSpecError):
            return repository[revision].peel(pygit2.Commit)
    raise RevisionNotFoundError(
        f"There is no branch, tag or commit {revision!r} in this repository."
    )


def _commit_of(reference: pygit2.Reference) -> pygit2.Commit | None:
    """The commit that a branch or tag names; None for the tag of a file or folder."""
    try:
        return reference.peel(pygit2.Commit)
    except (pygit2.InvalidSpecError, pygit2.GitError, ValueError, KeyError):
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


def list_refs(repository: pygit2.Repository) -> Refs:
    """All branches and tags that name commits, by name."""
    branches: list[Ref] = []
    tags: list[Ref] = []
    for name in sorted(repository.references):
        for prefix, kind in (("refs/heads/", branches), ("refs/tags/", tags)):
            if name.startswith(prefix):
                target = _commit_of(repository.references[name])
                if target is not None:
                    kind.append(Ref(name.removeprefix(prefix), name, str(target.id)))
    return Refs(tuple(branches), tuple(tags))


def move_branch(repository: pygit2.Repository, ref: str, old: pygit2.Oid, new: pygit2.Oid) -> None:
    """Points a branch at another commit, unless somebody else has moved it since.

    Raises:
        StaleParentError: it no longer points at `old`.
    """
    reference = repository.references[ref]
    if reference.target != old:
        raise StaleParentError(
            "Somebody pushed to this branch just now. Nothing was committed; try again."
        )
    try:
        reference.set_target(new)
    except pygit2.GitError as error:
        raise StaleParentError(f"The branch could not be moved ({error}); try again.") from error


def create_branch(repository: pygit2.Repository, name: str, start: str | None) -> None:
    """A branch at the revision `start`, or at the newest commit of `main`.

    Raises:
        ConflictError: it exists.
        RevisionNotFoundError: no such starting point.
    """
    commit = find_commit(repository, start or DEFAULT_BRANCH)
    _create_ref(repository, "branch", f"refs/heads/{name}", commit.id)


def delete_branch(repository: pygit2.Repository, name: str) -> None:
    """
    Raises:
        RevisionNotFoundError: no such branch.
        BadRequestError: it is `main`.
    """
    if name == DEFAULT_BRANCH:
        raise BadRequestError(
            f"Cannot delete refs/heads/{DEFAULT_BRANCH}: every repository has that branch."
        )
    _delete_ref(repository, "branch", f"refs/heads/{name}")


def create_tag(
    repository: pygit2.Repository, name: str, revision: str, message: str, author: str
) -> None:
    """A tag at `revision`: an annotated one where there is a message.

    Raises:
        ConflictError: it exists.
        RevisionNotFoundError: no such revision.
    """
    target = find_commit(repository, revision).id
    ref = f"refs/tags/{name}"
    if not message:
        _create_ref(repository, "tag", ref, target)
        return
    _check_ref(repository, "tag", ref)
    kind = pygit2.enums.ObjectType.COMMIT
    try:
        repository.create_tag(name, target, kind, signature(author), message)
    except (pygit2.GitError, ValueError) as error:
        raise _cannot_exist("tag", name, error) from error


def delete_tag(repository: pygit2.Repository, name: str) -> None:
    """
    Raises:
        RevisionNotFoundError: no such tag.
    """
    _delete_ref(repository, "tag", f"refs/tags/{name}")


def _check_ref(repository: pygit2.Repository, what: str, ref: str) -> None:
    name = ref.split("/", 2)[2]
    if not pygit2.reference_is_valid_name(ref) or _COMMIT_ID.fullmatch(name):
        raise BadRequestError(f"{name!r} is not a name that a {what} can have in git.")
    if ref in repository.references:
        raise ConflictError(f"Reference {ref} already exists: choose another name for the {what}.")
    for known in repository.references:  # git keeps refs as files: none can be a folder too
        if known.startswith(f"{ref}/") or ref.startswith(f"{known}/"):
            other = known.split("/", 2)[2]
            raise ConflictError(f"The {what} {name!r} cannot exist beside {other!r}.")


def _create_ref(repository: pygit2.Repository, what: str, ref: str, target: pygit2.Oid) -> None:
    _check_ref(repository, what, ref)
    try:
        repository.references.create(ref, target)
    except (pygit2.GitError, ValueError) as error:  # somebody made it just now
        raise _cannot_exist(what, ref.split("/", 2)[2], error) from error


def _cannot_exist(what: str, name: str, error: Exception) -> ConflictError:
    return ConflictError(f"The {what} {name!r} cannot exist: {error}")


def _delete_ref(repository: pygit2.Repository, what: str, ref: str) -> None:
    if not pygit2.reference_is_valid_name(ref) or ref not in repository.references:
        raise RevisionNotFoundError(f"Invalid rev id: there is no {what} {ref.split('/', 2)[2]!r}.")
    repository.references.delete(ref)
