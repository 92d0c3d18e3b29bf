"""What a Hub does when it starts: it finishes what a stop of the machine cut in two."""

import logging

from sqlalchemy import select

from graft.server import identity, links, repos
from graft.server.db.tables import RepositoryRow
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.rows import to_record

logger = logging.getLogger("graft.server")


def catch_up(hub: Hub) -> None:
    """Reads into the tables what a stop of the machine kept from getting there: every repository
    whose `main` is another commit than its row says."""
    with hub.database.reading() as session:
        rows = session.execute(select(RepositoryRow, RepositoryRow.owner_id))
        known = [(to_record(row), owner_id) for row, owner_id in rows]
    for repository, owner_id in known:
        try:
            if repos.snapshot(hub, repository).id != repository.head:
                _relink(hub, repository, owner_id)
                repos.reindex(hub, repository)
        except Exception:  # one damaged repository must not keep the Hub from starting
            logger.exception("%s cannot be read", repository.full_name)


def _relink(hub: Hub, repository: Repository, owner_id: int) -> None:
    """Gives the repository the objects that its newest commit names and its owner may use."""
    entries = repos.snapshot(hub, repository).entries(recursive=True)
    with hub.database.writing() as session:
        owner = identity.again(session, owner_id, None)
        if owner is None:
            return
        for sha256 in {entry.lfs.sha256 for entry in entries if entry.lfs is not None}:
            if links.size_for(session, owner, sha256) is not None:
                links.link(session, repository.id, sha256)
