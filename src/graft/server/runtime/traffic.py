"""What all requests of one process share: counts, limits and the gates before hard work."""

import asyncio
import re

from starlette.concurrency import run_in_threadpool

from graft.server.runtime.limits import Gate, RateLimiter
from graft.server.runtime.metrics import Metrics, Sample
from graft.server.settings import Settings

SHARED_SECONDS = 1.0

# Each takes a process of git, or much reading and writing of repositories.
_CLONES = re.compile(r".*/git-upload-pack")
_CHANGES = re.compile(
    r".*/git-receive-pack|/api/(models|datasets)/[^/]+/[^/]+/(commit|super-squash)/.+"
    r"|/api/(models|datasets)/[^/]+/[^/]+/(duplicate|discussions/\d+/merge)"
)
_METHODS = frozenset({"POST"})


class Traffic:
    """The counts and limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics(settings.metrics_folder)
        self.limiter = RateLimiter(settings.rate_limit, settings.rate_limit_anonymous)
        self.body_seconds = settings.body_seconds
        self.clones = Gate("clones", settings.max_clones, settings.max_waiting)
        self.changes = Gate("changes", settings.max_changes, settings.max_waiting)

    def gate_of(self, method: str, path: str) -> Gate | None:
        """The gate before what is asked for; None: it is quick."""
        if method not in _METHODS:
            return None
        if _CHANGES.fullmatch(path):
            return self.changes
        return self.clones if _CLONES.fullmatch(path) else None

    async def share(self) -> None:
        """Leaves the counts every second for the other processes, until it is cancelled."""
        while self.metrics.is_shared:
            await asyncio.sleep(SHARED_SECONDS)
            await run_in_threadpool(self.metrics.save)

    def samples(self) -> list[Sample]:
        """How many wait at each gate."""
        text = "Requests that wait until others end."
        return [
            Sample("graft_waiting_requests", gate.waiting, text, (("kind", gate.name),))
            for gate in (self.clones, self.changes)
        ]
