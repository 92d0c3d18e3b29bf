"""Making a Hub of a backup.

The database comes last, in one transaction: where a restore ends early, the new Hub is still empty,
and the restore can be started again.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, func, select

from graft.errors import HubError
from graft.server.db.database import newest_version
from graft.server.db.dump import read_tables
from graft.server.db.tables import AccountRow, Base, RepositoryRow, SecretRow
from graft.server.hub import Hub
from graft.server.repositories import refchanges, repos
from graft.server.search import index
from graft.server.upkeep import git_copies
from graft.server.upkeep.backup import COPY_BYTES, WORKERS
from graft.server.upkeep.findings import Notify, Report
from graft.server.upkeep.folder import BackupFolder, Manifest
from graft.server.upkeep.fsck import check
from graft.server.upkeep.garbage import repositories


@dataclass(frozen=True)
class Restored:
    """What was restored, and how sound it is."""

    manifest: Manifest
    report: Report


def restore(
    hub: Hub, path: Path, *, deep: bool = True, notify: Notify = lambda _: None
) -> Restored:
    """Fills an empty Hub with what a backup holds, and checks it.

    It may have another kind of database and another storage than the Hub that was backed up.

    Args:
        deep: whether the check reads every byte.
        notify: called with a sentence at each step.

    Raises:
        HubError: no complete backup, one that another version of Graft made, or a Hub that is not
            empty.
        OSError: a full disk.
    """
    folder = BackupFolder(path.absolute())
    manifest = _find(folder)
    _check_empty(hub)
    dump = folder.path / manifest.dump
    notify(f"Restoring {manifest.repositories} git repositories ...")
    _restore_repositories(hub, folder, dump)
    notify("Restoring large files ...")
    for key, size in folder.blobs(dump):
        _restore_blob(hub, folder.storage / key, key, size)
    notify("Restoring the tables ...")
    _restore_tables(hub, dump, manifest)
    for repository in repositories(hub):
        with refchanges.locked(hub, repository) as opened:  # git was copied after the discussions
            refchanges.remove_lost_pull_requests(hub, repository, opened)
        repos.reindex(hub, repository)
    notify("Checking what was restored ...")
    return Restored(manifest, check(hub, deep=deep, repair=True))


def _find(folder: BackupFolder) -> Manifest:
    manifest = folder.manifest()
    if manifest is None:
        raise HubError(f"There is no complete backup in {folder.path}.")
    if manifest.tables != newest_version():
        raise HubError(
            f"Graft {manifest.graft} made the backup in {folder.path}; its tables are of version "
            f"{manifest.tables}, and this version of Graft has {newest_version()}. Restore it with "
            "the version that made it, then upgrade."
        )
    return manifest


def _check_empty(hub: Hub) -> None:
    with hub.database.reading() as session:
        for table in (AccountRow, RepositoryRow):
            if session.scalar(select(func.count()).select_from(table)):
                raise HubError(
                    f"The hub in {hub.settings.data_folder} is not empty. Restore into a new one: "
                    "name another folder with --data, and another database if you set one."
                )


def _restore_repositories(hub: Hub, folder: BackupFolder, dump: Path) -> None:
    root = hub.settings.repositories_folder
    for path in root.iterdir():  # of a restore that ended early
        shutil.rmtree(path)
    refs = folder.refs(dump)

    def make(name: str) -> None:
        git_copies.restore(folder.repositories / name, root / name, refs[name])

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(make, refs):
            pass


def _restore_blob(hub: Hub, source: Path, key: str, size: int) -> None:
    if not source.is_file() or source.stat().st_size != size:
        raise HubError(f"The backup is not complete: {source} is missing, or not {size} bytes.")
    if hub.content.blobs.size_of(key) == size:
        return
    with source.open("rb") as file, hub.content.blobs.spool() as spool:
        while piece := file.read(COPY_BYTES):
            spool.write([piece])
        hub.content.blobs.keep(key, spool)


def _restore_tables(hub: Hub, dump: Path, manifest: Manifest) -> None:
    # The key stays this Hub's own: clients know by addresses made with it whose storage they see.
    tables = [t for t in Base.metadata.sorted_tables if t.name != SecretRow.__tablename__]
    with hub.database.writing() as session:
        for table in reversed(tables):  # what a new Hub makes for itself
            session.execute(delete(table))
        read_tables(session, tables, dump)
        for number in manifest.gone:
            index.remove(session, number)
            session.execute(delete(RepositoryRow).where(RepositoryRow.id == number))
