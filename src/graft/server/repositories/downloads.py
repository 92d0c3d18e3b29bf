"""Counting downloads: one per person and repository within a few minutes, not one per file."""

import hashlib
import random
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic

from sqlalchemy import delete
from sqlalchemy.orm import Session

from graft.server.db.tables import DownloadRow

WINDOW_SECONDS = 300.0
REMEMBERED = 10_000
CLEANINGS = 0.02
"""How often noting a download also deletes what is too old: once in fifty times."""


class DownloadCounter:
    """Remembers who fetched from which repository lately: in memory, so that most fetches ask no
    database, and in the database for the other processes of the Hub."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, str], float] = OrderedDict()
        self._lock = Lock()

    def is_new(self, repository_id: int, who: str) -> bool:
        """Whether a fetch by `who` (an account or an address) may begin a new download: this
        process saw none lately."""
        now = monotonic()
        key = (repository_id, who)
        with self._lock:
            seen = self._seen.pop(key, None)
            self._seen[key] = now
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return seen is None or now - seen > WINDOW_SECONDS

    def note(self, session: Session, repository_id: int, who: str) -> bool:
        """Notes the fetch for other processes; whether none of them has seen one lately."""
        now = datetime.now(UTC)
        oldest = now - timedelta(seconds=WINDOW_SECONDS)
        if random.random() < CLEANINGS:
            session.execute(delete(DownloadRow).where(DownloadRow.at < oldest))
        digest = hashlib.blake2b(who.encode(), digest_size=16).digest()
        row = session.get(DownloadRow, (repository_id, digest))
        if row is not None and row.at >= oldest:
            return False
        if row is None:
            session.add(DownloadRow(repository_id=repository_id, who=digest, at=now))
        else:
            row.at = now
        session.flush()
        return True
