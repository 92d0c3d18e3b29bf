"""The Hub as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from graft.server.api import (
    account,
    attachments,
    cas,
    changes,
    collections,
    device,
    discussions,
    gating,
    git_http,
    info,
    lfs,
    lfs_files,
    lfs_locks,
    lfs_transfer,
    likes,
    listing,
    manage,
    nameless,
    organizations,
    profiles,
    refs,
    resolve,
    tree,
    upload,
    webhooks,
    xet,
)
from graft.server.hub import Hub
from graft.server.inference import api as inference
from graft.server.mirror.mirroring import Mirror
from graft.server.records import Kind
from graft.server.repositories import recovery
from graft.server.runtime import background, health
from graft.server.runtime.requests import RequestMiddleware
from graft.server.runtime.responses import add_error_handlers
from graft.server.runtime.schema import describe_errors
from graft.server.runtime.shortcuts import Shortcuts
from graft.server.runtime.traffic import Traffic
from graft.server.settings import Settings
from graft.server.web import pages

# The narrow addresses first: `/api/{kind}` and `/{owner}/{name}` would take them all.
_API = (
    account,
    attachments,
    changes,
    device,
    webhooks,
    collections,
    discussions,
    likes,
    profiles,
    organizations,
    gating,
    manage,
    upload,
    tree,
    refs,
    xet,
    cas,
    lfs_files,
    info,
    listing,
)
_KINDS = (Kind.DATASET, Kind.MODEL)


def create_app(settings: Settings) -> FastAPI:
    """The whole Hub: API, git, large files, inference and pages.

    Raises:
        HubError: settings that cannot be used.
        OSError: a data folder that cannot be created or written to.
    """
    hub = Hub(settings)
    hub.mirror = Mirror(hub) if settings.upstream else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = app.state.traffic.threads
        await run_in_threadpool(recovery.catch_up, hub)
        workers = background.workers(hub)
        for worker in workers:
            worker.start()
        sharing = asyncio.create_task(app.state.traffic.share())
        yield
        sharing.cancel()
        if hub.mirror is not None:
            await hub.mirror.stop()
        for worker in workers:
            await run_in_threadpool(worker.stop)
        inference.close(app)
        hub.close()

    # FastAPI's own pages of documentation load their scripts from another site.
    app = FastAPI(
        title=settings.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.hub = hub
    app.state.traffic = Traffic(settings)
    app.state.readiness = health.Readiness()
    app.include_router(health.router)
    for module in _API:
        app.include_router(module.router)
    for kind in _KINDS:
        app.include_router(resolve.routes(kind))
        for lfs_module in (lfs, lfs_transfer, lfs_locks):
            app.include_router(lfs_module.routes(kind))
        app.include_router(git_http.routes(kind))
    app.include_router(nameless.routes(module.router for module in _API))
    app.include_router(inference.router)
    pages.mount(app)
    app.include_router(pages.router)
    app.state.shortcuts = Shortcuts(list(app.router.routes))
    app.router.routes.insert(0, app.state.shortcuts)
    add_error_handlers(app)
    describe_errors(app)
    app.add_middleware(RequestMiddleware, traffic=app.state.traffic)
    return app
