"""Large objects: taking them in, reading them, and deleting those that nobody uses any more."""

from collections.abc import AsyncIterator, Collection

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from graft.server.content import links
from graft.server.db.tables import ObjectRow, RepositoryRow
from graft.server.errors import EntryNotFoundError, RepoNotFoundError, TooLargeError
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Entry
from graft.server.search.describe import Read
from graft.server.storage.content import Received
from graft.server.xet.hashes import Buffer


def reader(hub: Hub, repository_id: int, snapshot: Snapshot, checked: Collection[str] = ()) -> Read:
    """Reads parts of a snapshot's files, whether git or the store holds them.

    `checked` are the objects that the repository is about to be given. What reads raises
    EntryNotFoundError for a file whose large object the repository does not hold.
    """

    def read(entry: Entry, start: int, length: int) -> bytes:
        if entry.lfs is None:
            return snapshot.blob(entry)[start : start + length]
        if hub.mirror is not None and hub.mirror.lacks(repository_id, entry.lfs):
            return hub.mirror.read(repository_id, entry.lfs, start, length)
        if entry.lfs.sha256 not in checked:
            check_held(hub, repository_id, entry)
        return hub.content.read(entry.lfs.sha256, start, length)

    return read


def check_held(hub: Hub, repository_id: int, entry: Entry) -> None:
    """That a large file's object is the repository's to give: knowing a hash is not having a file.

    Raises:
        EntryNotFoundError: it is not.
    """
    if entry.lfs is None:
        return
    with hub.database.reading() as session:
        size = links.size_in(session, repository_id, entry.lfs.sha256)
    if size is None or size != entry.lfs.size:
        raise EntryNotFoundError(
            f"{entry.path!r} names the large object {entry.lfs.sha256} of {entry.lfs.size} bytes, "
            "which this repository does not hold. Upload the file again."
        )


def check_size(hub: Hub, sha256: str, size: int) -> None:
    """
    Raises:
        TooLargeError: more than the Hub takes.
    """
    if size > hub.settings.max_object_bytes:
        raise TooLargeError(
            f"The object {sha256} has {size} bytes; this Hub takes at most "
            f"{hub.settings.max_object_bytes} (GRAFT_MAX_OBJECT_BYTES)."
        )


async def receive(
    hub: Hub, repository_id: int, chunks: AsyncIterator[Buffer], sha256: str, size: int
) -> None:
    """Stores an object, checked, and gives it to the repository.

    Raises:
        BadContentError: another size or hash than announced; nothing is kept.
        StorageFullError: no space left; nothing is kept.
    """
    received = await hub.content.receive(chunks, sha256, size)
    await run_in_threadpool(publish, hub, repository_id, [received])


def delete_orphans(hub: Hub) -> int:
    """Deletes the objects that no repository uses; answers how many. Safe while others upload."""
    with hub.database.reading() as session:
        orphans = links.orphans(session)
    return sum(delete_orphan(hub, sha256) for sha256 in orphans)


def delete_orphan(hub: Hub, sha256: str) -> bool:
    """Deletes an object, unless a repository uses it; answers whether it did."""
    with hub.database.writing() as session:
        hub.database.lock(session, f"object:{sha256}")
        deleted = links.forget_orphan(session, sha256)
    if deleted:
        delete_stray(hub, sha256)
    return deleted


def delete_stray(hub: Hub, sha256: str) -> None:
    """Deletes the file that an object was before there were xorbs, unless it still is one. No lock
    is needed: none becomes one any more."""
    with hub.database.reading() as session:
        row = session.get(ObjectRow, sha256)
        is_whole = row is not None and row.xet_hash is None
    if not is_whole:
        hub.content.delete(sha256)


def publish(hub: Hub, repository_id: int, received: Collection[Received]) -> None:
    """Makes objects of what was received and gives them to the repository: all, or none.

    Raises:
        RepoNotFoundError: the repository was deleted meanwhile.
        ConflictError: some of it was deleted meanwhile.
    """
    # All take the locks of objects in one order: who did otherwise would wait in a circle.
    ordered = sorted(received, key=lambda each: each.sha256)

    def work(session: Session) -> None:
        if session.get(RepositoryRow, repository_id) is None:
            raise RepoNotFoundError("This repository was deleted during the upload.")
        for each in ordered:
            hub.content.publish(session, each)
        links.link_all(session, repository_id, [each.sha256 for each in ordered])

    hub.database.run(work)
