"""Who last changed each line of a text file."""

from dataclasses import dataclass

import pygit2

from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.git.history import to_commit
from graft.server.records import Commit

MAX_BLAMED_BYTES = 1024**2
MAX_BLAMED_LINES = 20_000


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
        BadRequestError: no text, or too much of it to look through.
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
    commits: dict[pygit2.Oid, Commit] = {}
    blamed = []
    for hunk in repository.blame(path, newest_commit=commit.id):
        oid = hunk.final_commit_id
        if oid not in commits:
            commits[oid] = to_commit(repository[oid].peel(pygit2.Commit))
        start = hunk.final_start_line_number
        part = tuple(lines[start - 1 : start - 1 + hunk.lines_in_hunk])
        blamed.append(BlamedLines(commits[oid], start, part))
    return tuple(blamed)
