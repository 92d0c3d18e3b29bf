"""Writing what a repository says about itself into the tables that lists and searches read."""

import json
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from graft.server.db.tables import RepositoryRow, TagRow
from graft.server.search.describe import MAX_COUNT, Description

MAX_BODY_CHARACTERS = 200_000


def write(session: Session, row: RepositoryRow, description: Description) -> None:
    """Replaces all that is known about the repository's content."""
    if row.head != description.head:
        row.head = description.head
        row.updated_at = datetime.now(UTC)
    row.card = json.dumps(description.card, ensure_ascii=False)
    row.task = description.task
    row.library = description.library
    row.license = description.license
    row.size = description.size
    row.weights = json.dumps(description.weights)
    row.parameters = min(sum(description.weights.values()), MAX_COUNT) or None
    row.tags = []
    session.flush()  # the old tags go before the same ones come back
    row.tags = [TagRow(tag=tag, facet=facet) for tag, facet in description.tags.items()]
    session.flush()
    _write_text(session, row, description)


def remove(session: Session, repository_id: int) -> None:
    """Forgets a repository's words."""
    session.execute(text("DELETE FROM repository_search WHERE rowid = :id"), {"id": repository_id})


def _write_text(session: Session, row: RepositoryRow, description: Description) -> None:
    remove(session, row.id)
    session.execute(
        text(
            "INSERT INTO repository_search (rowid, name, tags, body) "
            "VALUES (:id, :name, :tags, :body)"
        ),
        {
            "id": row.id,
            "name": f"{row.owner.name}/{row.name}",
            "tags": " ".join(description.tags),
            "body": description.body[:MAX_BODY_CHARACTERS],
        },
    )
