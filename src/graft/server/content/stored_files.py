"""The large objects that a repository keeps, for all its history: listing them, deleting them for
good, and giving them to another repository."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pygit2
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from graft.server.content import links
from graft.server.db.tables import GivenUpObjectRow, ObjectRow, RepositoryObjectRow
from graft.server.errors import BadRequestError
from graft.server.events import RefUpdate
from graft.server.git import reachable
from graft.server.git.rewriting import Rewriting
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Repository, User
from graft.server.repositories import branches, refchanges, repos

PAGE_FILES = 1000


@dataclass(frozen=True)
class StoredFile:
    """An object that a repository keeps. Objects have no names of their own: `path` is one of those
    that commits give it, and `ref` one of the refs that lead there; None where no commit names it.
    """

    sha256: str
    size: int
    pushed_at: datetime
    path: str | None
    ref: str | None


def list_page(
    hub: Hub, repository: Repository, user: User | None, after: str = ""
) -> tuple[list[StoredFile], str | None]:
    """A page of the repository's objects by hash, and where the next begins.

    Raises:
        NotLoggedInError, NotAllowedError: `user` may not change the repository.
    """
    access.check(user, repository, "write")
    with hub.database.reading() as session:
        query = (
            select(ObjectRow.sha256, ObjectRow.size, RepositoryObjectRow.linked_at)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256)
            .where(RepositoryObjectRow.repository_id == repository.id, ObjectRow.sha256 > after)
            .order_by(ObjectRow.sha256)
            .limit(PAGE_FILES + 1)
        )
        rows = session.execute(query).all()
    page, more = rows[:PAGE_FILES], len(rows) > PAGE_FILES
    named = _names(repos.open_git(hub, repository), {row.sha256 for row in page})
    found = [
        StoredFile(row.sha256, row.size, row.linked_at, *named.get(row.sha256, (None, None)))
        for row in page
    ]
    return found, found[-1].sha256 if more else None


def forget(
    hub: Hub,
    repository: Repository,
    user: User | None,
    hashes: Sequence[str],
    *,
    rewrite_history: bool,
) -> None:
    """Takes objects from a repository for good.

    With `rewrite_history`, every ref gets a history in which they never were; without, the pointers
    stay and lead nowhere.

    Raises:
        NotLoggedInError, NotAllowedError: `user` may not change the repository's settings, or a
            protected branch would lose its history; nothing was deleted.
        BadRequestError: a hash that the repository does not hold; nothing was deleted.
    """
    access.check(user, repository, "admin")

    def unlink(session: Session) -> None:
        _unlink(session, repository, hashes, note=not rewrite_history)

    with refchanges.locked(hub, repository) as opened:
        with hub.database.reading() as session:
            _check_held(session, repository, hashes)
        moves = Rewriting(opened, hashes).moves() if rewrite_history else {}
        for ref in moves:
            branches.check_unprotected(hub, repository, ref, "written anew")
        updates = [RefUpdate(ref, str(old), str(new)) for ref, (old, new) in moves.items()]
        refchanges.move(hub, repository, opened, updates, also=unlink)


def give(
    hub: Hub, source: Repository, target: Repository, user: User | None, hashes: Sequence[str]
) -> list[tuple[str, str]]:
    """Lets `target` use objects of `source`; answers those it cannot have, each with the reason.

    Raises:
        GatedRepoError: the files of `source` are not the user's to read.
        NotLoggedInError, NotAllowedError: `user` may not change `target`.
    """
    access.check(user, target, "write")
    access.check_files(hub, source, user)
    with hub.database.writing() as session:
        held = links.sizes_in(session, source.id, hashes).keys()
        links.link_all(session, target.id, held)
    missing = f"{source.full_name} does not hold this object."
    return [(sha256, missing) for sha256 in hashes if sha256 not in held]


def _names(
    opened: pygit2.Repository, wanted: Collection[str]
) -> dict[str, tuple[str | None, str | None]]:
    """For each object that commits name, a path and a ref (`main`, `refs/pr/1`)."""
    named: dict[str, tuple[str | None, str | None]] = {}
    if wanted:
        for pointer in reachable.pointers(opened):
            if pointer.lfs.sha256 in wanted and pointer.lfs.sha256 not in named:
                ref = pointer.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
                named[pointer.lfs.sha256] = (pointer.path, ref)
                if len(named) == len(wanted):
                    break
    return named


def _check_held(session: Session, repository: Repository, hashes: Sequence[str]) -> None:
    held = links.sizes_in(session, repository.id, hashes)
    for sha256 in hashes:
        if sha256 not in held:
            raise BadRequestError(
                f"{repository.full_name} does not hold the object {sha256[:80]!r}. Nothing was "
                "deleted; list the repository's files again."
            )


def _unlink(session: Session, repository: Repository, hashes: Sequence[str], *, note: bool) -> None:
    """Takes the links away; `note` keeps in mind that pointers without an object are meant so."""
    now = datetime.now(UTC)
    for sha256 in hashes:
        key = (repository.id, sha256)
        session.execute(
            delete(RepositoryObjectRow).where(
                RepositoryObjectRow.repository_id == repository.id,
                RepositoryObjectRow.sha256 == sha256,
            )
        )
        if note and session.get(GivenUpObjectRow, key) is None:
            session.add(
                GivenUpObjectRow(repository_id=repository.id, sha256=sha256, deleted_at=now)
            )
    session.flush()
