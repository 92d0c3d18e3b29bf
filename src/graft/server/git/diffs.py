"""What changed between two commits: as one text for programs, file by file for pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from typing import Literal

import pygit2

from graft.server.errors import BadRequestError
from graft.server.git.merging import merge_base
from graft.server.git.program import EMPTY_TREE, ask, asked
from graft.server.git.repository import find_commit

MAX_DIFF_BYTES = 5 * 1024**2
"""Longer differences are cut off between two files, and say so."""

MAX_DIFF_FILES = 3000
# Files that are alike by half are renamed, up to a thousand of them.
_RENAMES = ("-r", "--no-ext-diff", "--no-textconv", "-M50%", "-l1000")

Status = Literal["added", "deleted", "modified", "renamed"]
_STATUS: dict[str, Status] = {"A": "added", "D": "deleted", "R": "renamed"}


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


def changed_files(repository: pygit2.Repository, old: str | None, new: str) -> list[FileChange]:
    """The files that differ between two commits, by path; `old` None: all files are new.

    Files past the limits come with an empty patch.

    Raises:
        BadRequestError: they differ in too much to be compared in time.
    """
    between = (old or EMPTY_TREE, new)
    told = ask(repository, "diff-tree", *_RENAMES, "-z", "--raw", "--numstat", *between).output
    changes = _listed(told)
    patches = _patches(repository, between, changes[:MAX_DIFF_FILES])
    return [replace(change, patch=patch) for change, patch in zip(changes, patches, strict=False)]


def _listed(told: bytes) -> list[FileChange]:
    """What `git diff-tree -z --raw --numstat` printed: first all files' kinds of change, then how
    many lines each changed."""
    fields = iter(told.decode("utf-8", "replace").split("\0"))
    changes: list[FileChange] = []
    lines: list[tuple[int, int, bool]] = []
    for field in fields:
        if field.startswith(":"):
            status = field.rpartition(" ")[2]
            old_path = next(fields)
            path = next(fields) if status.startswith("R") else old_path
            changes.append(
                FileChange(path, old_path, _STATUS.get(status[0], "modified"), 0, 0, False, "")
            )
        elif field:
            added, removed, path = field.split("\t", 2)
            if not path:  # of a renamed file, both paths follow
                next(fields), next(fields)
            is_binary = added == "-"
            lines.append((0, 0, True) if is_binary else (int(added), int(removed), False))
    return [
        replace(change, added=added, removed=removed, binary=binary)
        for change, (added, removed, binary) in zip(changes, lines, strict=True)
    ]


def _patches(
    repository: pygit2.Repository, between: tuple[str, str], changes: list[FileChange]
) -> Iterator[str]:
    """Each file's part of `git diff`, as long as they are no longer than the limit together; then
    empty ones, without end."""
    with asked(repository, "diff-tree", *_RENAMES, "-p", *between) as question:
        text = question.output.read(MAX_DIFF_BYTES + 1)
        if len(text) <= MAX_DIFF_BYTES:
            question.check_whole()
    parts = re.split(rb"^(?=diff --git )", text, flags=re.MULTILINE)[1:]
    if len(text) > MAX_DIFF_BYTES:
        parts.pop()  # what was cut in two
    # A file that became a link is one part that goes and one that comes, with one first line.
    files = (b"".join(same) for _, same in groupby(parts, key=lambda part: part.split(b"\n", 1)[0]))
    for part, _ in zip(files, changes, strict=False):
        yield part.decode("utf-8", "replace")
    yield from repeat("")


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
