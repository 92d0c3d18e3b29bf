"""Freeing space: deleting what nothing leads to any more, while the Hub serves.

Nothing goes that somebody may be about to use: an upload comes before the commit that names it, so
what was sent or asked for lately stays. An object that no commit names is taken from its
repository; one that no repository has is deleted, and so is a xorb of which no object is made.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pygit2
from sqlalchemy import Delete, delete, exists, func, select

from graft.server.content import large, links, uploads
from graft.server.db.tables import (
    ObjectRow,
    ObjectXorbRow,
    RepositoryObjectRow,
    RepositoryRow,
    XorbRow,
)
from graft.server.errors import RepoNotFoundError
from graft.server.git import reachable, refs
from graft.server.git.process import clean_environment
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.repositories import refchanges, repos
from graft.server.rows import to_record
from graft.server.storage.content import WHOLE
from graft.server.storage.xorbs import key_of

# Stock Xet clients remember for three weeks what they sent, and refer to it without asking.
DEFAULT_DAYS = 28.0
# A repository is packed anew where it has so many loose objects, or packs.
LOOSE_OBJECTS = 200
PACKS = 10

_GC_CONFIG = (
    *("-c", "safe.directory=*"),
    # Refs stay as they are: who moves one just now would find the list of all locked.
    *("-c", "gc.packRefs=false"),
    *("-c", "gc.reflogExpire=now"),
    *("-c", "gc.cruftPacks=false"),
)

PAGE = 500
Notify = Callable[[str], None]


@dataclass
class Freed:
    """What was deleted, or would be; sizes are bytes."""

    links: int = 0
    """Objects that were taken from a repository, no commit of which names them."""
    objects: int = 0
    xorbs: int = 0
    xorb_bytes: int = 0
    stray: int = 0
    """Bytes in storage that no row tells of: of a write that was cut off."""
    stray_bytes: int = 0
    uploads: int = 0
    """Parts of uploads that were not completed in time."""
    upload_bytes: int = 0
    folders: int = 0
    """Git repositories that were deleted, or never came into being."""
    packed: int = 0
    """Git repositories that were packed anew, without what no ref leads to."""
    damaged: list[str] = field(default_factory=list)
    """Repositories that could not be read; nothing was taken from them."""


def collect(
    hub: Hub,
    *,
    unused_for: timedelta = timedelta(days=DEFAULT_DAYS),
    dry_run: bool = False,
    git: bool = True,
    notify: Notify = lambda _: None,
) -> Freed:
    """Deletes what nothing leads to, and nobody sent or asked for since `unused_for`.

    Args:
        dry_run: count only.
        git: whether to pack git repositories.
        notify: called with a sentence at each step.
    """
    freed = Freed()
    before = datetime.now(UTC) - unused_for
    notify("Looking for large files that no commit names ...")
    unnamed = {}
    for repository in repositories(hub):
        found = _unnamed(hub, repository, before, freed)
        if found:
            unnamed[repository.id] = found
            if not dry_run:
                _unlink(hub, repository, before)
    freed.links = sum(map(len, unnamed.values()))
    notify("Deleting what no repository has ...")
    if dry_run:
        _count_orphans(hub, unnamed, before, freed)
    else:
        _delete_orphans(hub, before, freed)
    _delete_stray(hub, before, freed, dry_run=dry_run)
    _delete_uploads(hub, freed, dry_run=dry_run)
    _delete_folders(hub, before, freed, dry_run=dry_run)
    if git:
        notify("Packing git repositories ...")
        for repository in repositories(hub):
            _pack(hub, repository, before, freed, dry_run=dry_run)
    return freed


def repositories(hub: Hub) -> Iterator[Repository]:
    """All repositories, by number; a transaction does not last while the caller works on one."""
    last = 0
    while True:
        with hub.database.reading() as session:
            query = select(RepositoryRow).where(RepositoryRow.id > last).order_by(RepositoryRow.id)
            page = [to_record(row) for row in session.scalars(query.limit(PAGE))]
        if not page:
            return
        yield from page
        last = page[-1].id


def _unnamed(hub: Hub, repository: Repository, before: datetime, freed: Freed) -> set[str]:
    """The repository's objects that no commit names, and nobody sent or asked for lately."""
    with hub.database.reading() as session:
        query = select(RepositoryObjectRow.sha256).where(
            RepositoryObjectRow.repository_id == repository.id,
            RepositoryObjectRow.linked_at < before,
        )
        old = set(session.scalars(query))
    if not old:
        return old
    try:
        opened = repos.open_git(hub, repository)
        if _is_main_lost(repository, opened):
            freed.damaged.append(
                f"{repository.full_name}: {refchanges.MAIN} is gone; see `graft hub fsck`"
            )
            return set()
        for pointer in reachable.pointers(opened):
            old.discard(pointer.lfs.sha256)
            if not old:
                break
    except RepoNotFoundError:  # deleted just now
        return set()
    except reachable.DAMAGE as error:
        freed.damaged.append(f"{repository.full_name}: {error}")
        return set()
    return old


def _unlink(hub: Hub, repository: Repository, before: datetime) -> None:
    """Takes those objects from the repository, under its lock: a commit that names one comes first
    and keeps it, or finds that it is gone."""
    with suppress(RepoNotFoundError), refchanges.locked(hub, repository):
        unnamed = _unnamed(hub, repository, before, Freed())
        with hub.database.writing() as session:
            for some in links.batched(unnamed):
                session.execute(_those(repository.id, some, before))


def _those(repository_id: int, hashes: list[str], before: datetime) -> Delete:
    return delete(RepositoryObjectRow).where(
        RepositoryObjectRow.repository_id == repository_id,
        RepositoryObjectRow.sha256.in_(hashes),
        RepositoryObjectRow.linked_at < before,
    )


def _delete_orphans(hub: Hub, before: datetime, freed: Freed) -> None:
    freed.objects = large.delete_orphans(hub)
    while True:
        count, size = hub.content.xorbs.delete_unused(before)
        freed.xorbs += count
        freed.xorb_bytes += size
        if not count:
            return


def _count_orphans(hub: Hub, unnamed: dict[int, set[str]], before: datetime, freed: Freed) -> None:
    """Does in the database what collecting would, counts, and undoes it."""
    with hub.database.writing() as session:
        for repository_id, hashes in unnamed.items():
            for some in links.batched(hashes):
                session.execute(_those(repository_id, some, before))
        orphans = links.orphans(session)
        freed.objects = len(orphans)
        for some in links.batched(orphans):
            session.execute(delete(ObjectXorbRow).where(ObjectXorbRow.sha256.in_(some)))
        unused = ~exists().where(ObjectXorbRow.xorb == XorbRow.hash)
        count, size = session.execute(
            select(func.count(), func.sum(XorbRow.packed_bytes)).where(
                unused, XorbRow.last_used_at < before
            )
        ).one()
        freed.xorbs, freed.xorb_bytes = count, size or 0
        session.rollback()


def _delete_stray(hub: Hub, before: datetime, freed: Freed, *, dry_run: bool) -> None:
    """Deletes xorbs in storage that no row tells of, and files that are no objects any more."""
    for blob in hub.content.blobs.entries(WHOLE):
        sha256 = blob.key.rpartition("/")[2]
        if blob.modified < before and not _is_whole(hub, sha256):
            freed.stray += 1
            freed.stray_bytes += blob.size
            if not dry_run:
                large.delete_stray(hub, sha256)
    for blob in hub.content.xorbs.stored():
        name = blob.key.rpartition("/")[2]
        if blob.modified < before and not (blob.key == key_of(name) and _is_known(hub, name)):
            freed.stray += 1
            freed.stray_bytes += blob.size
            if dry_run:
                continue
            if blob.key == key_of(name):
                hub.content.xorbs.delete_stray(name)
            else:  # no xorb's place
                hub.content.blobs.remove(blob.key)


def _is_whole(hub: Hub, sha256: str) -> bool:
    """Whether an object lies in storage as one file."""
    with hub.database.reading() as session:
        row = session.get(ObjectRow, sha256)
        return row is not None and row.xet_hash is None


def _is_known(hub: Hub, name: str) -> bool:
    with hub.database.reading() as session:
        return session.get(XorbRow, name) is not None


def _delete_uploads(hub: Hub, freed: Freed, *, dry_run: bool) -> None:
    """Deletes parts whose upload was not completed in time."""
    age = timedelta(seconds=hub.settings.upload_seconds)
    before = datetime.now(UTC) - age
    for blob in hub.content.blobs.entries(uploads.PREFIX):
        if blob.modified < before:
            freed.uploads += 1
            freed.upload_bytes += blob.size
            if not dry_run:
                hub.content.blobs.remove(blob.key)
    if not dry_run:
        freed.upload_bytes += hub.content.blobs.sweep(age)


def _delete_folders(hub: Hub, before: datetime, freed: Freed, *, dry_run: bool) -> None:
    # One that is being created has a folder before it has a row.
    before = min(before, datetime.now(UTC) - timedelta(hours=1))
    for path in stray_folders(hub, before):
        freed.folders += 1
        if not dry_run:
            shutil.rmtree(path, ignore_errors=True)


def stray_folders(hub: Hub, before: datetime) -> list[Path]:
    """The folders of repositories that are no more, or never came into being: those that no row
    tells of, from before that time."""
    root = hub.settings.repositories_folder
    old = []
    for path in root.glob("*/*.git"):
        with suppress(FileNotFoundError):  # deleted just now
            if path.stat().st_mtime < before.timestamp():
                old.append(path)
    with hub.database.reading() as session:
        known = set(session.scalars(select(RepositoryRow.folder)))
    return [path for path in old if str(path.relative_to(root)) not in known]


def _is_main_lost(repository: Repository, opened: pygit2.Repository) -> bool:
    """Whether the branch is not there that the tables know: a fault, and no deletion. It can be
    made again of what it led to."""
    return repository.head is not None and refs.target_of(opened, refchanges.MAIN) is None


def _pack(
    hub: Hub, repository: Repository, before: datetime, freed: Freed, *, dry_run: bool
) -> None:
    """Packs a repository that has many loose objects or packs, and drops those objects that no ref
    leads to and nobody wrote since."""
    path = repos.repository_path(hub, repository)
    if not _is_loose(path / "objects"):
        return
    with suppress(RepoNotFoundError, *reachable.DAMAGE):  # git tells what is damaged below
        if _is_main_lost(repository, repos.open_git(hub, repository)):
            return
    if not dry_run:
        prune = f"--prune={int(before.timestamp())}"
        command = ["git", *_GC_CONFIG, "gc", "--quiet", prune]
        done = subprocess.run(
            command, cwd=path, env=clean_environment(), capture_output=True, check=False
        )
        if done.returncode:
            freed.damaged.append(f"{path}: {done.stderr.decode('utf-8', 'replace').strip()}")
            return
    freed.packed += 1


def _is_loose(objects: Path) -> bool:
    packs = loose = 0
    with suppress(FileNotFoundError), os.scandir(objects) as folders:
        for folder in folders:
            if folder.name == "pack":
                packs = len(list(Path(folder.path).glob("*.pack")))
            elif len(folder.name) == 2:
                loose += sum(1 for _ in Path(folder.path).iterdir())
    return loose >= LOOSE_OBJECTS or packs >= PACKS
