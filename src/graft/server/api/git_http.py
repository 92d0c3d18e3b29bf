"""Git's smart HTTP: clone, fetch and push, by the `git` program itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from graft.server.api.bodies import spool
from graft.server.errors import (
    GatedRepoError,
    NotAllowedError,
    NotLoggedInError,
    RepoNotFoundError,
)
from graft.server.git import packets, process, refs
from graft.server.git.packets import FLUSH, PushRequest, packet
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser, address_of
from graft.server.records import Kind, Repository, User
from graft.server.repositories import pushes, repos

Service = Literal["git-upload-pack", "git-receive-pack"]

MAX_NEGOTIATION_BYTES = 64 * 1024**2
KEEP_ALIVE_SECONDS = 5.0

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
        GatedRepoError: the repository is gated, and they were not let in.
    """
    try:
        repository = repos.find(hub, kind, owner, name.removesuffix(".git"), user)
        if writes:
            access.check(user, repository, "write")
        else:
            access.check_files(hub, repository, user)
    except (RepoNotFoundError, NotLoggedInError) as error:
        if user is None:
            raise NotLoggedInError(
                f"{error} Give your account's name, and a token as the password.", headers=_ASK
            ) from error
        raise
    except GatedRepoError as error:
        if user is None:
            error.headers |= _ASK
        raise
    return repository


def find_for_upload(hub: Hub, kind: Kind, owner: str, name: str, user: User | None) -> Repository:
    """The repository, if the user may send large files to it: to commit them, or to propose them in
    a pull request, which clients open only when the files are there.

    Raises:
        NotLoggedInError, RepoNotFoundError, NotAllowedError: they may do neither.
        GatedRepoError: they may discuss it, and were not let in to its files.
    """
    try:
        return find_for_git(hub, kind, owner, name, user, writes=True)
    except NotAllowedError:
        repository = repos.find(hub, kind, owner, name.removesuffix(".git"), user)
        access.check(user, repository, "discuss")
        access.check_files(hub, repository, user)  # else it could be asked what files there are
        return repository


def find_for_push(hub: Hub, kind: Kind, owner: str, name: str, user: User | None) -> Repository:
    """The repository, if the user may push something to it: all, or to pull requests of their own.

    Raises:
        NotLoggedInError, RepoNotFoundError, NotAllowedError: they may not.
    """
    try:
        return find_for_git(hub, kind, owner, name, user, writes=True)
    except NotAllowedError:
        repository = repos.find(hub, kind, owner, name.removesuffix(".git"), user)
        if not pushes.has_pull_request(hub, repository, user):
            raise
        return repository


def routes(kind: Kind) -> APIRouter:
    """The git endpoints of the repositories of one kind."""
    router = APIRouter(default_response_class=Response)
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
        if service == "git-receive-pack":
            repository = await run_in_threadpool(find_for_push, hub, kind, owner, name, user)
        else:
            repository = await run_in_threadpool(
                find_for_git, hub, kind, owner, name, user, writes=False
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
        repository = await run_in_threadpool(find_for_push, hub, kind, owner, name, user)
        return await _push(request, hub, repository, access.check(user, repository, "discuss"))

    return router


async def _advertise(
    request: Request, hub: Hub, repository: Repository, service: Service
) -> Response:
    path = repos.repository_path(hub, repository)
    if service == "git-receive-pack":
        content = await run_in_threadpool(_advertise_push, hub, repository)
    else:
        protocol = request.headers.get("git-protocol", "")
        told = await process.advertise(path, protocol, hub.settings.git_seconds)
        content = packet(b"# service=git-upload-pack\n") + FLUSH + told
    media_type = f"application/x-{service}-advertisement"
    return Response(content, media_type=media_type, headers=_NO_CACHE)


def _advertise_push(hub: Hub, repository: Repository) -> bytes:
    opened = repos.open_git(hub, repository)
    return packets.advertise(
        (name, target)
        for name in sorted(opened.references)
        if (target := refs.target_of(opened, name)) is not None
    )


async def _fetch(request: Request, hub: Hub, repository: Repository, user: User | None) -> Response:
    path = repos.repository_path(hub, repository)
    protocol = request.headers.get("git-protocol", "")
    who = user.name if user else f"@{address_of(request)}"
    await run_in_threadpool(repos.count_download, hub, repository, who)
    body = await spool(request, MAX_NEGOTIATION_BYTES, "request")
    content = process.upload_pack(path, protocol, body, hub.settings.git_seconds)
    media_type = "application/x-git-upload-pack-result"
    return StreamingResponse(content, media_type=media_type, headers=_NO_CACHE)


async def _push(request: Request, hub: Hub, repository: Repository, user: User) -> Response:
    body = await spool(request, hub.settings.max_push_bytes, "push")
    asked = packets.read_push(body)
    media_type = "application/x-git-receive-pack-result"
    if not asked.commands:  # how git tries whether its token may push, before a long one
        body.close()
        return Response(b"", media_type=media_type, headers=_NO_CACHE)
    work = asyncio.create_task(_receive(hub, repository, user, asked, body))
    request.state.work = work  # it holds the request's place, also when the client hangs up
    return StreamingResponse(_report(work, asked), media_type=media_type, headers=_NO_CACHE)


async def _receive(
    hub: Hub, repository: Repository, user: User, asked: PushRequest, body: IO[bytes]
) -> bytes:
    # Not in turn with commits: the objects are taken in first, which can be long, and the refs
    # move under the repository's lock.
    with body:
        async with hub.turns.turn(("push", repository.id)):
            return await run_in_threadpool(pushes.receive, hub, repository, user, asked, body)


async def _report(work: "asyncio.Task[bytes]", asked: PushRequest) -> AsyncIterator[bytes]:
    """The report, and signs of life until it is there. The push goes on to its end when the client
    does not wait for it: what it changes is whole either way."""
    while True:
        done, _ = await asyncio.wait({work}, timeout=KEEP_ALIVE_SECONDS)
        if done:
            yield work.result()
            return
        if asked.has_bands:
            yield packets.KEEP_ALIVE
