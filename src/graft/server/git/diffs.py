"""What changed between two commits: as one text for programs, file by file for pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pygit2
from pygit2.enums import DeltaStatus

from graft.server.errors import BadRequestError
from graft.server.git.merging import merge_base
from graft.server.git.repository import find_commit

MAX_DIFF_BYTES = 5 * 1024**2
"""Longer differences are cut off between two files, and say so."""

MAX_DIFF_FILES = 3000
CONTEXT_LINES = 3

Status = Literal["added", "deleted", "modified", "renamed"]
_STATUS: dict[DeltaStatus, Status] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.RENAMED: "renamed",
}


@dataclass(frozen=True)
class FileChange:
    """One file that differs. `patch` is its part of `git diff`, header included."""

    path: str
    old_path: str
    status: Status
    added: int
    """Lines that are new."""
    removed: int
    binary: bool
    patch: str


def changed_files(repository: pygit2.Repository, old: str | None, new: str) -> Iterator[FileChange]:
    """The files that differ between two commits, by path; `old` None: all files are new.

    Files past the limits come with an empty patch.
    """
    trees = [repository[oid].peel(pygit2.Commit).tree for oid in (old, new) if oid is not None]
    if len(trees) == 2:
        diff = trees[0].diff_to_tree(trees[1], context_lines=CONTEXT_LINES)
    else:
        diff = trees[0].diff_to_tree(swap=True, context_lines=CONTEXT_LINES)
    diff.find_similar()
    left = MAX_DIFF_BYTES
    for number, patch in enumerate(diff):
        if patch is None:  # a file mode alone, of a submodule
            continue
        delta = patch.delta
        text = ""
        if left > 0 and number < MAX_DIFF_FILES:
            data = patch.data
            text = data.decode("utf-8", "replace") if len(data) <= left else ""
            left -= len(data)
        _, added, removed = patch.line_stats
        yield FileChange(
            path=delta.new_file.path,
            old_path=delta.old_file.path,
            status=_STATUS.get(delta.status, "modified"),
            added=added,
            removed=removed,
            binary=bool(delta.is_binary),
            patch=text,
        )


def ends(repository: pygit2.Repository, revisions: str) -> tuple[str | None, str]:
    """The two commits that `a..b` names; of `a...b` the first is where they parted, None where they
    have nothing in common.

    Raises:
        BadRequestError: it names no two revisions.
        RevisionNotFoundError: no such branch, tag or commit.
    """
    first, second, since_parted = read_ends(revisions)
    old, new = (str(find_commit(repository, name).id) for name in (first, second))
    return (merge_base(repository, old, new) if since_parted else old), new


def read_ends(revisions: str) -> tuple[str, str, bool]:
    """The two names in `a..b` or `a...b`, and whether it is the latter.

    Raises:
        BadRequestError: it names no two revisions.
    """
    since_parted = "..." in revisions
    first, dots, second = revisions.partition("..." if since_parted else "..")
    if not dots or not first or not second:
        raise BadRequestError(f"{revisions!r} must name two revisions: `main..v2` or `main...v2`.")
    return first, second, since_parted


def unified_diff(repository: pygit2.Repository, old: str | None, new: str) -> str:
    """The difference between two commits as `git diff` prints it, cut off at a limit."""
    parts = []
    left_out = 0
    for change in changed_files(repository, old, new):
        if change.patch:
            parts.append(change.patch)
        else:
            left_out += 1
    if left_out:
        parts.append(f"# {left_out} more files differ; they are too long to be shown here.\n")
    return "".join(parts)


def diff_since_base(repository: pygit2.Repository, base: str, head: str) -> str:
    """What `head` changed since it left `base`: `git diff base...head`."""
    return unified_diff(repository, merge_base(repository, base, head), head)
