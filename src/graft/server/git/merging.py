"""Merging one commit into another in a bare repository: what would conflict, and the commits.

Nothing here moves a branch: what is made is an object that no ref names yet.
"""

from dataclasses import dataclass

import pygit2

from graft.server.errors import ConflictError
from graft.server.git.program import ask
from graft.server.git.repository import signature

_PULL_REQUESTS = "refs/pr/"
MAX_COMMITS_NAMED = 100
_CONFLICTS = 1
"""What `git merge-tree` ends with where both sides changed the same places."""


def pull_request_ref(number: int) -> str:
    """The ref of a pull request's newest commit: `refs/pr/3`."""
    return f"{_PULL_REQUESTS}{number}"


def pull_request_number(ref: str) -> int | None:
    """The number in a pull request's ref, or None for any other ref."""
    number = ref.removeprefix(_PULL_REQUESTS)
    return int(number) if number != ref and number.isdecimal() and number.isascii() else None


def merge_base(repository: pygit2.Repository, one: str, other: str) -> str | None:
    """The newest commit that leads to both; None where they share no history."""
    told = ask(repository, "merge-base", one, other, may_end=(0, 1)).output
    return told.decode().strip() or None


def is_ancestor(repository: pygit2.Repository, older: str, newer: str) -> bool:
    """Whether `newer` is `older`, or was made on top of it."""
    if older == newer:
        return True
    question = ("merge-base", "--is-ancestor", older, newer)
    return ask(repository, *question, may_end=(0, 1)).status == 0


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
    shared = merge_base(repository, base, head)
    if shared in (base, head):
        return Merge(str(_tree(repository, head if shared == base else base)))
    options = ("--write-tree", "--allow-unrelated-histories", "--name-only", "--no-messages", "-z")
    told = ask(repository, "merge-tree", *options, base, head, may_end=(0, _CONFLICTS))
    tree, *paths = told.output.rstrip(b"\0").split(b"\0")
    if told.status == _CONFLICTS:
        return Merge(None, tuple(sorted(path.decode("utf-8", "replace") for path in paths)))
    return Merge(tree.decode())


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
    newest = f"--max-count={MAX_COMMITS_NAMED}"
    told = ask(repository, "rev-list", newest, head, f"^{base}").output
    return [repository[oid].peel(pygit2.Commit) for oid in told.decode().split()[::-1]]


def _tree(repository: pygit2.Repository, commit_id: str) -> pygit2.Oid:
    return repository[commit_id].peel(pygit2.Commit).tree.id
