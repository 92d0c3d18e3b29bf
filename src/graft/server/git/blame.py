"""Who last changed each line of a text file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pygit2

from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.git.history import to_commit
from graft.server.git.program import ask
from graft.server.records import Commit

MAX_BLAMED_BYTES = 1024**2
MAX_BLAMED_LINES = 20_000

# A part begins with the commit, the first line's number there and here, and how many lines.
_BLAMED = re.compile(rb"^([0-9a-f]{40}) \d+ (\d+) \d+$", re.MULTILINE)


@dataclass(frozen=True)
class BlamedLines:
    """Lines that stand together and came with one commit."""

    commit: Commit
    start: int
    """The first line's number, counted from 1."""
    lines: tuple[str, ...]


def blame(
    repository: pygit2.Repository, commit: pygit2.Commit, path: str
) -> tuple[BlamedLines, ...]:
    """The lines of a file at `commit`, in order, each with the commit that brought it.

    Raises:
        EntryNotFoundError: no such file.
        BadRequestError: no text, or too much of it, or of its history, to look through.
    """
    found = commit.tree[path] if path and path in commit.tree else None
    if not isinstance(found, pygit2.Blob):
        raise EntryNotFoundError(
            f"{path!r} is no file of this repository at revision {commit.id}.",
            headers={"X-Repo-Commit": str(commit.id)},
        )
    if found.size > MAX_BLAMED_BYTES:
        raise BadRequestError(
            f"{path!r} has {found.size} bytes; only files up to {MAX_BLAMED_BYTES} are told line "
            "by line. Clone the repository and use `git blame`."
        )
    data = found.data
    if b"\0" in data:
        raise BadRequestError(f"{path!r} is no text: it has no lines that somebody wrote.")
    lines = data.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return ()
    if len(lines) > MAX_BLAMED_LINES:
        raise BadRequestError(
            f"{path!r} has {len(lines)} lines; only files up to {MAX_BLAMED_LINES} are told line "
            "by line. Clone the repository and use `git blame`."
        )
    return tuple(_blamed(repository, commit, path, lines))


def _blamed(
    repository: pygit2.Repository, commit: pygit2.Commit, path: str, lines: list[str]
) -> Iterator[BlamedLines]:
    commits: dict[str, Commit] = {}
    starts = _starts(repository, commit, path)
    for (start, oid), (end, _) in pairwise([*starts, (len(lines) + 1, "")]):
        if oid not in commits:
            commits[oid] = to_commit(repository[oid].peel(pygit2.Commit))
        yield BlamedLines(commits[oid], start, tuple(lines[start - 1 : end - 1]))


def _starts(
    repository: pygit2.Repository, commit: pygit2.Commit, path: str
) -> list[tuple[int, str]]:
    """Where lines begin that came with another commit than those before, and that commit."""
    told = ask(repository, "blame", "--incremental", str(commit.id), "--", path).output
    found = sorted((int(match[2]), match[1].decode()) for match in _BLAMED.finditer(told))
    return [
        part for number, part in enumerate(found) if number == 0 or part[1] != found[number - 1][1]
    ]
