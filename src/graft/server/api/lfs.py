"""Git LFS: which objects to send or fetch and where, and the bytes themselves (basic transfer)."""

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from graft.server import large, links
from graft.server.api.bodies import drain
from graft.server.api.git_http import find_for_git
from graft.server.auth import CurrentHub, CurrentUser, base_url
from graft.server.errors import BadContentError, BadRequestError, NotFoundError, RefusedError
from graft.server.hub import Hub
from graft.server.records import Kind, Repository, User
from graft.server.signing import VALID_SECONDS

MEDIA_TYPE = "application/vnd.git-lfs+json"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class LfsObject(BaseModel):
    """An object: its SHA-256 and its size in bytes."""

    oid: str
    size: Annotated[int, Field(ge=0)]


class Batch(BaseModel):
    """What a client wants to send or fetch."""

    operation: Literal["upload", "download"]
    objects: Annotated[list[LfsObject], Field(max_length=10_000)]
    transfers: list[str] = ["basic"]
    hash_algo: str = "sha256"


def routes(kind: Kind) -> APIRouter:
    """The LFS endpoints of the repositories of one kind."""
    router = APIRouter()
    root = f"/{kind.prefix}{{owner}}/{{name}}/info/lfs/objects"

    @router.post(f"{root}/batch")
    def batch(
        request: Request, owner: str, name: str, body: Batch, hub: CurrentHub, user: CurrentUser
    ) -> JSONResponse:
        writes = body.operation == "upload"
        repository = find_for_git(hub, kind, owner, name, user, writes=writes)
        return _batch(request, hub, repository, body, user)

    @router.put(f"{root}/{{repository_id}}/{{sha256}}")
    async def upload(
        request: Request,
        repository_id: int,
        sha256: str,
        size: int,
        expires: int,
        signature: str,
        hub: CurrentHub,
    ) -> Response:
        hub.signer.check(expires, signature, "upload", repository_id, sha256, size)
        return await _receive(request, hub, repository_id, sha256, size)

    @router.get(f"{root}/{{repository_id}}/{{sha256}}")
    def download(
        repository_id: int, sha256: str, size: int, expires: int, signature: str, hub: CurrentHub
    ) -> Response:
        hub.signer.check(expires, signature, "download", repository_id, sha256, size)
        return StreamingResponse(
            hub.objects.stream(sha256, 0, size),
            media_type="application/octet-stream",
            headers={"Content-Length": str(size)},
        )

    @router.post(f"{root}/{{repository_id}}/{{sha256}}/verify")
    def verify(
        repository_id: int,
        sha256: str,
        body: LfsObject,
        expires: int,
        signature: str,
        hub: CurrentHub,
    ) -> JSONResponse:
        hub.signer.check(expires, signature, "verify", repository_id, sha256)
        return _verify(hub, repository_id, sha256, body)

    return router


def _batch(
    request: Request, hub: Hub, repository: Repository, body: Batch, user: User | None
) -> JSONResponse:
    if body.hash_algo != "sha256" or "basic" not in body.transfers:
        raise BadRequestError("This Hub takes SHA-256 objects by the transfer 'basic'.")
    address = f"{base_url(request)}{repository.path}.git/info/lfs/objects"
    objects = []
    # Each object once, however often it was named: clients send what they are told to, and the
    # stock one would read one file twice at once.
    for wanted in {(wanted.oid, wanted.size): wanted for wanted in body.objects}.values():
        try:
            actions = _actions(hub, repository, user, body.operation, wanted, address)
        except RefusedError as error:
            refusal = {"code": error.status, "message": str(error)}
            objects.append({"oid": wanted.oid, "size": wanted.size, "error": refusal})
            continue
        answer: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size, "authenticated": True}
        if actions:
            answer["actions"] = actions
        objects.append(answer)
    content = {"transfer": "basic", "hash_algo": "sha256", "objects": objects}
    return JSONResponse(content, media_type=MEDIA_TYPE)


def _actions(
    hub: Hub,
    repository: Repository,
    user: User | None,
    operation: str,
    wanted: LfsObject,
    address: str,
) -> dict[str, Any]:
    """Where to send or fetch an object; nothing where the Hub has what would be sent."""
    if not _SHA256.fullmatch(wanted.oid):
        raise BadContentError(f"{wanted.oid!r} is not a SHA-256 in hexadecimal.")
    size = _size_here(hub, repository, user if operation == "upload" else None, wanted.oid)
    if size is not None and size != wanted.size:
        raise BadContentError(
            f"The object {wanted.oid} has {size} bytes, not the {wanted.size} that were announced."
        )
    if operation == "upload" and size is not None:
        return {}
    if operation == "download" and size is None:
        raise NotFoundError(f"{repository.full_name} has no large object {wanted.oid}.")
    large.check_size(hub, wanted.oid, wanted.size)
    permission = hub.signer.sign(operation, repository.id, wanted.oid, wanted.size)
    href = f"{address}/{repository.id}/{wanted.oid}?size={wanted.size}&{permission}"
    actions: dict[str, Any] = {operation: {"href": href, "expires_in": VALID_SECONDS}}
    if operation == "upload":
        permission = hub.signer.sign("verify", repository.id, wanted.oid)
        href = f"{address}/{repository.id}/{wanted.oid}/verify?{permission}"
        actions["verify"] = {"href": href, "expires_in": VALID_SECONDS}
    return actions


def _size_here(hub: Hub, repository: Repository, user: User | None, sha256: str) -> int | None:
    """The size of an object the repository has. An uploader's repository gets what they may read
    elsewhere, without sending it again."""
    with hub.database.reading() as session:
        size = links.size_in(session, repository.id, sha256)
        if size is not None or user is None:
            return size
        size = links.size_for(session, user.account.id, sha256)
    if size is not None:
        with hub.database.writing() as session:
            links.link(session, repository.id, sha256)
    return size


def _verify(hub: Hub, repository_id: int, sha256: str, body: LfsObject) -> JSONResponse:
    if body.oid != sha256:
        raise BadContentError(f"This address verifies the object {sha256}, not {body.oid!r}.")
    with hub.database.reading() as session:
        size = links.size_in(session, repository_id, body.oid)
    if size is None:
        raise NotFoundError(f"The object {body.oid} has not arrived; send it again.")
    if size != body.size:
        raise BadContentError(f"The object {body.oid} has {size} bytes, not {body.size}.")
    return JSONResponse({}, media_type=MEDIA_TYPE)


async def _receive(
    request: Request, hub: Hub, repository_id: int, sha256: str, size: int
) -> Response:
    chunks = request.stream()
    try:
        await large.receive(hub, repository_id, chunks, sha256, size)
    except RefusedError:
        await drain(chunks)
        raise
    return Response(status_code=200)
