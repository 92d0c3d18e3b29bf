"""For those who look after a Hub: whether it lives, whether it can work, and what it counts."""

import asyncio
import hmac
import ipaddress
import logging
import shutil
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from graft.server.db.tables import AccountRow, ObjectRow, RepositoryRow
from graft.server.errors import NotAllowedError
from graft.server.hub import Hub
from graft.server.people.auth import CurrentHub, address_of
from graft.server.records import Kind
from graft.server.runtime.metrics import CONTENT_TYPE, Sample
from graft.server.runtime.traffic import Traffic

router = APIRouter(tags=["operation"])
logger = logging.getLogger("graft.server")

CHECK_SECONDS = 10.0
"""How long a part may take to answer before it counts as away."""
REMEMBERED_SECONDS = 1.0
SIZES_SECONDS = 60.0
"""How old the sizes in the metrics may be: counting rows takes a while."""


@router.get("/healthz", include_in_schema=False)
async def health() -> Response:
    """That the process lives and answers; whether it can work is another question."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


@router.get("/readyz", include_in_schema=False)
async def ready(request: Request, hub: CurrentHub) -> JSONResponse:
    """Whether requests can be answered: 200, or 503 and what is missing."""
    problems = await readiness_of(request).problems(hub)
    content = {"ready": not problems, "problems": problems}
    headers = {"Cache-Control": "no-store"}
    return JSONResponse(content, status_code=503 if problems else 200, headers=headers)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, hub: CurrentHub) -> Response:
    """Everything counted, as Prometheus reads it."""
    _check_may_look(request, hub)
    traffic: Traffic = request.app.state.traffic
    sizes = await run_in_threadpool(readiness_of(request).sizes, hub)
    text = await run_in_threadpool(traffic.metrics.render, [*traffic.samples(), *sizes])
    return Response(text, media_type=CONTENT_TYPE)


def readiness_of(request: Request) -> "Readiness":
    """What this process found out last."""
    readiness: Readiness = request.app.state.readiness
    return readiness


class Readiness:
    """Finds out whether database, storage and disk can be worked with, at most once a second
    however many ask; and what the Hub holds, at most once a minute."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._lock = asyncio.Lock()
        self._problems: dict[str, str] = {}
        self._checked = float("-inf")
        self._sizes: list[Sample] = []
        self._counted = float("-inf")

    async def problems(self, hub: Hub) -> dict[str, str]:
        """What keeps this process from answering requests, by part; empty: nothing."""
        if self.is_stopping:
            return {"process": "It is stopping: send requests elsewhere."}
        async with self._lock:
            if time.monotonic() - self._checked > REMEMBERED_SECONDS:
                self._problems = await _find_problems(hub)
                self._checked = time.monotonic()
        return self._problems

    def sizes(self, hub: Hub) -> list[Sample]:
        """How much the Hub holds."""
        if time.monotonic() - self._counted > SIZES_SECONDS:
            self._counted = time.monotonic()
            self._sizes = _sizes(hub)
        return self._sizes


async def _find_problems(hub: Hub) -> dict[str, str]:
    checks = {
        "database": run_in_threadpool(hub.database.check),
        "storage": run_in_threadpool(hub.content.blobs.check),
        "disk": run_in_threadpool(_check_disk, hub),
    }
    waited = (asyncio.wait_for(check, CHECK_SECONDS) for check in checks.values())
    results = await asyncio.gather(*waited, return_exceptions=True)
    found = {
        name: result
        for name, result in zip(checks, results, strict=True)
        if isinstance(result, BaseException)
    }
    for name, error in found.items():
        logger.warning("Not ready: %s: %s", name, str(error) or type(error).__name__)
    return {name: _in_words(error) for name, error in found.items()}


def _check_disk(hub: Hub) -> None:
    free = shutil.disk_usage(hub.settings.data_folder).free
    if free < hub.settings.min_free_bytes:
        raise OSError(f"{free} bytes are free; GRAFT_MIN_FREE_BYTES asks for more.")


def _in_words(error: BaseException) -> str:
    """What everybody may read: no addresses, which an error's own text may hold."""
    if isinstance(error, TimeoutError):
        return f"It gave no answer within {CHECK_SECONDS:.0f} seconds."
    if isinstance(error, OSError) and error.errno is None:
        return str(error)
    return f"It does not answer ({type(error).__name__}); the log says more."


def _sizes(hub: Hub) -> list[Sample]:
    repository = RepositoryRow
    with hub.database.reading() as session:
        counted = session.execute(
            select(repository.kind, func.count()).group_by(repository.kind)
        ).all()
        accounts = session.scalar(select(func.count()).select_from(AccountRow)) or 0
        count, size = session.execute(
            select(func.count(), func.coalesce(func.sum(ObjectRow.size), 0))
        ).one()
    numbers = {kind.value: 0 for kind in Kind} | {str(kind): n for kind, n in counted}
    samples = [
        Sample("graft_repositories", number, "Repositories, by kind.", (("kind", kind),))
        for kind, number in sorted(numbers.items())
    ]
    free = shutil.disk_usage(hub.settings.data_folder).free
    return [
        *samples,
        Sample("graft_accounts", accounts, "Accounts and organizations."),
        Sample("graft_large_files", count, "Large files that are stored."),
        Sample("graft_large_file_bytes", int(size), "Their bytes, before equal parts are shared."),
        Sample("graft_free_bytes", free, "Space left in the data folder."),
    ]


def _check_may_look(request: Request, hub: Hub) -> None:
    """
    Raises:
        NotAllowedError: the token is missing or wrong, or the asker is on another machine.
    """
    token = hub.settings.metrics_token
    if token:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise NotAllowedError("The metrics need the token that GRAFT_METRICS_TOKEN holds.")
    elif "x-forwarded-for" in request.headers or not _is_here(request):
        raise NotAllowedError(
            "The metrics are for who asks from the Hub's own machine; to read them from elsewhere, "
            "set GRAFT_METRICS_TOKEN and send it as a Bearer token."
        )


def _is_here(request: Request) -> bool:
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False
