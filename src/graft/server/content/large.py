"""Large objects: taking them in, reading them, and deleting those that nobody uses any more."""

from collections.abc import AsyncIterator, Collection

from starlette.concurrency import run_in_threadpool

from graft.server.content import links
from graft.server.db.tables import ObjectRow, RepositoryRow
from graft.server.errors import EntryNotFoundError, RepoNotFoundError, TooLargeError
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Entry
from graft.server.search.describe import Read
from graft.server.storage.content import Received


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
    hub: Hub, repository_id: int, chunks: AsyncIterator[bytes], sha256: str, size: int
) -> None:
    """Stores an object, checked, and gives it to the repository.

    Raises:
        BadContentError: another size or hash than announced; nothing is kept.
        StorageFullError: no space left; nothing is kept.
    """
    received = await hub.content.receive(chunks, sha256, size)
    await run_in_threadpool(_publish, hub, repository_id, received)


def delete_orphans(hub: Hub, hashes: list[str]) -> None:
    """Deletes the bytes of forgotten objects, but of none that was uploaded again meanwhile."""
    with hub.database.writing() as session:
        for sha256 in hashes:
            hub.database.lock(session, f"object:{sha256}")
            if session.get(ObjectRow, sha256) is None:
                hub.content.delete(sha256)


def _publish(hub: Hub, repository_id: int, received: Received) -> None:
    with hub.database.writing() as session:
        if session.get(RepositoryRow, repository_id) is None:
            raise RepoNotFoundError("This repository was deleted during the upload.")
        hub.content.publish(session, received)
        links.link(session, repository_id, received.sha256)
