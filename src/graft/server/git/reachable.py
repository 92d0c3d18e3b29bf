"""What can be reached from a repository's refs: commits, and pointers to large objects."""

from collections.abc import Iterator
from dataclasses import dataclass

import pygit2

from graft.server.git.pointers import MAX_POINTER_BYTES, parse_pointer
from graft.server.records import Lfs

# The order in which a pointer that several refs reach is told to belong to one of them.
_MAIN = "refs/heads/main"
_FIRST = (_MAIN, "refs/heads/", "refs/tags/", "")


DAMAGE = (KeyError, ValueError, pygit2.GitError)
"""What libgit2 raises where an object is missing or cannot be read."""


@dataclass(frozen=True)
class Pointer:
    """A pointer in some commit: one of the paths it lies at, and one of the refs that reach it."""

    path: str
    ref: str
    lfs: Lfs


def ref_names(repository: pygit2.Repository) -> list[str]:
    """All refs that stand for something themselves: `main` first, then branches, tags, others."""
    names = [
        name
        for name in repository.references
        if name.startswith("refs/") and not isinstance(repository.references[name].target, str)
    ]
    return sorted(names, key=_rank)


def pointers(repository: pygit2.Repository) -> Iterator[Pointer]:
    """The pointers in all commits of all refs, each version of a pointer's file once.

    Raises:
        KeyError, pygit2.GitError: an object that is missing or damaged; the message has its id.
    """
    seen: set[pygit2.Oid] = set()
    for ref, commit in commits(repository):
        yield from _in_tree(repository, commit.tree, "", ref, seen)


def commits(repository: pygit2.Repository) -> Iterator[tuple[str, pygit2.Commit]]:
    """All commits with the first ref that reaches each, a ref's newest commit first.

    Raises:
        KeyError, pygit2.GitError: an object that is missing or damaged.
    """
    walked: list[pygit2.Oid] = []
    for ref in ref_names(repository):
        found = _commit(repository.references[ref])
        if found is None:
            continue
        walker = repository.walk(found.id, pygit2.enums.SortMode.TOPOLOGICAL)
        for done in walked:
            walker.hide(done)
        for commit in walker:
            yield ref, commit
        walked.append(found.id)


def _commit(reference: pygit2.Reference) -> pygit2.Commit | None:
    """The commit that a ref names; None for a tag of something else."""
    target: object = reference.peel(None)
    while isinstance(target, pygit2.Tag):
        target = target.get_object()
    return target if isinstance(target, pygit2.Commit) else None


def pointer_in(repository: pygit2.Repository, blob: pygit2.Oid) -> Lfs | None:
    """The pointer that a blob is, if it is one; reads no blob that is too long for it.

    Raises:
        KeyError, pygit2.GitError: the blob is missing or damaged.
    """
    _, size = repository.odb.read_header(blob)
    return parse_pointer(repository.odb.read(blob)[1]) if size <= MAX_POINTER_BYTES else None


def _in_tree(
    repository: pygit2.Repository,
    tree: pygit2.Tree,
    folder: str,
    ref: str,
    seen: set[pygit2.Oid],
) -> Iterator[Pointer]:
    if tree.id in seen:
        return
    seen.add(tree.id)
    for child in tree:
        if isinstance(child, pygit2.Tree):
            yield from _in_tree(repository, child, f"{folder}{child.name}/", ref, seen)
        elif isinstance(child, pygit2.Blob) and child.id not in seen:
            seen.add(child.id)
            lfs = pointer_in(repository, child.id)
            if lfs is not None:
                yield Pointer(f"{folder}{child.name}", ref, lfs)


def _rank(name: str) -> tuple[int, str]:
    return next(n for n, prefix in enumerate(_FIRST) if name.startswith(prefix)), name
