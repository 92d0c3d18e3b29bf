"""What a Hub does when it starts: it finishes what a stop of the machine cut in two.

Only repositories that were being changed just then are looked at, so that starting takes no longer
with more of them.
"""

import logging

from sqlalchemy import select

from graft.server.db.tables import RepositoryRow
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.repositories import refchanges
from graft.server.rows import to_record

logger = logging.getLogger("graft.server")


def catch_up(hub: Hub) -> None:
    """Finishes changes of refs that were begun and not ended; others may be serving meanwhile."""
    for repository_id in refchanges.unfinished(hub):
        try:
            repository = _find(hub, repository_id)
            if repository is None:
                refchanges.forget_notes(hub, repository_id)
                continue
            with refchanges.locked(hub, repository):
                pass  # taking the lock is what finishes the change
        except Exception:  # one damaged repository must not keep the Hub from starting
            logger.exception("The repository number %s cannot be read", repository_id)


def _find(hub: Hub, repository_id: int) -> Repository | None:
    with hub.database.reading() as session:
        row = session.scalar(select(RepositoryRow).where(RepositoryRow.id == repository_id))
        return to_record(row) if row is not None else None
