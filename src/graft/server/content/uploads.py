"""Uploads on their way in: parts of an object, and objects that a client sends straight to S3.

What has arrived lies below `incoming/` in storage, where nobody reads it as a file. It becomes an
object by `large.receive`, which checks every byte; what never does is garbage after a while.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from anyio import from_thread
from starlette.concurrency import run_in_threadpool

from graft.server.content import large, links
from graft.server.content.signing import READ_SECONDS, UPLOAD_SECONDS
from graft.server.db.tables import ObjectRow
from graft.server.errors import BadContentError, NotFoundError
from graft.server.hub import Hub
from graft.server.storage.blobs import BlobNotFoundError
from graft.server.storage.content import whole_key
from graft.server.storage.lengths import exactly
from graft.server.xet.hashes import Buffer

PREFIX = "incoming/"
MAX_PARTS = 1000


@dataclass(frozen=True)
class Upload:
    """An object of `size` bytes on its way to a repository, in parts of `part_bytes`; in one piece
    where `part_bytes` is 0. The same object sent again by the same account to the same repository
    is the same upload; nobody can put something else in the place of what another sends.
    """

    repository_id: int
    sha256: str
    size: int
    by: int
    """The account that sends it."""
    part_bytes: int = 0

    @property
    def key(self) -> str:
        """Where in storage it lies, or its parts below that."""
        text = f"{self.repository_id}/{self.sha256}/{self.size}/{self.by}/{self.part_bytes}"
        return f"{PREFIX}parts/{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_bytes) if self.part_bytes else 1

    def part_key(self, number: int) -> str:
        """Where part `number`, counted from 1, lies."""
        return f"{self.key}/{number:05d}"

    def part_size(self, number: int) -> int:
        """How many bytes part `number` has: the last may have fewer than the others."""
        if not self.part_bytes:
            return self.size
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)


def plan_parts(hub: Hub, repository_id: int, sha256: str, size: int, by: int) -> Upload | None:
    """The upload in parts that an object of that size needs; None where it goes in one piece."""
    most = hub.settings.max_part_bytes
    if size <= most:
        return None
    return Upload(repository_id, sha256, size, by, max(most, -(-size // MAX_PARTS)))


async def present(hub: Hub, upload: Upload) -> set[int]:
    """The numbers of the parts that have arrived whole."""
    found = await hub.content.blobs.list(f"{upload.key}/")
    sizes = {entry.key: entry.size for entry in found}
    return {
        number
        for number in range(1, upload.parts + 1)
        if sizes.get(upload.part_key(number)) == upload.part_size(number)
    }


def direct_address(hub: Hub, upload: Upload, number: int) -> str | None:
    """Where in S3 a client may send a part to; None where it comes through the Hub."""
    if not hub.settings.direct_transfer:
        return None
    return hub.content.blobs.address(upload.part_key(number), "PUT", UPLOAD_SECONDS)


async def has_part(hub: Hub, upload: Upload, number: int) -> bool:
    """Whether a part has arrived whole."""
    size = await hub.content.blobs.size(upload.part_key(number))
    return size == upload.part_size(number)


async def receive_part(
    hub: Hub, upload: Upload, number: int, chunks: AsyncIterator[Buffer]
) -> None:
    """Keeps one part until all are there.

    Raises:
        BadContentError: another length than the part has; nothing of it is kept.
        StorageFullError, StorageError: nothing of it is kept.
    """
    part = exactly(chunks, upload.part_size(number), f"part {number}")
    await hub.content.blobs.put(upload.part_key(number), part)


async def complete(hub: Hub, upload: Upload) -> None:
    """Makes the object of what has arrived and gives it to the repository; once is enough.

    A request that comes while another does the same waits for that one: a client whose connection
    broke in the meantime asks again.

    Raises:
        NotFoundError: something is missing; the message says what.
        BadContentError: the bytes are not the object's. All parts are deleted: send them again.
        StorageFullError, StorageError: nothing is lost; ask again.
    """
    await _once(upload.key, lambda: _complete(hub, upload))


def take_in(hub: Hub, repository_id: int, by: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Makes objects of those that an account's clients have sent straight to S3 without asking
    whether they arrived; answers the sizes of those that did. Blocks; to be called in a worker
    thread.

    Raises: as `complete`.
    """
    arrived = {}
    for sha256, size in sizes.items():
        upload = Upload(repository_id, sha256, size, by)
        if hub.content.blobs.size_of(upload.part_key(1)) == size:
            from_thread.run(complete, hub, upload)
            arrived[sha256] = size
    return arrived


def whole_address(hub: Hub, sha256: str) -> str | None:
    """Where in S3 an object can be fetched; None where it lies there in chunks, as all do but
    those from before, or where it goes through the Hub."""
    if not hub.settings.direct_transfer:
        return None
    with hub.database.reading() as session:
        row = session.get(ObjectRow, sha256)
        if row is None or row.xet_hash is not None:
            return None
    return hub.content.blobs.address(whole_key(sha256), "GET", READ_SECONDS)


async def _complete(hub: Hub, upload: Upload) -> None:
    if await run_in_threadpool(_is_held, hub, upload):
        return
    try:
        await _check_present(hub, upload)
        await large.receive(
            hub, upload.repository_id, _joined(hub, upload), upload.sha256, upload.size
        )
    except BadContentError:
        await discard(hub, upload)
        raise
    except (NotFoundError, BlobNotFoundError) as error:
        # Another process that completes the same deletes the parts when it is done.
        if await run_in_threadpool(_is_held, hub, upload):
            return
        raise NotFoundError(f"{error} Send what is missing, then ask again.") from error
    await discard(hub, upload)


async def _check_present(hub: Hub, upload: Upload) -> None:
    there = await present(hub, upload)
    missing = [number for number in range(1, upload.parts + 1) if number not in there]
    if missing:
        shown = ", ".join(str(number) for number in missing[:20])
        raise NotFoundError(
            f"The object {upload.sha256} is not complete: {len(missing)} of {upload.parts} parts "
            f"have not arrived ({shown})."
        )


async def discard(hub: Hub, upload: Upload) -> None:
    """Deletes what has arrived."""
    found = await hub.content.blobs.list(f"{upload.key}/")
    await hub.content.blobs.delete([entry.key for entry in found])


def _is_held(hub: Hub, upload: Upload) -> bool:
    with hub.database.reading() as session:
        return links.size_in(session, upload.repository_id, upload.sha256) == upload.size


async def _joined(hub: Hub, upload: Upload) -> AsyncIterator[bytes]:
    """The object's bytes, part after part."""
    for number in range(1, upload.parts + 1):
        size = upload.part_size(number)
        async for chunk in hub.content.blobs.stream(upload.part_key(number), 0, size):
            yield chunk


_running: dict[tuple[int, str], "asyncio.Task[None]"] = {}


async def _once(key: str, work: Callable[[], Awaitable[None]]) -> None:
    """Does the work, or waits for who is doing it; goes on when the asker goes away."""
    loop = asyncio.get_running_loop()
    name = (id(loop), key)
    task = _running.get(name)
    if task is None:
        task = _running[name] = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: _running.pop(name, None))
    await asyncio.shield(task)
