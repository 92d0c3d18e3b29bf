"""Git LFS: the bytes of objects, at addresses that the batch API signed."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from graft.server.api.answers import LfsResponse
from graft.server.api.bodies import blocks, drain
from graft.server.api.lfs import LfsObject
from graft.server.api.ranges import parse_range
from graft.server.api.streams import BytesResponse
from graft.server.content import large, links, uploads
from graft.server.content.uploads import MAX_PARTS, Upload
from graft.server.errors import BadContentError, BadRequestError, NotFoundError, RefusedError
from graft.server.hub import Hub
from graft.server.people.auth import CurrentHub
from graft.server.records import Kind, Lfs


class Part(BaseModel):
    """A part that the client has sent, and what it was answered."""

    number: Annotated[int, Field(alias="partNumber", ge=1, le=MAX_PARTS)]
    etag: str = ""


class Completion(BaseModel):
    """All parts of an object."""

    oid: str
    parts: Annotated[list[Part], Field(max_length=MAX_PARTS)]


@dataclass(frozen=True)
class _Address:
    """What an address says of an object, and the signature that holds it to that.

    The names of the repository in it are for people: it is its number that is signed, so that a
    transfer goes on while the repository gets another name.
    """

    repository_id: int
    sha256: str
    size: int
    by: int
    """The account that it was made for; 0 for nobody known."""
    expires: int
    signature: str

    def check(self, hub: Hub, action: str, *more: int) -> None:
        """
        Raises:
            NotAllowedError: the address is not signed for the action, or no longer.
        """
        signed = (self.repository_id, self.sha256, self.size, self.by)
        hub.signer.check(self.expires, self.signature, action, *signed, *more)

    def upload(self, part_bytes: int = 0) -> Upload:
        """The object on its way to the repository."""
        return Upload(self.repository_id, self.sha256, self.size, self.by, part_bytes)


Address = Annotated[_Address, Depends()]


def routes(kind: Kind) -> APIRouter:
    """Where objects are sent to and fetched from, for the repositories of one kind."""
    router = APIRouter(default_response_class=LfsResponse)
    root = f"/{kind.prefix}{{owner}}/{{name}}/info/lfs/objects/{{repository_id}}/{{sha256}}"
    add = router.add_api_route
    add(root, upload, methods=["PUT"], response_class=Response)
    add(root, download, methods=["GET"], response_class=Response)
    add(f"{root}/verify", verify, methods=["POST"])
    add(f"{root}/parts/{{number}}", upload_part, methods=["PUT"], response_class=Response)
    add(f"{root}/complete", complete, methods=["POST"])
    return router


async def upload(request: Request, address: Address, hub: CurrentHub) -> Response:
    """Takes in an object in one piece."""
    address.check(hub, "upload")
    chunks = blocks(request)
    try:
        await large.receive(hub, address.repository_id, chunks, address.sha256, address.size)
    except RefusedError:
        await drain(chunks)
        raise
    return Response(status_code=200)


def download(request: Request, address: Address, hub: CurrentHub) -> Response:
    """The object's bytes, or a range of them: `git lfs` goes on where a download broke off."""
    address.check(hub, "download")
    repository_id, sha256, size = address.repository_id, address.sha256, address.size
    lfs = Lfs(sha256, size, pointer_size=0)
    is_mirrored = hub.mirror is not None and hub.mirror.lacks(repository_id, lfs)
    with hub.database.reading() as session:
        if not is_mirrored and links.size_in(session, repository_id, sha256) != size:
            raise NotFoundError(f"The object {sha256} is no longer in this repository.")
    headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
    start, end, status = parse_range(request, size, headers)
    headers["Content-Length"] = str(end - start)
    headers["Content-Type"] = "application/octet-stream"
    if hub.mirror is not None and is_mirrored:
        content = hub.mirror.stream(repository_id, lfs, start, end)
    else:
        content = hub.content.stream(sha256, start, end)
    return BytesResponse(content, status_code=status, headers=headers)


async def verify(address: Address, body: LfsObject, hub: CurrentHub) -> LfsResponse:
    """Says whether an object has arrived, as clients ask after they sent it."""
    address.check(hub, "verify")
    upload = address.upload()
    if body.oid != upload.sha256:
        raise BadContentError(
            f"This address verifies the object {upload.sha256}, not {body.oid[:80]!r}."
        )
    size = await run_in_threadpool(_size_in, hub, upload)
    if (
        size is None and hub.settings.direct_transfer and await uploads.has_part(hub, upload, 1)
    ):  # sent straight to S3
        await uploads.complete(hub, upload)
        size = upload.size
    if size is None:
        raise NotFoundError(f"The object {body.oid} has not arrived; send it again.")
    if size != body.size:
        raise BadContentError(f"The object {body.oid} has {size} bytes, not {body.size}.")
    return LfsResponse({})


async def upload_part(
    request: Request, address: Address, number: int, part_bytes: int, hub: CurrentHub
) -> Response:
    """Takes in one part of an object, counted from 1."""
    address.check(hub, "part", part_bytes, number)
    upload = address.upload(part_bytes)
    # What breaks off goes on where it was: a part that is there is not written again, and a client
    # that waits to be asked for it (`Expect: 100-continue`) is not asked.
    if await uploads.has_part(hub, upload, number):
        if "100-continue" not in request.headers.get("expect", "").lower():
            async for _ in request.stream():
                pass
    else:
        chunks = blocks(request)
        try:
            await uploads.receive_part(hub, upload, number, chunks)
        except RefusedError:
            await drain(chunks)
            raise
    return Response(status_code=200, headers={"ETag": f'"{upload.sha256}-{number}"'})


async def complete(
    address: Address, part_bytes: int, body: Completion, hub: CurrentHub
) -> LfsResponse:
    """Makes the object of its parts."""
    address.check(hub, "complete", part_bytes)
    upload = address.upload(part_bytes)
    if body.oid != upload.sha256:
        raise BadContentError(
            f"This address completes the object {upload.sha256}, not {body.oid[:80]!r}."
        )
    named = {part.number for part in body.parts}
    if named != set(range(1, upload.parts + 1)):
        raise BadRequestError(
            f"The object {upload.sha256} has {upload.parts} parts; name each of them by "
            f"`partNumber`, with the ETag that sending it was answered with. {len(named)} came."
        )
    await uploads.complete(hub, upload)
    return LfsResponse({})


def _size_in(hub: Hub, upload: Upload) -> int | None:
    with hub.database.reading() as session:
        return links.size_in(session, upload.repository_id, upload.sha256)
