"""Everything the API and the pages do with repositories goes through here.

Who may see what is decided by `access`: a private repository answers exactly as a missing one does
to those who may not see it. All functions here block (database, git, disk), so async code calls
them in a worker thread; only the pieces that `stream` answers come without blocking.
"""

import logging
import secrets
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pygit2
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from graft.server import access, large, links
from graft.server.community import trending
from graft.server.db.tables import AccountRow, RepositoryRow
from graft.server.errors import (
    ConflictError,
    NotAllowedError,
    NotFoundError,
    RepoNotFoundError,
)
from graft.server.git import history as git_history
from graft.server.git import refs as git_refs
from graft.server.git import repository as git
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.names import check_account_name, check_repository_name
from graft.server.records import (
    Account,
    Card,
    Commit,
    Entry,
    Kind,
    Refs,
    Repository,
    User,
)
from graft.server.rows import repositories, to_record
from graft.server.search import index
from graft.server.search.describe import Description, describe, read_card

logger = logging.getLogger("graft.server")

# --- finding -------------------------------------------------------------------------------------


def find(hub: Hub, kind: Kind, owner: str, name: str, user: User | None) -> Repository:
    """
    Raises:
        RepoNotFoundError: it does not exist, or `user` may not see it.
    """
    key = f"{owner}/{name}".lower()
    with hub.database.reading() as session:
        asked = repositories().where(RepositoryRow.kind == kind.value, RepositoryRow.key == key)
        row = session.execute(asked).first()
        if row is None:
            raise access.not_found(kind, owner, name)
        found = to_record(row)
    access.check_reader(user, found)
    return found


def may_write(repository: Repository, user: User | None) -> bool:
    """Whether `user` may change the repository."""
    return access.allows(user, repository, "write")


def check_may_administer(repository: Repository, user: User | None) -> User:
    """`user`, when they may change the repository's settings, name and existence.

    Raises:
        RepoNotFoundError: they may not even see it.
        NotLoggedInError: nobody is asking.
        NotAllowedError: it is not theirs, or their token may do less.
    """
    return access.check(user, repository, "admin")


def check_may_write(repository: Repository, user: User | None) -> User:
    """`user`, when they may change the repository.

    Raises:
        RepoNotFoundError: they may not even see it.
        NotLoggedInError: nobody is asking.
        NotAllowedError: it is not theirs, or their token may do less.
    """
    return access.check(user, repository, "write")


# --- creating, changing, deleting ----------------------------------------------------------------


def create(hub: Hub, kind: Kind, owner: str, name: str, *, private: bool, user: User) -> Repository:
    """A new repository, with `.gitattributes` in its first commit.

    Raises:
        BadRequestError: a name that it cannot have.
        NotAllowedError: another's namespace, or a token that may only read.
        ConflictError: it exists.
    """
    check_repository_name(name)
    account = find_owner(owner, name, user)
    access.check_may_create(user, account)
    folder = _new_folder()
    path = hub.settings.repositories_folder / folder
    try:
        git.create_repository(path, user.name)
        with hub.database.writing() as session:
            row = _insert(session, kind, account, name, folder, private, user)
            found = git.snapshot(git.open_repository(path), git.DEFAULT_BRANCH)
            index.write(session, row, describe(kind, found, large.reader(hub, row.id, found)))
            return to_record(row)
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, IntegrityError):
            raise _exists(kind, account.name, name) from error
        raise


def set_private(hub: Hub, repository: Repository, private: bool, user: User | None) -> Repository:
    """
    Raises:
        NotAllowedError: it is not the user's, or their token may only read.
    """
    check_may_write(repository, user)
    with hub.database.writing() as session:
        row = get_row(session, repository)
        row.private = private
        return to_record(row)


def rename(hub: Hub, repository: Repository, name: str, user: User | None) -> Repository:
    """Gives a repository another name; its files stay where they are.

    Raises:
        BadRequestError: a name that it cannot have.
        NotAllowedError: it is not the user's, or their token may only read.
        ConflictError: the name is taken.
    """
    check_may_write(repository, user)
    check_repository_name(name)
    try:
        with git.locked(repository_path(hub, repository)):
            description = _describe(hub, repository)
            with hub.database.writing() as session:
                row = get_row(session, repository)
                row.name = name
                row.key = f"{row.owner.name}/{name}".lower()
                session.flush()
                index.write(session, row, description)
                return to_record(row)
    except IntegrityError as error:
        raise _exists(repository.kind, repository.owner, name) from error


def delete(hub: Hub, repository: Repository, user: User | None) -> None:
    """Removes a repository, its history, and the large objects that no other repository uses.

    Raises:
        NotAllowedError: it is not the user's, or their token may only read.
    """
    check_may_write(repository, user)
    path = repository_path(hub, repository)
    with git.locked(path):
        with hub.database.writing() as session:
            index.remove(session, repository.id)
            session.delete(get_row(session, repository))
            session.flush()
            orphans = links.forget_orphans(session)
        # Nothing leads here any more: what a crash leaves behind takes up space, and harms nobody.
        trash = path.rename(
            path.with_name(f".deleted-{path.name}")
        )  # whole, for who reads just now
    shutil.rmtree(trash, ignore_errors=True)
    large.delete_orphans(hub, orphans)


def count_download(hub: Hub, repository: Repository, who: str) -> None:
    """Counts a fetch by `who` (an account or an address), unless it belongs to the last one.

    A count that cannot be written is logged: nobody's download fails because of it.
    """
    if not hub.downloads.is_new(repository.id, who):
        return
    try:
        with hub.database.writing() as session:
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
    with git.locked(repository_path(hub, repository)):
        description = _describe(hub, repository)
        with hub.database.writing() as session:
            index.write(session, get_row(session, repository), description)


def _describe(hub: Hub, repository: Repository) -> Description:
    found = snapshot(hub, repository)
    return describe(repository.kind, found, large.reader(hub, repository.id, found))


def _insert(
    session: Session,
    kind: Kind,
    account: Account,
    name: str,
    folder: str,
    private: bool,
    user: User,
) -> RepositoryRow:
    owner = session.get(AccountRow, account.id)
    if owner is None:
        raise NotFoundError(f"The account {account.name} has just been deleted.")
    now = datetime.now(UTC)
    row = RepositoryRow(
        kind=kind.value,
        owner=owner,
        creator_id=user.account.id,
        name=name,
        key=f"{owner.name}/{name}".lower(),
        folder=folder,
        private=private,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return row


def find_owner(owner: str, name: str, user: User) -> Account:
    """The account or organization called `owner` among those that `user` may create `name` under.

    Raises:
        NotAllowedError: it is another's name; whether anybody has it is not the asker's to know.
    """
    if owner.lower() == user.name.lower():
        return user.account
    for membership in user.memberships:
        if membership.organization.name.lower() == owner.lower():
            return membership.organization
    check_account_name(owner)
    raise NotAllowedError(
        f"{user.name} may not create a repository under {owner!r}: use {user.name}/{name}, or an "
        "organization that you belong to."
    )


def _exists(kind: Kind, owner: str, name: str) -> ConflictError:
    return ConflictError(f"A {kind.value} repository called {owner}/{name} already exists.")


def _noun(kind: Kind) -> str:
    return "model" if kind is Kind.MODEL else "data set"


def _new_folder() -> str:
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}.git"
