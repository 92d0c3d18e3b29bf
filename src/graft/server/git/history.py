"""Commits in order, and which of them last touched a file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pygit2

from graft.server.git.program import ask, asked, ended
from graft.server.records import Commit

_LAST_SECOND = 253_370_764_800
"""The first of January 9999, in seconds since 1970."""
_COMMIT = b"//"
"""Begins the name of a commit among paths: none of those has two slashes in a row."""
LAST_COMMITS_SECONDS = 10.0
"""How long last commits are looked for: a list can do without some."""
_MAX_LIMITS = 64_000
"""Characters of folders that a child is told on its command line."""
_MOST_SKIPPED = 2**31 - 1  # git takes no larger number
COUNTS_KEPT = 10_000
_COUNTS: dict[str, int] = {}


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
    page = (f"--skip={min(skip, _MOST_SKIPPED)}", f"--max-count={limit}")
    told = ask(repository, "rev-list", *page, commit_id).output
    commits = [to_commit(repository[oid].peel(pygit2.Commit)) for oid in told.decode().split()]
    return commits, _count(repository, commit_id)


def _count(repository: pygit2.Repository, commit_id: str) -> int:
    """How many commits lead to one, itself included. It never changes, so it is kept."""
    count = _COUNTS.get(commit_id)
    if count is None:
        count = int(ask(repository, "rev-list", "--count", commit_id).output)
        if len(_COUNTS) >= COUNTS_KEPT:  # another thread may do so, too
            _COUNTS.clear()
        _COUNTS[commit_id] = count
    return count


def last_commits(
    repository: pygit2.Repository, newest: pygit2.Commit, paths: list[str]
) -> dict[str, Commit]:
    """For each path, the newest commit on the first-parent line that changed what lies there.

    Of a history that takes git too long, only those that were found in time.
    """
    if not paths:
        return {}
    waiting = set(paths)
    folders = {path.rpartition("/")[0] for path in paths}
    limits = sorted(folders) if "" not in folders else []
    if sum(map(len, limits)) > _MAX_LIMITS:
        limits = []
    options = ("--first-parent", "--diff-merges=first-parent", "--root", "--no-renames")
    form = ("--name-only", "-z", f"--format=tformat:{_COMMIT.decode()}%H")
    found: dict[str, Commit] = {}
    command = ("log", *options, *form, str(newest.id), "--", *limits)
    with asked(repository, *command, seconds=LAST_COMMITS_SECONDS) as question:
        for commit, path in _changes(ended(question.output)):
            for part in _with_folders(path) & waiting:
                found[part] = to_commit(repository[commit].peel(pygit2.Commit))
                waiting.discard(part)
            if not waiting:
                break
        else:
            if not question.was_cut:
                question.check_whole()
    return found


def _changes(tokens: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """(commit, path of a file that it changed), the newest first."""
    commit = ""
    for token in tokens:
        if token.startswith(_COMMIT):
            commit = token.removeprefix(_COMMIT).decode()
        else:  # the first one stands in a line of its own
            yield commit, token.removeprefix(b"\n").decode("utf-8", "surrogateescape")


def _with_folders(path: str) -> set[str]:
    """A path, and the folders above it."""
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
