"""What all requests of one process share: counts, limits and the gates before hard work."""

import asyncio
import re

from starlette.concurrency import run_in_threadpool

from graft.server.mirror.asking import MOST_WAITING
from graft.server.runtime.limits import Gate, RateLimiter
from graft.server.runtime.metrics import Metrics, Sample
from graft.server.settings import Settings

SHARED_SECONDS = 1.0

THREADS = 40
"""For all that is quick; hard work has threads beside these, so that it cannot take them all."""

_API = r"/api/(models|datasets)/[^/]+/[^/]+/"
_PAGE = r"/(datasets/)?[^/]+/[^/]+/"
# Each takes a process of git, or much reading and writing of repositories.
_CLONES = re.compile(r".*/git-upload-pack")
_CHANGES = re.compile(
    rf".*/git-receive-pack|{_API}(commit|super-squash|branch|tag)/.+|/api/repos/(move|delete)"
    rf"|{_API}(duplicate|lfs-files/batch|discussions|discussions/\d+/merge)"
    rf"|{_PAGE}discussions/(new|\d+/merge)"
)
# Each looks through a history, or compares many files.
_QUESTIONS = re.compile(
    rf"{_API}((compare|commit|commits|blame)/.+|lfs-files|discussions/\d+)"
    rf"|{_PAGE}((compare|commit|commits|blame|tree)/.+|discussions/\d+(/files)?)"
)
# Each asks after single files, mostly at once, where a long history does not have to be searched.
_LOOKUPS = re.compile(rf"{_API}paths-info/.+")
LOOKUPS_AT_ONCE = 16
# Each hashes a password, which takes 64 MiB and much of a core.
_LOGINS = re.compile(r"/(login|join|settings/password)")
LOGINS_AT_ONCE = 8
_LISTS = re.compile(rf"{_API}tree/.+")
_WITH_COMMITS = b"expand="
_ASKING = frozenset({"GET", "HEAD", "POST"})
_CHANGING = frozenset({"POST", "DELETE"})


class Traffic:
    """The counts and limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics(settings.metrics_folder)
        self.limiter = RateLimiter(settings.rate_limit, settings.rate_limit_anonymous)
        self.body_seconds = settings.body_seconds
        self.clones = Gate("clones", settings.max_clones, settings.max_waiting)
        self.changes = Gate("changes", settings.max_changes, settings.max_waiting)
        self.questions = Gate("questions", settings.max_questions, settings.max_waiting)
        self.logins = Gate("logins", LOGINS_AT_ONCE, settings.max_waiting)
        self.lookups = Gate("lookups", LOOKUPS_AT_ONCE, settings.max_waiting)
        waiting = MOST_WAITING if settings.upstream else 0
        hard = settings.max_changes + settings.max_questions + LOGINS_AT_ONCE + LOOKUPS_AT_ONCE
        self.threads = THREADS + hard + waiting
        """How many requests may block a thread at a time."""

    def gate_of(self, method: str, path: str, query: bytes = b"") -> Gate | None:
        """The gate before what is asked for; None: it is quick."""
        if method in _CHANGING and _CHANGES.fullmatch(path):
            return self.changes
        if method == "POST" and _CLONES.fullmatch(path):
            return self.clones
        if method in _ASKING and _QUESTIONS.fullmatch(path):
            return self.questions
        if method == "POST" and _LOOKUPS.fullmatch(path):
            return self.lookups
        if method == "POST" and _LOGINS.fullmatch(path):
            return self.logins
        is_long_list = _WITH_COMMITS in query and _LISTS.fullmatch(path)
        return self.questions if is_long_list else None

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
            for gate in (self.clones, self.changes, self.questions, self.lookups, self.logins)
        ]
