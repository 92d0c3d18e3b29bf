"""Commits in order, and which of them last touched a file."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pygit2
from pygit2.enums import SortMode

from graft.server.records import Commit


def to_commit(commit: pygit2.Commit) -> Commit:
    """A commit as a plain value; its title is the message's first line."""
    title, _, message = commit.message.strip().partition("\n")
    offset = timezone(timedelta(minutes=commit.commit_time_offset))
    date = datetime.fromtimestamp(commit.commit_time, offset).astimezone(UTC)
    return Commit(str(commit.id), title.strip(), message.strip(), (commit.author.name,), date)


def history(
    repository: pygit2.Repository, commit_id: str, *, skip: int, limit: int
) -> tuple[list[Commit], int]:
    """`limit` commits that lead to `commit_id`, newest first, after the first `skip`; and how many
    there are in all."""
    order = SortMode.TOPOLOGICAL | SortMode.TIME
    walker = repository.walk(commit_id, order)
    commits = [to_commit(commit) for commit in islice(walker, skip, skip + limit)]
    total = sum(1 for _ in repository.walk(commit_id, SortMode.NONE))
    return commits, total


def last_commits(newest: pygit2.Commit, paths: list[str]) -> dict[str, Commit]:
    """For each path, the newest commit on the first-parent line that changed what lies there."""
    found: dict[str, Commit] = {}
    waiting = {path: _oid(newest, path) for path in paths}
    commit = newest
    while waiting:
        parent = commit.parents[0] if commit.parents else None
        for path, oid in list(waiting.items()):
            if parent is None or _oid(parent, path) != oid:
                found[path] = to_commit(commit)
                del waiting[path]
        if parent is None:
            break
        commit = parent
    return found


def _oid(commit: pygit2.Commit, path: str) -> str | None:
    try:
        return str(commit.tree[path].id)
    except (KeyError, ValueError):
        return None
