"""Git LFS: which objects to send or fetch, and where (the batch API of the specification)."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from graft.server.api.answers import LfsResponse
from graft.server.api.git_http import find_for_git, find_for_upload
from graft.server.content import large, links, uploads
from graft.server.content.signing import READ_SECONDS, UPLOAD_SECONDS
from graft.server.content.uploads import Upload
from graft.server.errors import BadContentError, ConflictError, NotFoundError, RefusedError
from graft.server.hub import Hub
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.records import Kind, Lfs, Repository, User

MAX_OBJECTS = 10_000
MAX_PARTS_TOLD = 20_000
"""Addresses of parts in one answer, about 7 MB; objects after that are sent in one piece."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class LfsObject(BaseModel):
    """An object: its SHA-256 and its size in bytes."""

    oid: str
    size: Annotated[int, Field(ge=0, lt=2**63)]


class Batch(BaseModel):
    """What a client wants to send or fetch."""

    operation: Literal["upload", "download"]
    objects: Annotated[list[LfsObject], Field(max_length=MAX_OBJECTS)]
    transfers: list[str] = ["basic"]
    hash_algo: str = "sha256"


def routes(kind: Kind) -> APIRouter:
    """The batch endpoint of the repositories of one kind."""
    router = APIRouter(default_response_class=LfsResponse)

    @router.post(f"/{kind.prefix}{{owner}}/{{name}}/info/lfs/objects/batch")
    def batch(
        request: Request, owner: str, name: str, body: Batch, hub: CurrentHub, user: CurrentUser
    ) -> LfsResponse:
        if body.operation == "upload":
            repository = find_for_upload(hub, kind, owner, name, user)
        else:
            repository = find_for_git(hub, kind, owner, name, user, writes=False)
        if body.hash_algo != "sha256":
            raise ConflictError(f"This Hub knows objects by SHA-256, not by {body.hash_algo!r}.")
        address = f"{base_url(request)}{repository.path}.git/info/lfs/objects"
        return _Answer(hub, repository, user, address, "multipart" in body.transfers).to(body)

    return router


@dataclass
class _Answer:
    """What is told about each object of a batch."""

    hub: Hub
    repository: Repository
    user: User | None
    address: str
    in_parts: bool
    """Whether the client can send an object in parts."""
    parts_left: int = MAX_PARTS_TOLD

    @property
    def by(self) -> int:
        """The account that asks; 0 for nobody known."""
        return self.user.account.id if self.user is not None else 0

    def to(self, body: Batch) -> LfsResponse:
        # Each object once, however often it was named: clients send what they are told to, and the
        # stock one would read one file twice at once.
        wanted = {(each.oid, each.size): each for each in body.objects}.values()
        sizes = self._sizes({each.oid for each in wanted}, sends=body.operation == "upload")
        objects = [self._object(body.operation, each, sizes.get(each.oid)) for each in wanted]
        parts = any("chunk_size" in _upload_header(found) for found in objects)
        content = {
            "transfer": "multipart" if parts else "basic",
            "hash_algo": "sha256",
            "objects": objects,
        }
        return LfsResponse(content)

    def _sizes(self, hashes: set[str], *, sends: bool) -> dict[str, int]:
        """The sizes of those objects that the repository has. One that objects are sent to gets
        what the sender may read elsewhere, without their sending it again."""
        with self.hub.database.reading() as session:
            here = links.sizes_in(session, self.repository.id, hashes)
            if not sends or self.user is None:
                return here
            found = links.sizes_for(session, self.user, hashes - here.keys())
        if here or found:
            with self.hub.database.writing() as session:
                links.link_all(session, self.repository.id, here.keys() | found.keys())
        return here | found

    def _object(self, operation: str, wanted: LfsObject, size: int | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size}
        try:
            actions = self._actions(operation, wanted, size)
        except RefusedError as error:
            return answer | {"error": {"code": error.status, "message": str(error)}}
        return answer | {"authenticated": True} | ({"actions": actions} if actions else {})

    def _actions(self, operation: str, wanted: LfsObject, size: int | None) -> dict[str, Any]:
        """Where to send or fetch an object; nothing where the Hub has what would be sent."""
        if not _SHA256.fullmatch(wanted.oid):
            raise BadContentError(f"{wanted.oid!r} is not a SHA-256 in hexadecimal.")
        if size is not None and size != wanted.size:
            raise BadContentError(
                f"The object {wanted.oid} has {size} bytes, not the {wanted.size} announced."
            )
        if operation == "download":
            if size is None and not self._can_be_fetched(wanted):
                raise NotFoundError(f"{self.repository.full_name} has no object {wanted.oid}.")
            action = self._action("download", wanted)
            return {"download": action | _href(uploads.whole_address(self.hub, wanted.oid))}
        if size is not None:
            return {}
        large.check_size(self.hub, wanted.oid, wanted.size)
        return {"upload": self._upload(wanted), "verify": self._action("verify", wanted, "/verify")}

    def _can_be_fetched(self, wanted: LfsObject) -> bool:
        """Whether the other hub may have it, of which this repository is a mirror."""
        mirror = self.hub.mirror
        lfs = Lfs(wanted.oid, wanted.size, pointer_size=0)
        return mirror is not None and mirror.lacks(self.repository.id, lfs)

    def _upload(self, wanted: LfsObject) -> dict[str, Any]:
        repository_id = self.repository.id
        parts = uploads.plan_parts(self.hub, repository_id, wanted.oid, wanted.size, self.by)
        if parts is None or not self.in_parts or parts.parts > self.parts_left:
            action = self._action("upload", wanted)
            whole = Upload(repository_id, wanted.oid, wanted.size, self.by)
            return action | _href(uploads.direct_address(self.hub, whole, 1))
        self.parts_left -= parts.parts
        action = self._action("complete", wanted, "/complete", part_bytes=parts.part_bytes)
        header = {"chunk_size": str(parts.part_bytes)}
        for number in range(1, parts.parts + 1):
            direct = uploads.direct_address(self.hub, parts, number)
            path, given = f"/parts/{number}", {"part_bytes": parts.part_bytes}
            header[f"{number:05d}"] = direct or self._address("part", wanted, path, given, number)
        return action | {"header": header}

    def _action(
        self, permission: str, wanted: LfsObject, path: str = "", **given: int
    ) -> dict[str, Any]:
        href = self._address(permission, wanted, path, given)
        return {"href": href, "expires_in": _seconds(permission)}

    def _address(
        self, permission: str, wanted: LfsObject, path: str, given: dict[str, int], *more: int
    ) -> str:
        """An address that carries its own permission: clients send no token there."""
        signed: tuple[str | int, ...] = (
            permission,
            self.repository.id,
            wanted.oid,
            wanted.size,
            self.by,
            *given.values(),
            *more,
        )
        query = urlencode({"size": wanted.size, "by": self.by, **given})
        root = f"{self.address}/{self.repository.id}/{wanted.oid}"
        return f"{root}{path}?{query}&{self.hub.signer.sign(*signed, seconds=_seconds(permission))}"


def _seconds(permission: str) -> int:
    return READ_SECONDS if permission == "download" else UPLOAD_SECONDS


def _href(address: str | None) -> dict[str, str]:
    return {"href": address} if address else {}


def _upload_header(answer: dict[str, Any]) -> dict[str, str]:
    header: dict[str, str] = answer.get("actions", {}).get("upload", {}).get("header", {})
    return header
