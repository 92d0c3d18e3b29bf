"""The storage behind Xet (specification: "CAS API"): xorbs and shards in, reconstructions out."""

import asyncio
import json
import logging
import mmap
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from graft.server.api.bodies import blocks, drain
from graft.server.api.ranges import RangeError, parse_range
from graft.server.api.streams import BytesResponse
from graft.server.content import cas, registering, sharing
from graft.server.errors import BadRequestError, NotFoundError, RefusedError
from graft.server.hub import Hub
from graft.server.people.auth import CurrentHub, base_url
from graft.server.storage.blobs import BlobNotFoundError, Spool, fill
from graft.server.storage.lengths import at_most
from graft.server.storage.reconstruction import Extent
from graft.server.storage.threads import settled
from graft.server.storage.xorbs import key_of
from graft.server.xet.hashes import from_text
from graft.server.xet.shard import MAX_SHARD_BYTES
from graft.server.xet.xorb import MAX_FOOTER_BYTES, MAX_XORB_BYTES, XorbError

# Whose chunks they are, is part of the address: clients remember by it what they sent.
router = APIRouter(prefix="/xet/{store}")

Authorization = Annotated[str | None, Header(alias="authorization")]
XORB = "/v1/xorbs/default/{name}"
BINARY = "application/octet-stream"

_TELL_SECONDS = 5

logger = logging.getLogger("graft.server")


@router.post(XORB)
async def send_xorb(
    request: Request, name: str, hub: CurrentHub, authorization: Authorization = None
) -> dict[str, bool]:
    """Keeps a xorb, once each of its chunks was unpacked and hashed."""
    asker = await run_in_threadpool(cas.admit, hub, authorization, writes=True)
    _check_hash(name)
    async with _received(request, hub, MAX_XORB_BYTES + MAX_FOOTER_BYTES, "xorb") as spool:
        inserted = await hub.content.in_thread(_keep_xorb, hub, asker, spool, name)
    return {"was_inserted": inserted}


@router.post("/v1/shards")
async def send_shard(
    request: Request, hub: CurrentHub, authorization: Authorization = None
) -> dict[str, int]:
    """Registers the files of a shard: from now on a commit may name them."""
    asker = await run_in_threadpool(cas.admit, hub, authorization, writes=True)
    async with _received(request, hub, MAX_SHARD_BYTES, "shard") as spool:
        await _registered(hub, asker, spool)
    return {"result": 1}


@router.post("/v2/shards", response_class=StreamingResponse)
async def send_shard_and_watch(
    request: Request, hub: CurrentHub, authorization: Authorization = None
) -> StreamingResponse:
    """The same, told as lines of JSON while it goes on, so that nobody gives up on a long file."""
    asker = await run_in_threadpool(cas.admit, hub, authorization, writes=True)
    opened = _received(request, hub, MAX_SHARD_BYTES, "shard")
    spool = await opened.__aenter__()

    async def lines() -> AsyncIterator[bytes]:
        try:
            async with aclosing(_events(hub, asker, spool)) as events:
                async for event in events:
                    yield json.dumps(event).encode() + b"\n"
        finally:
            await opened.__aexit__(None, None, None)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.get("/v1/reconstructions/{name}")
def reconstruction(
    request: Request, name: str, hub: CurrentHub, authorization: Authorization = None
) -> Response:
    """What a file of the repository is made of, and where to fetch that."""
    asker = cas.admit(hub, authorization, writes=False)
    _check_hash(name)
    sha256, size = sharing.find_file(hub, asker.repository.id, name)
    start, end, _ = parse_range(request, size, {"ETag": ""})
    if start == end:
        answer: dict[str, Any] = {"offset_into_first_range": 0, "terms": [], "fetch_info": {}}
    else:
        root = cas.address(hub, base_url(request))
        answer = hub.content.reconstruct(sha256, start, end, lambda e: _address(hub, root, e))
    return Response(json.dumps(answer), media_type="application/json")


# The specification says `default-merkledb`; the client that is in use says `default`.
@router.get("/v1/chunks/default/{name}")
@router.get("/v1/chunks/default-merkledb/{name}")
def chunk(
    name: str,
    hub: CurrentHub,
    authorization: Authorization = None,
) -> Response:
    """The xorbs around a chunk, where the asker may use them: what they need not send."""
    asker = cas.admit(hub, authorization, writes=False)
    _check_hash(name)
    found = sharing.shard_around(hub, asker.user, from_text(name))
    if found is None:
        raise NotFoundError(f"The Hub has no chunk {name} that it could tell you of.")
    return Response(found, media_type=BINARY)


@router.get(XORB, response_class=Response)
def xorb_bytes(
    request: Request,
    name: str,
    hub: CurrentHub,
    start: int,
    last: int,
    expires: int,
    signature: str,
) -> Response:
    """Frames of a xorb: those for which the address was made."""
    hub.signer.check(expires, signature, "xorb", name, start, last)
    headers = {"ETag": f'"{name}"', "Accept-Ranges": "bytes"}
    first, end, status = parse_range(request, last + 1, headers)
    if status == 200:  # no range was asked for: the one that may be had is meant
        first = start
    if first < start:
        raise RangeError(f"This address is for the bytes {start} to {last} of the xorb.")
    headers["Content-Length"] = str(end - first)
    if status == 206:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/*"
    headers["Content-Type"] = BINARY
    return BytesResponse(_frames(hub, name, first, end), status_code=status, headers=headers)


async def _frames(hub: Hub, name: str, first: int, end: int) -> AsyncIterator[bytes]:
    """
    Raises: with the first piece
        NotFoundError: the xorb was deleted after the address was made.
    """
    try:
        async for piece in hub.content.blobs.stream(key_of(name), first, end):
            yield piece
    except BlobNotFoundError:
        raise NotFoundError(f"The xorb {name} is gone; ask for the file's parts again.") from None


def _address(hub: Hub, root: str, extent: Extent) -> str:
    if hub.settings.direct_transfer and extent.is_whole:
        # Such an address opens the whole xorb, in which there may be others' chunks.
        direct = hub.content.blobs.address(key_of(extent.xorb), "GET", cas.VALID_SECONDS)
        if direct is not None:
            return direct
    permission = hub.signer.sign(
        "xorb", extent.xorb, extent.start, extent.last, seconds=cas.VALID_SECONDS
    )
    path = XORB.format(name=extent.xorb)
    return f"{root}{path}?start={extent.start}&last={extent.last}&{permission}"


@asynccontextmanager
async def _received(request: Request, hub: Hub, limit: int, what: str) -> AsyncIterator[Spool]:
    """The request's body in a file of the storage's.

    Raises:
        TooLargeError: longer than `limit` bytes.
    """
    chunks = blocks(request)
    try:
        with hub.content.blobs.spool() as spool:
            await fill(spool, at_most(chunks, limit, what))
            yield spool
    except RefusedError:
        await drain(chunks)
        raise


def _keep_xorb(hub: Hub, asker: cas.Asker, spool: Spool, name: str) -> bool:
    try:
        inserted = hub.content.store_xorb(spool, name)
    except XorbError as error:
        raise BadRequestError(f"{error} Nothing was kept; send the xorb again.") from error
    sharing.note_upload(hub, asker.user, name)
    return inserted


async def _registered(
    hub: Hub, asker: cas.Asker, spool: Spool, progress: registering.Progress = lambda *_: None
) -> None:
    """Registers a shard when its sender's turn is: each may tell of files that take hours to read,
    and nobody gets all the threads for that."""
    who = asker.user.account.id if asker.user is not None else None
    async with hub.turns.turn(("shard", who)):
        await hub.content.in_thread(_register, hub, asker, spool, progress)


def _register(hub: Hub, asker: cas.Asker, spool: Spool, progress: registering.Progress) -> None:
    registering.register(hub, asker, _mapped(spool), progress)


async def _events(hub: Hub, asker: cas.Asker, spool: Spool) -> AsyncGenerator[dict[str, Any], None]:
    """What becomes of a shard: every few seconds how far it is, and how it ended."""
    verified, total = 0, 0

    def note(done: int, of: int) -> None:
        nonlocal verified, total
        verified, total = done, of

    work = asyncio.ensure_future(_registered(hub, asker, spool, note))
    try:
        while not (await asyncio.wait({work}, timeout=_TELL_SECONDS))[0]:
            yield {"type": "validating", "verified": verified, "total": total}
        work.result()
    except RefusedError as error:
        yield {"type": "error", "message": str(error), "retryable": error.status >= 500}
    except Exception:
        logger.exception("A shard could not be registered")
        text = "Something went wrong inside the Hub; its log says what."
        yield {"type": "error", "message": text, "retryable": True}
    else:
        yield {"type": "result"}
    finally:
        work.cancel()  # who has left while waiting for a turn needs none
        await settled([work])  # a thread reads what is about to be deleted


def _mapped(spool: Spool) -> memoryview:
    """What was received, as memory that the system fills, and takes back when nobody has it."""
    size = os.fstat(spool.file.fileno()).st_size
    if not size:
        return memoryview(b"")
    return memoryview(mmap.mmap(spool.file.fileno(), size, access=mmap.ACCESS_READ))


def _check_hash(name: str) -> None:
    try:
        from_text(name)
    except ValueError as error:
        raise BadRequestError(f"{error}.") from None
