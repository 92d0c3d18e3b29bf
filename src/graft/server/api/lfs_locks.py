"""Git LFS: locks on files, as `git lfs lock`, `locks` and `unlock` ask for them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from graft.server.api.answers import LfsResponse
from graft.server.api.git_http import find_for_git
from graft.server.api.wire import moment
from graft.server.content import locks
from graft.server.content.locks import FileLock
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser
from graft.server.records import Kind


class GitRef(BaseModel):
    """The branch that somebody works on."""

    name: Annotated[str, Field(max_length=1024)] = ""


class NewLock(BaseModel):
    """The path to lock."""

    path: str
    ref: GitRef | None = None


class LocksToVerify(BaseModel):
    """Which page of all locks."""

    cursor: str | None = None
    limit: Annotated[int | None, Field(ge=0)] = None
    ref: GitRef | None = None


class Unlock(BaseModel):
    """Whether another's lock may be taken away."""

    force: bool = False
    ref: GitRef | None = None


def routes(kind: Kind) -> APIRouter:
    """The locking endpoints of the repositories of one kind."""
    router = APIRouter(default_response_class=LfsResponse)
    root = f"/{kind.prefix}{{owner}}/{{name}}/info/lfs/locks"

    @router.post(root, status_code=201)
    def create(
        owner: str, name: str, body: NewLock, hub: CurrentHub, user: CurrentUser
    ) -> LfsResponse:
        repository = find_for_git(hub, kind, owner, name, user, writes=True)
        who = access.check(user, repository, "write")
        ref = body.ref.name if body.ref else None
        try:
            lock = locks.create(hub, repository, who, body.path, ref)
        except locks.LockedError as error:
            text = str(error)
            content = {"lock": _lock(error.lock), "message": text, "error": text}
            return _answer(content, error.status)
        return _answer({"lock": _lock(lock)}, 201)

    @router.get(root)
    def find(
        owner: str,
        name: str,
        hub: CurrentHub,
        user: CurrentUser,
        path: str | None = None,
        lock_id: Annotated[str | None, Query(alias="id")] = None,
        cursor: str | None = None,
        limit: int | None = None,
        refspec: str | None = None,
    ) -> LfsResponse:
        repository = find_for_git(hub, kind, owner, name, user, writes=False)
        found, following = locks.find(
            hub, repository, path=path, lock_id=lock_id, ref=refspec, cursor=cursor, limit=limit
        )
        return _answer({"locks": [_lock(lock) for lock in found]} | _cursor(following))

    @router.post(f"{root}/verify")
    def verify(
        owner: str, name: str, body: LocksToVerify, hub: CurrentHub, user: CurrentUser
    ) -> LfsResponse:
        repository = find_for_git(hub, kind, owner, name, user, writes=True)
        who = access.check(user, repository, "write")
        found, following = locks.find(hub, repository, cursor=body.cursor, limit=body.limit)
        ours = [_lock(lock) for lock in found if lock.owner == who.name]
        theirs = [_lock(lock) for lock in found if lock.owner != who.name]
        return _answer({"ours": ours, "theirs": theirs} | _cursor(following))

    @router.post(f"{root}/{{lock_id}}/unlock")
    def release(
        owner: str, name: str, lock_id: str, body: Unlock, hub: CurrentHub, user: CurrentUser
    ) -> LfsResponse:
        repository = find_for_git(hub, kind, owner, name, user, writes=True)
        who = access.check(user, repository, "write")
        may_force = access.allows(who, repository, "admin")
        lock = locks.release(hub, repository, who, lock_id, force=body.force, may_force=may_force)
        return _answer({"lock": _lock(lock)})

    return router


def _lock(lock: FileLock) -> dict[str, Any]:
    return {
        "id": str(lock.id),
        "path": lock.path,
        "locked_at": moment(lock.locked_at),
        "owner": {"name": lock.owner},
    }


def _cursor(following: str | None) -> dict[str, str]:
    return {"next_cursor": following} if following else {}


def _answer(content: dict[str, Any], status: int = 200) -> LfsResponse:
    return LfsResponse(content, status_code=status)
