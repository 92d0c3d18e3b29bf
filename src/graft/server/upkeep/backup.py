"""Copying a Hub into a folder while it serves.

The order makes the copy one that fits together. The tables come first, but for those that say what
large files there are. Then git, each repository with refs of one moment. Then the tables of large
files: all that any copied commit names is in them, since objects come before the commits that name
them. Then their bytes, which never change under their names.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from graft import __version__
from graft.errors import HubError
from graft.files import atomic_file
from graft.server.community import attachments
from graft.server.db.database import newest_version
from graft.server.db.dump import Keys, write_tables
from graft.server.db.tables import Base, RepositoryRow
from graft.server.hub import Hub
from graft.server.storage.blobs import Blob, BlobNotFoundError
from graft.server.upkeep import git_copies
from graft.server.upkeep.folder import FORMAT, BackupFolder, Manifest
from graft.server.upkeep.git_copies import RefsOf

CONTENT_TABLES = frozenset(
    {
        "objects",
        "xorbs",
        "object_xorbs",
        "xorb_uploads",
        "shared_chunks",
        "repository_objects",
        "given_up_objects",
    }
)
"""The tables that say what large files there are, and who may use them."""

CONTENT_FOLDERS = ("xorbs", "sha256", attachments.FOLDER)
"""Where in storage their bytes lie."""

COPY_BYTES = 8 * 1024**2
WORKERS = 4

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Copied:
    """What a backup holds, and what of it was new."""

    manifest: Manifest
    new_repositories: int
    new_blobs: int
    new_bytes: int


def back_up(hub: Hub, path: Path, notify: Notify = lambda _: None) -> Copied:
    """Copies the whole Hub into a folder; only what is new where it holds a backup already.

    Where it ends early, the folder still holds the backup from before.

    Args:
        notify: called with a sentence at each step.

    Raises:
        HubError: a folder that cannot be used, a repository that cannot be read, bytes that storage
            does not hold.
        OSError: a full disk.
    """
    folder = BackupFolder(path.absolute())
    _prepare(folder, hub)
    with _alone(folder):
        last = folder.manifest()
        started = datetime.now(UTC)
        dump = folder.path / "dumps" / f"{started:%Y%m%dT%H%M%S.%fZ}"
        dump.mkdir(parents=True)
        keys: Keys = {}
        notify("Copying the tables ...")
        rows, repositories = _write_first(hub, dump, keys)
        notify(f"Copying {len(repositories)} git repositories ...")
        known = folder.refs(folder.path / last.dump) if last else {}
        refs = _copy_repositories(hub, folder, repositories, known)
        with hub.database.reading() as session:
            gone = _deleted(session, repositories)
            refs = {name: found for name, found in refs.items() if repositories[name] not in gone}
            keys["repositories"] -= set(gone)
            rows |= write_tables(session, _tables(content=True), dump, keys)
        folder.write_refs(dump, refs)
        notify("Copying large files ...")
        blobs, new = _copy_blobs(hub, folder)
        folder.write_blobs(dump, blobs)
        manifest = Manifest(
            format=FORMAT,
            graft=__version__,
            tables=newest_version(),
            made_at=started.isoformat(),
            dump=str(dump.relative_to(folder.path)),
            rows=rows,
            gone=gone,
            repositories=len(refs),
            blobs=len(blobs),
            bytes=sum(blob.size for blob in blobs),
        )
        folder.write_manifest(manifest)
        folder.tidy(manifest, refs, blobs)
    changed = sum(refs[name] != known.get(name) for name in refs)
    return Copied(manifest, changed, len(new), sum(blob.size for blob in new))


def _prepare(folder: BackupFolder, hub: Hub) -> None:
    data = hub.settings.data_folder.resolve()
    if folder.path.resolve().is_relative_to(data):
        raise HubError(f"{folder.path} lies in the Hub's data folder; name a folder outside it.")
    if folder.path.is_dir() and folder.manifest() is None and not _is_ours(folder.path):
        raise HubError(f"{folder.path} holds other files; name an empty folder.")
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.path.chmod(0o700)  # the tables hold hashes of passwords, and the key of signatures
    for each in (folder.repositories, folder.storage):
        each.mkdir(exist_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether a folder holds nothing, or only what a backup that ended early left there."""
    ours = {"dumps", "repositories", "storage", "lock"}
    return all(entry.name in ours or entry.name.startswith(".") for entry in path.iterdir())


@contextmanager
def _alone(folder: BackupFolder) -> Iterator[None]:
    """Keeps two backups from writing to one folder."""
    with (folder.path / "lock").open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HubError(f"Another backup is being made in {folder.path}.") from None
        yield


def _tables(*, content: bool) -> list[Table]:
    return [
        table for table in Base.metadata.sorted_tables if (table.name in CONTENT_TABLES) == content
    ]


def _write_first(hub: Hub, dump: Path, keys: Keys) -> tuple[dict[str, int], dict[str, int]]:
    """Writes the tables but for those of large files; answers how many rows each has, and the
    repositories' folders with their numbers."""
    with hub.database.reading() as session:
        rows = write_tables(session, _tables(content=False), dump, keys)
        found = session.execute(select(RepositoryRow.folder, RepositoryRow.id))
        return rows, dict(found.all())


def _copy_repositories(
    hub: Hub, folder: BackupFolder, repositories: dict[str, int], known: dict[str, RefsOf]
) -> dict[str, RefsOf]:
    """Copies each that was not deleted meanwhile; answers what their refs name, by folder."""

    def copy(name: str) -> RefsOf | None:
        source = hub.settings.repositories_folder / name
        try:
            return git_copies.copy(source, folder.repositories / name, known.get(name))
        except HubError:
            with hub.database.reading() as session:
                if _deleted(session, {name: repositories[name]}):
                    return None
            raise

    with ThreadPoolExecutor(WORKERS) as pool:
        copied = zip(repositories, pool.map(copy, repositories), strict=True)
        return {name: found for name, found in copied if found is not None}


def _deleted(session: Session, repositories: dict[str, int]) -> list[int]:
    """The numbers of those that are no more; another may have the number since: folders tell."""
    there = set(session.scalars(select(RepositoryRow.folder)))
    return [number for folder, number in repositories.items() if folder not in there]


def _copy_blobs(hub: Hub, folder: BackupFolder) -> tuple[list[Blob], list[Blob]]:
    """Copies the bytes of large files that the folder does not hold; answers all, and the new."""
    blobs, new = [], []
    for blob in (blob for name in CONTENT_FOLDERS for blob in hub.content.blobs.entries(name)):
        target = folder.storage / blob.key
        if not (target.is_file() and target.stat().st_size == blob.size):
            try:
                _copy_blob(hub, blob, target)
            except BlobNotFoundError:  # garbage, collected just now
                continue
            new.append(blob)
        blobs.append(blob)
    return blobs, new


def _copy_blob(hub: Hub, blob: Blob, target: Path) -> None:
    with atomic_file(target) as temporary, temporary.open("wb") as file:
        for start in range(0, blob.size, COPY_BYTES):
            length = min(COPY_BYTES, blob.size - start)
            file.write(hub.content.blobs.read(blob.key, start, length))
        file.flush()
        os.fsync(file.fileno())
