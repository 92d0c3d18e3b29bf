"""Rows of the database as plain records."""

import json

from graft.server.db.tables import RepositoryRow
from graft.server.records import Kind, Repository


def to_record(row: RepositoryRow) -> Repository:
    """A repository's row as a plain value that outlives the transaction."""
    by_facet: dict[str, list[str]] = {}
    for tag in row.tags:
        by_facet.setdefault(tag.facet, []).append(tag.tag.partition(":")[2])
    return Repository(
        id=row.id,
        kind=Kind(row.kind),
        owner=row.owner.name,
        name=row.name,
        folder=row.folder,
        private=row.private,
        created_at=row.created_at,
        updated_at=row.updated_at,
        head=row.head,
        downloads=row.downloads,
        tags=tuple(tag.tag for tag in row.tags),
        task=row.task,
        library=row.library,
        license=row.license,
        languages=tuple(by_facet.get("language", ())),
        datasets=tuple(by_facet.get("dataset", ())),
        weights=json.loads(row.weights),
        size=row.size,
        card=json.loads(row.card),
    )
