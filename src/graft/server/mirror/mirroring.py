"""Mirroring: a repository that is not here is fetched from another hub, kept, and looked after.

A mirrored repository is one like all others, with the other hub's commits: clients, pages, search
and git see no difference, but that nobody may change it. Its large files come when they are first
asked for. Names of accounts of this Hub are never looked for elsewhere: whoever takes a name there
cannot pass for somebody here.
"""

import logging
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pygit2
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from graft.server.content import large, links
from graft.server.db.tables import AccountRow, MirrorOwnerRow, MirrorRow, RepositoryRow
from graft.server.errors import BadRequestError, BusyError, EntryNotFoundError, GatedRepoError
from graft.server.git import repository as git
from graft.server.hub import Hub
from graft.server.mirror.asking import MOST_WAITING, Deadlines, Locks, Places
from graft.server.mirror.objects import Downloads
from graft.server.mirror.upstream import HOPS, MAX_HOPS, Found, Upstream, UpstreamError
from graft.server.names import check_account_name, check_repository_name
from graft.server.people import access
from graft.server.records import Kind, Lfs, Repository
from graft.server.repositories import refchanges, repos
from graft.server.repositories.describing import describe_snapshot
from graft.server.rows import repositories, to_record
from graft.server.search import index

MISSING_SECONDS = 60.0
"""How long it is remembered that the other hub has no such repository, or no more."""
AWAY_SECONDS = 30.0
"""How long after it gave no answer it is asked again about what is here already."""

logger = logging.getLogger("graft.server")
Key = tuple[Kind, str]


class Mirror:
    """The mirrored repositories of one Hub. Its functions block, but for what `stream` gives."""

    def __init__(self, hub: Hub) -> None:
        settings = hub.settings
        self.url = settings.upstream
        self._hub = hub
        self._upstream = Upstream(settings.upstream, settings.upstream_token)
        self._downloads = Downloads(self._upstream, settings.data_folder / "mirror")
        self._locks = Locks()
        self._places = Places(MOST_WAITING)
        self._missing = Deadlines()
        self._fresh = Deadlines()
        self._gone = Deadlines()

    async def stop(self) -> None:
        """Breaks off what is under way."""
        await self._downloads.close()
        self._upstream.close()

    # --- repositories ----------------------------------------------------------------------------

    def find(self, kind: Kind, owner: str, name: str) -> Repository:
        """The repository that is not here yet, fetched from the other hub.

        Raises:
            RepoNotFoundError: it is not there either, or not for everybody.
            GatedRepoError: it is there for those who asked for access.
            UpstreamError: the other hub does not answer.
            BusyError: many others wait for its answers already.
        """
        missing = access.not_found(kind, owner, name)
        key = (kind, f"{owner}/{name}".lower())
        if (
            self._missing.holds(key)
            or HOPS.get() >= MAX_HOPS
            or not self._may_be_there(owner, name)
        ):
            raise missing
        with self._places.taken() as may_wait:
            if not may_wait:
                raise BusyError(
                    f"{owner}/{name} is not here yet, and {MOST_WAITING} others are waiting for "
                    f"answers of {self.url}. Try again in a moment."
                )
            return self._find(key, kind, owner, name)

    def _find(self, key: Key, kind: Kind, owner: str, name: str) -> Repository:
        missing = access.not_found(kind, owner, name)
        with self._locks.held(key), self._hub.database.held(f"mirror {kind} {key[1]}"):
            known = self._known(kind, owner, name)
            if known is not None:  # fetched while this one waited
                return known
            if self._missing.holds(key):  # found out while this one waited
                raise missing
            found = self._upstream.find(kind, f"{owner}/{name}")
            if found is None or (found.private and not self._hub.settings.upstream_private):
                self._missing.set(key, MISSING_SECONDS)
                raise missing
            if found.gated and not self._hub.settings.upstream_private:
                raise GatedRepoError(
                    f"{owner}/{name} is gated on {self.url}: ask for access and download it there. "
                    "This Hub mirrors it only where GRAFT_UPSTREAM_PRIVATE is set."
                )
            if not self._may_be_there(found.owner, found.name):
                raise missing
            renamed = self._known(kind, found.owner, found.name)
            return renamed or self._make(kind, found)

    def refresh(self, repository: Repository) -> bool:
        """Looks whether a mirrored repository has changed there, where that was last done longer
        ago than `upstream_max_age`, and answers whether it has changed here by that. Where the
        other hub gives no answer, what is here stays.

        Raises:
            RepoNotFoundError: it is not there any more, or not for everybody.
        """
        if self._gone.holds(repository.id):
            raise access.not_found(repository.kind, repository.owner, repository.name)
        if self._fresh.holds(repository.id):
            return False
        age = self._age(repository)
        if age is None:
            self._fresh.set(repository.id, float("inf"))
            return False
        max_age = self._hub.settings.upstream_max_age
        if age < max_age:
            self._fresh.set(repository.id, max_age - age)
            return False
        # One asks; who comes meanwhile takes what is here.
        with self._places.taken() as may_wait, self._locks.tried(repository.id) as first:
            if may_wait and first:
                self._fresh.set(repository.id, AWAY_SECONDS)
                try:
                    return self._update(repository)
                except UpstreamError as error:
                    logger.warning("%s is served as it was: %s", repository.full_name, error)
        return False

    def is_mirrored(self, repository_id: int) -> bool:
        """Whether the repository is one of the other hub's."""
        with self._hub.database.reading() as session:
            return session.get(MirrorRow, repository_id) is not None

    # --- large files -----------------------------------------------------------------------------

    def lacks(self, repository_id: int, lfs: Lfs) -> bool:
        """Whether the file is a mirrored repository's, and not here yet."""
        with self._hub.database.reading() as session:
            held = links.size_in(session, repository_id, lfs.sha256) is not None
            return not held and session.get(MirrorRow, repository_id) is not None

    def read(self, repository_id: int, lfs: Lfs, start: int, length: int) -> bytes:
        """A part of a file that is not here, which stays there.

        Raises:
            UpstreamError: the other hub does not give it.
            EntryNotFoundError: it is not as long as that.
        """
        if length <= 0:
            return b""
        if start + length > lfs.size:
            raise EntryNotFoundError(f"The file {lfs.sha256} has only {lfs.size} bytes.")
        kind, full_name = self._place(repository_id)
        address, headers = self._upstream.object_address(kind, full_name, lfs)
        return self._upstream.read(address, headers, start, length)

    async def stream(
        self, repository_id: int, lfs: Lfs, start: int, end: int
    ) -> AsyncIterator[bytes]:
        """The bytes of a file that is not here, while it is fetched and stored. Who waits until
        others have come holds no thread.

        Raises: with the first piece
            UpstreamError: the other hub does not give it.
            TooLargeError: it is longer than this Hub takes.
        """
        large.check_size(self._hub, lfs.sha256, lfs.size)
        kind, full_name = await run_in_threadpool(self._place, repository_id)

        def address() -> tuple[str, dict[str, str]]:
            return self._upstream.object_address(kind, full_name, lfs)

        async def store(pieces: AsyncIterator[bytes]) -> None:
            await large.receive(self._hub, repository_id, pieces, lfs.sha256, lfs.size)

        download = await self._downloads.begin(lfs, address, store)
        async for piece in download.read(start, end):
            yield piece

    # --- inside ----------------------------------------------------------------------------------

    def _known(self, kind: Kind, owner: str, name: str) -> Repository | None:
        asked = repositories().where(
            RepositoryRow.kind == kind.value, RepositoryRow.key == f"{owner}/{name}".lower()
        )
        with self._hub.database.reading() as session:
            row = session.execute(asked).first()
            return None if row is None else to_record(row)

    def _may_be_there(self, owner: str, name: str) -> bool:
        """Whether names like these are looked for elsewhere: no account of this Hub has the owner's
        name, unless it was made for what is mirrored."""
        try:
            check_account_name(owner)
            check_repository_name(name)
        except BadRequestError:
            return False
        with self._hub.database.reading() as session:
            account = session.scalar(select(AccountRow.id).where(AccountRow.key == owner.lower()))
            return account is None or session.get(MirrorOwnerRow, account) is not None

    def _make(self, kind: Kind, found: Found) -> Repository:
        full_name = f"{found.owner}/{found.name}"
        state = self._upstream.state(kind, full_name)
        folder = repos.new_folder()
        path = self._hub.settings.repositories_folder / folder
        try:
            pygit2.init_repository(path, bare=True, initial_head=git.DEFAULT_BRANCH)
            self._upstream.fetch(kind, full_name, path, self._hub.settings.upstream_seconds)
            if not pygit2.Repository(str(path)).references.get(f"refs/heads/{git.DEFAULT_BRANCH}"):
                raise UpstreamError(
                    f"{full_name} has no branch {git.DEFAULT_BRANCH!r} on {self.url}."
                )
            repository = self._insert(kind, found, folder, state or "")
        except BaseException as error:
            shutil.rmtree(path, ignore_errors=True)
            if isinstance(error, IntegrityError):  # another process was quicker
                other = self._known(kind, found.owner, found.name)
                if other is not None:
                    return other
            raise
        repos.reindex(self._hub, repository)
        logger.info("%s is mirrored from %s now.", full_name, self.url)
        return self._known(kind, found.owner, found.name) or repository

    def _insert(self, kind: Kind, found: Found, folder: str, state: str) -> Repository:
        now = datetime.now(UTC)
        with self._hub.database.writing() as session:
            row = RepositoryRow(
                kind=kind.value,
                owner_id=self._owner(session, found.owner),
                name=found.name,
                key=f"{found.owner}/{found.name}".lower(),
                folder=folder,
                private=False,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            session.flush()
            session.add(MirrorRow(repository_id=row.id, url=self.url, state=state, checked_at=now))
            session.flush()
            return to_record(row)

    def _owner(self, session: Session, name: str) -> int:
        """The account that owns what is mirrored from `name`; nobody can log in as it."""
        self._hub.database.lock(session, f"mirror owner {name.lower()}")
        row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower()))
        if row is None:
            row = AccountRow(
                key=name.lower(),
                name=name,
                full_name=name,
                created_at=datetime.now(UTC),
                type="organization",
                details=f"Mirrored from {self.url}.",
            )
            session.add(row)
            session.flush()
            session.add(MirrorOwnerRow(account_id=row.id))
        return row.id

    def _age(self, repository: Repository) -> float | None:
        """Seconds since the other hub was last asked about it; None: it is not mirrored."""
        with self._hub.database.reading() as session:
            row = session.get(MirrorRow, repository.id)
            return None if row is None else (datetime.now(UTC) - row.checked_at).total_seconds()

    def _update(self, repository: Repository) -> bool:
        found = self._upstream.find(repository.kind, repository.full_name)
        open_to_all = found is not None and not (found.private or found.gated)
        if found is None or not (open_to_all or self._hub.settings.upstream_private):
            # For everybody who asks, not only for who asked just now.
            self._gone.set(repository.id, MISSING_SECONDS)
            raise access.not_found(repository.kind, repository.owner, repository.name)
        state = self._upstream.state(repository.kind, repository.full_name)
        with self._hub.database.reading() as session:
            row = session.get(MirrorRow, repository.id)
            same = row is not None and row.state == state
        if not same:
            seconds = self._hub.settings.upstream_seconds
            with refchanges.locked(self._hub, repository) as opened:
                path = repos.repository_path(self._hub, repository)
                self._upstream.fetch(repository.kind, repository.full_name, path, seconds)
                snapshot = git.snapshot(opened, git.DEFAULT_BRANCH)
                kind, number = repository.kind, repository.id
                description = describe_snapshot(self._hub, kind, number, snapshot)
                with self._hub.database.writing() as session:
                    index.write(session, repos.get_row(session, repository), description)
        with self._hub.database.writing() as session:
            row = session.get(MirrorRow, repository.id)
            if row is not None:
                row.state, row.checked_at = state or "", datetime.now(UTC)
        self._fresh.set(repository.id, self._hub.settings.upstream_max_age)
        return not same

    def _place(self, repository_id: int) -> Key:
        with self._hub.database.reading() as session:
            row = session.get(RepositoryRow, repository_id)
            if row is None:
                raise EntryNotFoundError("This repository has just been deleted.")
            return Kind(row.kind), f"{row.owner.name}/{row.name}"
