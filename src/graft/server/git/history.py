"""Commits in order, and which of them last touched a file."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pygit2
from pygit2.enums import SortMode

from graft.server.records import Commit

_LAST_SECOND = 253_370_764_800
"""The first of January 9999, in seconds since 1970."""


def to_commit(commit: pygit2.Commit) -> Commit:
    """A commit as a plain value; its title is the message's first line."""
    title, _, message = commit.message.strip().partition("\n")
    offset = timezone(timedelta(minutes=commit.commit_time_offset))
    # Git takes any number for a time: what no calendar has is shown as the nearest that one has.
    seconds = min(max(commit.commit_time, 0), _LAST_SECOND)
    date = datetime.fromtimestamp(seconds, offset).astimezone(UTC)
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
    """For each path, the newest commit on the first-parent line that changed what lies there.

    Folders that a commit did not touch are passed over whole, so that a long history costs a look
    at each commit's tree and little more.
    """
    found: dict[str, Commit] = {}
    waiting: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        waiting.setdefault(folder, set()).add(name)
    commit = newest
    while waiting:
        parent = commit.parents[0] if commit.parents else None
        for folder, names in list(waiting.items()):
            changed = _changed(commit, parent, folder, names)
            for name in changed:
                found[f"{folder}/{name}" if folder else name] = to_commit(commit)
            names -= changed
            if not names:
                del waiting[folder]
        if parent is None:
            break
        commit = parent
    return found


def _changed(
    commit: pygit2.Commit, parent: pygit2.Commit | None, folder: str, names: set[str]
) -> set[str]:
    """Those of the names in a folder that stand for something else than in the parent."""
    here = _folder(commit, folder)
    before = _folder(parent, folder) if parent is not None else None
    if parent is None or here is None or before is None:
        return set(names)
    if here.id == before.id:
        return set()
    return {name for name in names if _oid(here, name) != _oid(before, name)}


def _folder(commit: pygit2.Commit, path: str) -> pygit2.Tree | None:
    if not path:
        return commit.tree
    try:
        found = commit.tree[path]
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, pygit2.Tree) else None


def _oid(tree: pygit2.Tree, name: str) -> pygit2.Oid | None:
    return tree[name].id if name in tree else None
