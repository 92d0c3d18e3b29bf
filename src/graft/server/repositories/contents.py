"""What a repository's files are and say: at its newest commit from the database, which was told
when the commit came, at all others from git.

Opening a repository's folder is what a busy Hub waits for: there are more than memory holds. All
functions here block (database, git), so async code calls them in a worker thread.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import case, func, select

from graft.server.db.tables import ContentsRow
from graft.server.errors import RefusedError
from graft.server.git.repository import DEFAULT_BRANCH
from graft.server.git.snapshot import missing
from graft.server.hub import Hub
from graft.server.records import Entry, Kind, Lfs, Repository, User
from graft.server.repositories import repos
from graft.server.repositories.describing import describe_snapshot

MAX_LIST = 20_000
"""Characters of the longest list of files that is looked through for one of them: git finds it
sooner where there are many."""

_CONTENTS: Any = ContentsRow.__table__
_C = _CONTENTS.c
_WHOLE = repos.found_with(_CONTENTS, _C.head, _C.files, _C.about)
_FILES = repos.found_with(
    _CONTENTS, _C.head, case((func.length(_C.files) <= MAX_LIST, _C.files), else_=None)
)


@dataclass(frozen=True)
class Contents:
    """What a repository's newest commit holds, as it was read when it came."""

    head: str
    files: tuple[Entry, ...]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The files of a repository, at any revision."""

    hub: Hub
    repository: Repository
    newest: str | None
    """The list of those of its newest commit; None where it has to be asked for in git."""

    def find(self, rest: str) -> tuple[str, Entry]:
        """The commit, and the file or folder, that `revision/path/in/repository` names.

        Raises:
            RevisionNotFoundError: no leading part of `rest` is a revision.
            EntryNotFoundError: nothing lies there.
        """
        revision, _, path = rest.partition("/")
        head = self.repository.head
        if self.newest is not None and head is not None and revision in (DEFAULT_BRANCH, head):
            found = self._find_newest(head, path)
            if found is not None:
                return head, found
        snapshot, path = repos.split_revision(self.hub, self.repository, rest)
        return snapshot.id, snapshot.entry(path)

    def _find_newest(self, head: str, path: str) -> Entry | None:
        """The file; None for what git has to tell about, such as folders."""
        files = {listed[0]: listed for listed in json.loads(self.newest or "[]")}
        if path in files:
            return _entry(files[path])
        # Clients ask for many files that only some repositories have.
        if path.strip("/") != path or path == "" or any(f.startswith(f"{path}/") for f in files):
            return None
        raise missing(head, path)


def find_whole(
    hub: Hub, kind: Kind, owner: str, name: str, user: User | None
) -> tuple[Repository, Contents | None]:
    """The repository as `repos.find` finds it, with what its newest commit holds: None where that
    has not been read yet.

    Raises: as `repos.find` does
    """
    repository, (head, files, about) = repos.find_by(hub, _WHOLE, kind, owner, name, user)
    if head is None or head != repository.head:
        return repository, None
    return repository, _contents(head, files, about)


def find_files(
    hub: Hub, kind: Kind, owner: str, name: str, user: User | None
) -> tuple[Repository, Files]:
    """The repository as `repos.find` finds it, with its files.

    Raises: as `repos.find` does
    """
    repository, (head, listed) = repos.find_by(hub, _FILES, kind, owner, name, user)
    is_read = head is not None and head == repository.head
    return repository, Files(hub, repository, listed if is_read else None)


def contents_of(hub: Hub, wanted: Collection[Repository]) -> dict[int, Contents]:
    """What the newest commits of repositories hold, by id."""
    found = _read_contents(hub, wanted)
    for repository in wanted:
        if repository.id not in found and repository.head is not None:
            with suppress(RefusedError):  # deleted since the list was read
                found[repository.id] = at_revision(hub, repository, DEFAULT_BRANCH)[1]
    return found


def at_revision(hub: Hub, repository: Repository, revision: str) -> tuple[Repository, Contents]:
    """The repository as it was at a branch, tag or commit, read out of git.

    Raises:
        RevisionNotFoundError: none of those.
    """
    snapshot = repos.snapshot(hub, repository, revision)
    found = describe_snapshot(hub, repository.kind, repository.id, snapshot)
    then = replace(
        repository,
        head=found.head,
        updated_at=snapshot.commit.date,
        tags=tuple(found.tags),
        task=found.task,
        library=found.library,
        license=found.license,
        weights=found.weights,
        size=found.size,
        card=found.card,
    )
    return then, Contents(found.head, tuple(map(_entry, found.files)), found.about)


def _read_contents(hub: Hub, wanted: Collection[Repository]) -> dict[int, Contents]:
    heads = {item.id: item.head for item in wanted}
    columns = (ContentsRow.repository_id, ContentsRow.head, ContentsRow.files, ContentsRow.about)
    with hub.database.reading() as session:
        rows = session.execute(select(*columns).where(ContentsRow.repository_id.in_(heads))).all()
    return {
        id_: _contents(head, files, about) for id_, head, files, about in rows if heads[id_] == head
    }


def _contents(head: str, files: str, about: str) -> Contents:
    return Contents(head, tuple(map(_entry, json.loads(files))), json.loads(about))


def _entry(listed: list[Any]) -> Entry:
    path, size, oid, sha256, pointer_size = listed
    lfs = Lfs(sha256, size, pointer_size) if sha256 else None
    return Entry(path, "file", oid, size, lfs)
