"""Merging one commit into another in a bare repository: what would conflict, and the commits.

Nothing here moves a branch: what is made is an object that no ref names yet.
"""

from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType

from graft.server.errors import ConflictError
from graft.server.git.repository import signature

_PULL_REQUESTS = "refs/pr/"
MAX_COMMITS_NAMED = 100


def pull_request_ref(number: int) -> str:
    """The ref of a pull request's newest commit: `refs/pr/3`."""
    return f"{_PULL_REQUESTS}{number}"


def pull_request_number(ref: str) -> int | None:
    """The number in a pull request's ref, or None for any other ref."""
    number = ref.removeprefix(_PULL_REQUESTS)
    return int(number) if number != ref and number.isdecimal() and number.isascii() else None


def merge_base(repository: pygit2.Repository, one: str, other: str) -> str | None:
    """The newest commit that leads to both; None where they share no history."""
    found = repository.merge_base(pygit2.Oid(hex=one), pygit2.Oid(hex=other))
    return str(found) if found is not None else None


def is_ancestor(repository: pygit2.Repository, older: str, newer: str) -> bool:
    """Whether `newer` is `older`, or was made on top of it."""
    if older == newer:
        return True
    return bool(repository.descendant_of(pygit2.Oid(hex=newer), pygit2.Oid(hex=older)))


@dataclass(frozen=True)
class Merge:
    """What merging would give: a tree, or the paths of the files that both sides changed."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


def try_merge(repository: pygit2.Repository, base: str, head: str) -> Merge:
    """Merges the commit `head` into the commit `base`, in three ways over their common ancestor.

    Files that only one side touched are taken from it, text that both touched is merged by lines.
    Large files are one object each: both sides changing one is a conflict, as their pointers say.
    """
    if is_ancestor(repository, head, base):
        return Merge(str(_tree(repository, base)))
    if is_ancestor(repository, base, head):
        return Merge(str(_tree(repository, head)))
    ancestor = merge_base(repository, base, head)
    start = _tree(repository, ancestor) if ancestor else _empty_tree(repository)
    index = repository.merge_trees(start, _tree(repository, base), _tree(repository, head))
    conflicts = {side.path for sides in index.conflicts or () for side in sides if side is not None}
    if conflicts:
        return Merge(None, tuple(sorted(conflicts)))
    return Merge(str(index.write_tree(repository)))


def commit_merge(
    repository: pygit2.Repository,
    base: str,
    head: str,
    author: str,
    message: str,
) -> str:
    """Writes the commit that brings `head` into `base`, and answers its id.

    It has one parent, `base`, and the changes of all commits of `head` in one: what a branch's
    history should tell.

    Raises:
        ConflictError: both changed the same places; the message names the files.
    """
    merged = try_merge(repository, base, head)
    if merged.tree is None:
        shown = ", ".join(repr(path) for path in merged.conflicts[:10])
        raise ConflictError(
            f"Both sides changed {shown}: merge them in a clone, push the result, and try again. "
            "Nothing was merged."
        )
    who = signature(author)
    made = repository.create_commit(
        None, who, who, message, pygit2.Oid(hex=merged.tree), [pygit2.Oid(hex=base)]
    )
    return str(made)


def commit_squashed(repository: pygit2.Repository, head: str, author: str, message: str) -> str:
    """Writes a commit with the files of `head` and no history, and answers its id."""
    who = signature(author)
    tree = _tree(repository, head)
    return str(repository.create_commit(None, who, who, message, tree, []))


def commits_between(repository: pygit2.Repository, base: str, head: str) -> list[pygit2.Commit]:
    """The commits that lead to `head` and not to `base`, the oldest first; the newest hundred."""
    walker = repository.walk(pygit2.Oid(hex=head))
    walker.hide(pygit2.Oid(hex=base))
    newest = [commit for _, commit in zip(range(MAX_COMMITS_NAMED), walker, strict=False)]
    return newest[::-1]


def _tree(repository: pygit2.Repository, commit_id: str) -> pygit2.Oid:
    return repository[commit_id].peel(pygit2.Commit).tree.id


def _empty_tree(repository: pygit2.Repository) -> pygit2.Oid:
    return repository.write(ObjectType.TREE, b"")
