"""Changing what a repository's refs name: one change at a time, all of it or nothing of it.

Refs live in git, what is known about them in the database; a stop of the machine can come between
the two. So a note of what is about to move is written first and removed last. Whoever locks the
repository next, or the Hub when it starts, finds the note and finishes what was begun: refs that
moved stay where they are (all that they name was checked and stored before), and the tables are
brought up to them. Objects and note are on the disk before a ref moves, and the ref before the
tables: this holds after the power fails, too.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pygit2
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from graft.files import atomic_file
from graft.server import events
from graft.server.community.writing import Merge, mark_merged
from graft.server.content import links
from graft.server.db.tables import RepositoryRow
from graft.server.db.tables.community import DiscussionRow
from graft.server.errors import RepoNotFoundError
from graft.server.events import RefUpdate
from graft.server.git import durable, refs
from graft.server.git import locks as git_locks
from graft.server.git import repository as git
from graft.server.git.merging import pull_request_number
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.repositories.describing import describe_snapshot
from graft.server.rows import to_record
from graft.server.search import index
from graft.server.search.describe import Description

logger = logging.getLogger("graft.server")

MAIN = f"refs/heads/{git.DEFAULT_BRANCH}"

Also = Callable[[Session], None]
"""Writes more in the transaction of a change."""


@contextmanager
def locked(hub: Hub, repository: Repository) -> Iterator[pygit2.Repository]:
    """Holds the repository against all other changes, of this process and of others, and opens it.

    What an earlier process was stopped in the middle of is finished first. Not to be taken twice.

    Raises:
        RepoNotFoundError: it has just been deleted.
    """
    path = hub.settings.repositories_folder / repository.folder
    with hub.database.held(f"repository {repository.id}"), git.locked(path):
        opened = git.open_repository(path)
        if _note(hub, repository.id).exists():
            _finish(hub, repository, opened)
        yield opened


def move(
    hub: Hub,
    repository: Repository,
    opened: pygit2.Repository,
    updates: Sequence[RefUpdate],
    *,
    objects: Collection[str] = (),
    also: Also | None = None,
    merge: Merge | None = None,
) -> None:
    """Moves refs, and writes all that follows from it; inside `locked`.

    Args:
        updates: what to create, move and delete; each ref still has to be as its update says.
        objects: large objects that the new commits name and that the user may use; the repository
            is given those that it lacks.
        also: writes more in the same transaction; it may make the ref of a pull request that it
            opens there.
        merge: the pull request that the one update merges: `also` marks it as merged, and so does
            whoever finishes the change after a stop.

    Raises:
        StaleParentError: a ref is not as its update says; nothing was changed.
        RepoNotFoundError: it has just been deleted.
    """
    description = _describe_new(hub, repository, opened, updates, objects)
    links.give(hub.database, repository.id, objects)
    note = _write_note(hub, repository.id, updates, merge)
    folder = Path(opened.path)
    durable.sync_all(folder)
    moved: list[RefUpdate] = []
    try:
        with hub.database.writing() as session:
            _write(session, repository, updates, description)
            if also is not None:
                also(session)
            session.flush()
            # The last thing that can fail, but for the commit itself.
            for update in updates:
                stays = update.new is not None and (folder / update.ref).is_file()
                refs.move_ref(opened, update.ref, update.old, update.new)
                moved.append(update)
                if len(updates) == 1:
                    durable.sync_ref(folder, update.ref, stays=stays)
            if len(updates) > 1:  # once for all: whoever else writes may be waiting meanwhile
                durable.sync_all(folder)
    except BaseException:
        for update in reversed(moved):
            refs.move_ref(opened, update.ref, update.new, update.old)
        remove_lost_pull_requests(hub, repository, opened)
        note.unlink()
        raise
    note.unlink()


def unfinished(hub: Hub) -> list[int]:
    """The ids of repositories whose last change was cut in two."""
    return [
        int(path.name) for path in hub.settings.changes_folder.glob("*") if path.name.isdecimal()
    ]


def forget_notes(hub: Hub, repository_id: int) -> None:
    """Removes what was noted about a repository that is no more."""
    _note(hub, repository_id).unlink(missing_ok=True)


def _write(
    session: Session,
    repository: Repository,
    updates: Sequence[RefUpdate],
    description: Description | None,
) -> None:
    row = session.get(RepositoryRow, repository.id)
    if row is None:
        raise RepoNotFoundError(f"{repository.full_name} has just been deleted.")
    if description is not None:
        index.write(session, row, description)
    if not updates:
        return
    event = events.Event("repo.content", "update", to_record(row), refs=tuple(updates))
    events.emit(session, event)


def _describe_new(
    hub: Hub,
    repository: Repository,
    opened: pygit2.Repository,
    updates: Sequence[RefUpdate],
    objects: Collection[str],
) -> Description | None:
    """What `main` says about the repository, where it is among what changes."""
    for update in updates:
        if update.ref == MAIN and update.new is not None:
            found = Snapshot(opened, opened[update.new].peel(pygit2.Commit))
            return describe_snapshot(hub, repository.kind, repository.id, found, objects)
    return None


def _note(hub: Hub, repository_id: int) -> Path:
    return hub.settings.changes_folder / str(repository_id)


def _write_note(
    hub: Hub, repository_id: int, updates: Sequence[RefUpdate], merge: Merge | None
) -> Path:
    note = _note(hub, repository_id)
    noted = {
        "updates": [[update.ref, update.old, update.new] for update in updates],
        "merge": asdict(merge) if merge is not None else None,
    }
    with atomic_file(note) as temporary:
        temporary.write_text(json.dumps(noted), encoding="utf-8")
    return note


def _read_note(note: Path) -> tuple[list[RefUpdate], Merge | None]:
    noted = json.loads(note.read_text(encoding="utf-8"))
    updates = [RefUpdate(*fields) for fields in noted["updates"]]
    return updates, Merge(**noted["merge"]) if noted["merge"] is not None else None


def _finish(hub: Hub, repository: Repository, opened: pygit2.Repository) -> None:
    """Brings the tables up to the refs that a stopped process had moved."""
    note = _note(hub, repository.id)
    updates, merge = _read_note(note)
    git_locks.remove_stale(Path(opened.path))
    remove_lost_pull_requests(hub, repository, opened)
    happened = [
        update
        for update in updates
        if refs.target_of(opened, update.ref) == update.new != update.old
    ]
    if happened:
        logger.warning(
            "%s: a change of %s was cut short; finishing it.",
            repository.full_name,
            ", ".join(update.ref for update in happened[:10]),
        )
        description = _describe_new(hub, repository, opened, happened, ())
        with hub.database.writing() as session:
            _write(session, repository, happened, description)
            for update in happened:
                if merge is not None and update.new is not None:
                    mark_merged(session, repository, merge, update.new)
    note.unlink()


def remove_lost_pull_requests(hub: Hub, repository: Repository, opened: pygit2.Repository) -> None:
    """Removes refs of pull requests whose discussion did not come about: those have no number."""
    mine = DiscussionRow.repository_id == repository.id
    with hub.database.reading() as session:
        last = session.scalar(select(func.max(DiscussionRow.number)).where(mine)) or 0
    for ref in list(opened.references):
        if (pull_request_number(ref) or 0) > last:
            opened.references.delete(ref)
