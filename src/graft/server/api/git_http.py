"""Git's smart HTTP: clone, fetch and push, by the `git` program itself."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from graft.server import repos
from graft.server.api.bodies import spooled
from graft.server.auth import CurrentHub, CurrentUser
from graft.server.errors import NotLoggedInError, RepoNotFoundError
from graft.server.git import process
from graft.server.hub import Hub
from graft.server.records import Kind, Repository, User

Service = Literal["git-upload-pack", "git-receive-pack"]

MAX_NEGOTIATION_BYTES = 64 * 1024**2

# Git asks for a name and password only where this header says so; the token is the password.
_ASK = {"WWW-Authenticate": 'Basic realm="Graft Hub", charset="UTF-8"'}
_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}


def find_for_git(
    hub: Hub, kind: Kind, owner: str, name: str, user: User | None, *, writes: bool
) -> Repository:
    """The repository, if the user may read it, or write to it; `name` may end in `.git`.

    Raises:
        NotLoggedInError: nobody is asking, and a token might help: git then asks for one.
        RepoNotFoundError, NotAllowedError: a token, but not one that may.
    """
    try:
        repository = repos.find(hub, kind, owner, name.removesuffix(".git"), user)
        if writes:
            repos.check_may_write(repository, user)
    except (RepoNotFoundError, NotLoggedInError) as error:
        if user is None:
            raise NotLoggedInError(
                f"{error} Give your account's name, and a token as the password.", headers=_ASK
            ) from error
        raise
    return repository


def routes(kind: Kind) -> APIRouter:
    """The git endpoints of the repositories of one kind."""
    router = APIRouter()
    root = f"/{kind.prefix}{{owner}}/{{name}}"

    @router.get(f"{root}/info/refs")
    async def info_refs(
        request: Request,
        owner: str,
        name: str,
        service: Annotated[Service, Query()],
        hub: CurrentHub,
        user: CurrentUser,
    ) -> Response:
        writes = service == "git-receive-pack"
        repository = await run_in_threadpool(
            find_for_git, hub, kind, owner, name, user, writes=writes
        )
        return await _advertise(request, hub, repository, service)

    @router.post(f"{root}/git-upload-pack")
    async def upload_pack(
        request: Request, owner: str, name: str, hub: CurrentHub, user: CurrentUser
    ) -> Response:
        repository = await run_in_threadpool(
            find_for_git, hub, kind, owner, name, user, writes=False
        )
        return await _fetch(request, hub, repository, user)

    @router.post(f"{root}/git-receive-pack")
    async def receive_pack(
        request: Request, owner: str, name: str, hub: CurrentHub, user: CurrentUser
    ) -> Response:
        repository = await run_in_threadpool(
            find_for_git, hub, kind, owner, name, user, writes=True
        )
        user = repos.check_may_write(repository, user)
        return await _push(request, hub, repository, user)

    return router


async def _advertise(
    request: Request, hub: Hub, repository: Repository, service: Service
) -> Response:
    path = repos.repository_path(hub, repository)
    refs = await process.advertise(path, service, request.headers.get("git-protocol", ""))
    head = f"# service={service}\n"
    content = f"{len(head) + 4:04x}{head}0000".encode() + refs
    media_type = f"application/x-{service}-advertisement"
    return Response(content, media_type=media_type, headers=_NO_CACHE)


async def _fetch(request: Request, hub: Hub, repository: Repository, user: User | None) -> Response:
    path = repos.repository_path(hub, repository)
    protocol = request.headers.get("git-protocol", "")
    who = user.name if user else f"@{request.client.host if request.client else ''}"
    async with spooled(request, MAX_NEGOTIATION_BYTES, "request") as body:
        await run_in_threadpool(repos.count_download, hub, repository, who)
        content = await process.upload_pack(path, protocol, body)  # the last: it starts a child
    media_type = "application/x-git-upload-pack-result"
    return StreamingResponse(content, media_type=media_type, headers=_NO_CACHE)


async def _push(request: Request, hub: Hub, repository: Repository, user: User) -> Response:
    path = repos.repository_path(hub, repository)
    settings = {
        "GRAFT_PUSH_DATABASE_URL": hub.settings.database_url,
        "GRAFT_PUSH_REPOSITORY": str(repository.id),
        "GRAFT_PUSH_ACCOUNT": str(user.account.id),
        "GRAFT_PUSH_TOKEN": str(user.token_id or ""),
        "GRAFT_PUSH_MAX_INLINE_BYTES": str(hub.settings.max_inline_bytes),
    }
    protocol = request.headers.get("git-protocol", "")
    async with spooled(request, hub.settings.max_push_bytes, "push") as body:
        content = await process.receive_pack(path, protocol, body, hub.hooks_folder, settings)
    await run_in_threadpool(repos.reindex, hub, repository)
    media_type = "application/x-git-receive-pack-result"
    return Response(content, media_type=media_type, headers=_NO_CACHE)
