"""Counting downloads: one per person and repository within a few minutes, not one per file."""

from collections import OrderedDict
from threading import Lock
from time import monotonic

WINDOW_SECONDS = 300.0
REMEMBERED = 10_000


class DownloadCounter:
    """Remembers who fetched from which repository lately, for as many as fit in memory."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, str], float] = OrderedDict()
        self._lock = Lock()

    def is_new(self, repository_id: int, who: str) -> bool:
        """Whether a fetch by `who` (an account or an address) begins a new download."""
        now = monotonic()
        key = (repository_id, who)
        with self._lock:
            seen = self._seen.pop(key, None)
            self._seen[key] = now
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return seen is None or now - seen > WINDOW_SECONDS
