"""Everything the API and the pages do with repositories goes through here.

Who may see what is decided by `access`: a private repository answers exactly as a missing one does
to those who may not see it. All functions here block (database, git, disk), so async code calls
them in a worker thread; only the pieces that `stream` answers come without blocking.
"""

import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pygit2
from sqlalchemy import ColumnElement, Select, Table, bindparam, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from graft.server.community import trending
from graft.server.content import large
from graft.server.db.tables import RedirectRow, RepositoryRow
from graft.server.errors import (
    NotLoggedInError,
    RepoMovedError,
    RepoNotFoundError,
)
from graft.server.git import history as git_history
from graft.server.git import refs as git_refs
from graft.server.git import repository as git
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.people import access, identity
from graft.server.records import (
    Card,
    Commit,
    Entry,
    Kind,
    Refs,
    Repository,
    User,
)
from graft.server.repositories import refchanges
from graft.server.repositories.describing import describe_snapshot
from graft.server.rows import WHOLE, from_values, repositories, to_record
from graft.server.search import index
from graft.server.search.describe import read_card

logger = logging.getLogger("graft.server")

_R = RepositoryRow.__table__.c
_OWN = len(WHOLE)
# Made once: putting a query together takes longer than asking it.
_FOUND = repositories().where(_R.kind == bindparam("kind"), _R.key == bindparam("key"))
_BY_ID = repositories().where(_R.id == bindparam("id"))
_MOVED = (
    repositories()
    .join(RedirectRow, RedirectRow.repository_id == RepositoryRow.id)
    .where(RedirectRow.kind == bindparam("kind"), RedirectRow.key == bindparam("key"))
)

# --- finding -------------------------------------------------------------------------------------


def find(hub: Hub, kind: Kind, owner: str, name: str, user: User | None) -> Repository:
    """
    Raises:
        RepoNotFoundError: it does not exist, or `user` may not see it.
        RepoMovedError: it has another name now.
    """
    return find_by(hub, _FOUND, kind, owner, name, user)[0]


def found_with(table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """A query for `find_by`, with columns of a table that has a row for some repositories."""
    return _FOUND.add_columns(*columns).outerjoin(table, table.c.repository_id == _R.id)


def find_by(
    hub: Hub, asked: Select[Any], kind: Kind, owner: str, name: str, user: User | None
) -> tuple[Repository, tuple[Any, ...]]:
    """As `find`, with the values of the columns that `found_with` was given.

    Raises: as `find` does
    """
    values = {"kind": kind.value, "key": f"{owner}/{name}".lower()}
    with hub.database.querying() as reader:
        row = reader.execute(asked, values).first()
        moved = None if row is not None else reader.execute(_MOVED, values).first()
    if row is not None:
        found = from_values(*row[:_OWN])
        access.check_reader(user, found)
        if hub.mirror is not None and hub.mirror.refresh(found):
            return find_by(hub, asked, kind, owner, name, user)
        return found, row[_OWN:]
    if moved is not None:
        found = to_record(moved)
        if access.allows(user, found, "read"):
            raise RepoMovedError(f"{owner}/{name}", found.full_name)
        raise access.not_found(kind, owner, name)
    if hub.mirror is None:
        raise access.not_found(kind, owner, name)
    fetched = hub.mirror.find(kind, owner, name)
    return fetched, (None,) * (len(asked.selected_columns) - _OWN)


def again(hub: Hub, repository: Repository, user: User | None) -> tuple[Repository, User | None]:
    """Both as they are now, for what is done with a body that took long to come: meanwhile the
    repository may have another owner, and the user other rights.

    Raises:
        RepoNotFoundError: it has just been deleted.
        NotLoggedInError: the user's token was deleted, or has expired.
    """
    with hub.database.querying() as reader:
        row = reader.execute(_BY_ID, {"id": repository.id}).first()
        if user is not None:
            who, user = user, identity.again(reader, user.account.id, user.token_id)
            if user is None:
                raise NotLoggedInError(
                    f"The token {who.token_name!r} was deleted or has expired while the request "
                    "came in. Nothing was changed; use another."
                )
    if row is None:
        raise RepoNotFoundError(f"{repository.full_name} has just been deleted.")
    return from_values(*row), user


# --- counting ------------------------------------------------------------------------------------


def count_download(hub: Hub, repository: Repository, who: str) -> None:
    """Counts a fetch by `who` (an account or an address), unless it belongs to the last one.

    A count that cannot be written is logged: nobody's download fails because of it.
    """
    if not hub.downloads.is_new(repository.id, who):
        return
    try:
        with hub.database.writing() as session:
            if not hub.downloads.note(session, repository.id, who):
                return
            session.execute(
                update(RepositoryRow)
                .where(RepositoryRow.id == repository.id)
                .values(downloads=RepositoryRow.downloads + 1)
            )
            trending.add(session, repository.id, trending.DOWNLOAD)
    except SQLAlchemyError as error:
        logger.warning("A download of %s could not be counted: %s", repository.full_name, error)


# --- reading -------------------------------------------------------------------------------------


def snapshot(hub: Hub, repository: Repository, revision: str = git.DEFAULT_BRANCH) -> Snapshot:
    """The repository at a branch, tag or commit.

    Raises:
        RevisionNotFoundError: none of those.
    """
    return git.snapshot(open_git(hub, repository), revision)


def split_revision(hub: Hub, repository: Repository, rest: str) -> tuple[Snapshot, str]:
    """Takes `revision/path/in/repository` apart; the revision itself may hold slashes.

    Raises:
        RevisionNotFoundError: no leading part of `rest` is a revision.
    """
    opened = open_git(hub, repository)
    commit, path = git.split_revision(opened, rest)
    return Snapshot(opened, commit), path


def read(hub: Hub, repository: Repository, entry: Entry, limit: int | None = None) -> bytes:
    """The file's bytes, large ones included; at most `limit` of them.

    Raises:
        EntryNotFoundError: the repository does not hold the large object that the file names.
    """
    length = entry.size if limit is None else min(limit, entry.size)
    if entry.lfs is not None:
        if hub.mirror is not None and hub.mirror.lacks(repository.id, entry.lfs):
            return hub.mirror.read(repository.id, entry.lfs, 0, length)
        large.check_held(hub, repository.id, entry)
        return hub.content.read(entry.lfs.sha256, 0, length)
    return git.read_blob(open_git(hub, repository), entry.oid)[:length]


def stream(
    hub: Hub, repository: Repository, entry: Entry, start: int = 0, end: int | None = None
) -> AsyncIterator[bytes]:
    """The file's bytes from `start` up to, not including, `end`, a piece at a time.

    Raises:
        EntryNotFoundError: the repository does not hold the large object that the file names;
            raised at once, not with the first piece.
    """
    end = entry.size if end is None else end
    if entry.lfs is not None:
        if hub.mirror is not None and hub.mirror.lacks(repository.id, entry.lfs):
            return hub.mirror.stream(repository.id, entry.lfs, start, end)
        large.check_held(hub, repository.id, entry)
        return hub.content.stream(entry.lfs.sha256, start, end)
    return _piece(git.read_blob(open_git(hub, repository), entry.oid)[start:end])


async def _piece(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content


def card(hub: Hub, repository: Repository, revision: str = git.DEFAULT_BRANCH) -> Card:
    """README.md taken apart; an empty card where there is none.

    Raises:
        RevisionNotFoundError: no such revision.
    """
    found = snapshot(hub, repository, revision)
    return read_card(found, large.reader(hub, repository.id, found))


def history(
    hub: Hub,
    repository: Repository,
    revision: str = git.DEFAULT_BRANCH,
    *,
    skip: int = 0,
    limit: int = 50,
) -> tuple[list[Commit], int]:
    """`limit` commits after the first `skip`, newest first; and how many there are.

    Raises:
        RevisionNotFoundError: no such revision.
    """
    opened = open_git(hub, repository)
    commit = git.find_commit(opened, revision)
    return git_history.history(opened, str(commit.id), skip=skip, limit=limit)


def refs(hub: Hub, repository: Repository) -> Refs:
    """All branches, tags, conversions and pull requests."""
    return git_refs.list_refs(open_git(hub, repository))


# --- for the other services ----------------------------------------------------------------------


def new_folder() -> str:
    """A folder for a new repository, below that of all: no other has it, ever."""
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}.git"


def repository_path(hub: Hub, repository: Repository) -> Path:
    """The bare git repository's folder."""
    return hub.settings.repositories_folder / repository.folder


def open_git(hub: Hub, repository: Repository) -> pygit2.Repository:
    """
    Raises:
        RepoNotFoundError: it has just been deleted.
    """
    return git.open_repository(repository_path(hub, repository))


def get_row(session: Session, repository: Repository) -> RepositoryRow:
    """The repository's row, inside a transaction.

    Raises:
        RepoNotFoundError: it has just been deleted.
    """
    row = session.get(RepositoryRow, repository.id)
    if row is None:
        raise RepoNotFoundError(f"{repository.full_name} has just been deleted.")
    return row


def reindex(hub: Hub, repository: Repository) -> None:
    """Reads the newest commit of `main` into the tables that lists and searches read.

    Raises:
        RepoNotFoundError: it has just been deleted.
    """
    with refchanges.locked(hub, repository):
        newest = snapshot(hub, repository)
        description = describe_snapshot(hub, repository.kind, repository.id, newest)
        with hub.database.writing() as session:
            index.write(session, get_row(session, repository), description)
