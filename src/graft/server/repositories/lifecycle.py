"""Repositories come and go: creating, naming, moving, duplicating and deleting them.

All functions here block. The git folder is made before its row and goes after it: what a stop of
the machine leaves is a folder that nothing leads to, which `graft hub gc` removes.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pygit2
from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from graft.server import events
from graft.server.db.tables import AccountRow, RedirectRow, RepositoryObjectRow, RepositoryRow
from graft.server.errors import (
    ConflictError,
    NotAllowedError,
    NotFoundError,
    RevisionNotFoundError,
)
from graft.server.events import Event
from graft.server.git import copies, durable
from graft.server.git import repository as git
from graft.server.git.refs import BRANCHES, TAGS
from graft.server.hub import Hub
from graft.server.names import check_account_name, check_repository_name
from graft.server.people import access
from graft.server.records import Account, Kind, Repository, User
from graft.server.repositories import refchanges, repos
from graft.server.repositories.describing import describe_snapshot
from graft.server.rows import to_record
from graft.server.search import index
from graft.server.search.describe import Description

COPIED_REFS = (BRANCHES, TAGS)
"""What a duplicate has: branches and tags, and nobody's pull requests."""


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

    def prepare(path: Path) -> None:
        git.create_repository(path, user.name)

    return _add(hub, _New(kind, account, name, private, user), prepare)


def duplicate(
    hub: Hub,
    source: Repository,
    owner: str,
    name: str,
    *,
    private: bool | None,
    user: User,
) -> Repository:
    """A new repository with the files, branches, tags and history of another.

    `private` None: as the other is. Large files are shared, not copied.

    Raises:
        BadRequestError: a name that it cannot have.
        GatedRepoError: the user may not read the other's files.
        NotAllowedError: another's namespace, or a token that may only read.
        ConflictError: the name is taken.
    """
    access.check_files(hub, source, user)
    check_repository_name(name)
    account = find_owner(owner, name, user)
    access.check_may_create(user, account)

    def prepare(path: Path) -> None:
        copied = copies.copy_repository(repos.repository_path(hub, source), path)
        for ref in opened.references:
            if ref.startswith(COPIED_REFS):
                copied.references.create(ref, opened.references[ref].target)

    def share(session: Session, row: RepositoryRow) -> None:
        held = select(
            literal(row.id), RepositoryObjectRow.sha256, literal(datetime.now(UTC))
        ).where(RepositoryObjectRow.repository_id == source.id)
        columns = ["repository_id", "sha256", "linked_at"]
        session.execute(insert(RepositoryObjectRow).from_select(columns, held))

    hidden = source.private if private is None else private
    copy = _New(source.kind, account, name, hidden, user)
    with refchanges.locked(hub, source) as opened:
        return _add(hub, copy, prepare, also=share, files_of=source.id)


def move(hub: Hub, repository: Repository, owner: str, name: str, user: User | None) -> Repository:
    """Gives a repository another name, under the same owner or another; its files stay where they
    are. Its old name leads to the new one, until another repository takes it.

    Raises:
        BadRequestError: a name that it cannot have.
        NotLoggedInError, NotAllowedError: the user may not do so here, or there.
        ConflictError: the name is taken.
    """
    user = access.check(user, repository, "admin")
    check_repository_name(name)
    if owner.lower() == repository.owner.lower():
        owner_id, owner = repository.owner_id, repository.owner
    else:
        account = find_owner(owner, name, user)
        access.check_may_create(user, account)
        owner_id, owner = account.id, account.name
    try:
        with refchanges.locked(hub, repository) as opened:
            description = _describe(hub, repository.kind, repository.id, opened)
            with hub.database.writing() as session:
                row = repos.get_row(session, repository)
                old = to_record(row)
                _rename(session, row, owner_id, owner, name)
                if description is not None:
                    index.write(session, row, description)
                moved = to_record(row)
                events.emit(session, Event("repo", "move", old, moved_to=moved))
                return moved
    except IntegrityError as error:
        raise _exists(repository.kind, owner, name) from error


def delete(hub: Hub, repository: Repository, user: User | None) -> None:
    """Removes a repository and its history. Large objects that no other one uses go with the next
    `graft hub gc`.

    Raises:
        NotLoggedInError, NotAllowedError: it is not theirs to delete.
    """
    access.check(user, repository, "admin")
    path = repos.repository_path(hub, repository)
    with refchanges.locked(hub, repository):
        with hub.database.writing() as session:
            row = repos.get_row(session, repository)
            events.emit(session, Event("repo", "delete", to_record(row)))
            index.remove(session, repository.id)
            session.delete(row)
        refchanges.forget_notes(hub, repository.id)
        # Nothing leads here any more: what a crash leaves behind takes up space, and harms nobody.
        # Whole, for who reads just now.
        trash = path.rename(path.with_name(f".deleted-{path.name}"))
    shutil.rmtree(trash, ignore_errors=True)


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


@dataclass(frozen=True)
class _New:
    """A repository that is to be."""

    kind: Kind
    owner: Account
    name: str
    private: bool
    creator: User


def _add(
    hub: Hub,
    new: _New,
    prepare: Callable[[Path], None],
    *,
    also: Callable[[Session, RepositoryRow], None] | None = None,
    files_of: int = 0,
) -> Repository:
    """Makes the git folder by `prepare`, then the row, and all that follows from it.

    Args:
        also: what else is to be in the transaction.
        files_of: the number of the repository whose large files it has, too.

    Raises:
        ConflictError: the name is taken.
        NotFoundError: the owner has just been deleted.
    """
    folder = repos.new_folder()
    path = hub.settings.repositories_folder / folder
    try:
        prepare(path)
        durable.sync_all(path)
        description = _describe(hub, new.kind, files_of, git.open_repository(path))
        with hub.database.writing() as session:
            row = _insert(session, new, folder)
            if also is not None:
                also(session, row)
            if description is not None:
                index.write(session, row, description)
            made = to_record(row)
            events.emit(session, Event("repo", "create", made))
            return made
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, IntegrityError):
            raise _exists(new.kind, new.owner.name, new.name) from error
        raise


def _insert(session: Session, new: _New, folder: str) -> RepositoryRow:
    owner = session.get(AccountRow, new.owner.id)
    if owner is None:
        raise NotFoundError(f"The account {new.owner.name} has just been deleted.")
    now = datetime.now(UTC)
    row = RepositoryRow(
        kind=new.kind.value,
        owner=owner,
        creator_id=new.creator.account.id,
        name=new.name,
        key=f"{owner.name}/{new.name}".lower(),
        folder=folder,
        private=new.private,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    _forget_redirect(session, row.kind, row.key)
    return row


def _rename(session: Session, row: RepositoryRow, owner_id: int, owner: str, name: str) -> None:
    account = session.get(AccountRow, owner_id)
    if account is None:
        raise NotFoundError(f"The account {owner} has just been deleted.")
    old_key, row.key = row.key, f"{account.name}/{name}".lower()
    row.owner, row.name = account, name
    session.flush()
    _forget_redirect(session, row.kind, row.key)
    if old_key != row.key:
        session.add(RedirectRow(kind=row.kind, key=old_key, repository_id=row.id))
        session.flush()


def _forget_redirect(session: Session, kind: str, key: str) -> None:
    """A name that is taken leads nowhere else any more."""
    mine = (RedirectRow.kind == kind, RedirectRow.key == key)
    session.execute(sql_delete(RedirectRow).where(*mine))


def _describe(
    hub: Hub, kind: Kind, repository_id: int, opened: pygit2.Repository
) -> Description | None:
    """What `main` says, with the large files of that repository; None where it has no commit."""
    try:
        found = git.snapshot(opened, git.DEFAULT_BRANCH)
    except RevisionNotFoundError:
        return None
    return describe_snapshot(hub, kind, repository_id, found)


def _exists(kind: Kind, owner: str, name: str) -> ConflictError:
    return ConflictError(f"A {kind.value} repository called {owner}/{name} already exists.")
