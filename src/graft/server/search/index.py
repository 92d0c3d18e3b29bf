"""Writing what a repository says about itself into the tables that lists and searches read."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from graft.server.conversion import candidates
from graft.server.db.tables import (
    BaseModelRow,
    ContentsRow,
    EvaluationRow,
    RepositoryRow,
    TagRow,
)
from graft.server.records import Kind
from graft.server.scan import scans
from graft.server.search import text
from graft.server.search.describe import MAX_COUNT, Description, Facts


def write(session: Session, row: RepositoryRow, description: Description) -> None:
    """Replaces all that is known about the repository's content."""
    if row.head != description.head:
        row.head = description.head
        row.updated_at = datetime.now(UTC)
    row.card = _json(description.card)
    row.task = description.task
    row.library = description.library
    row.license = description.license
    row.size = description.size
    row.weights = _json(description.weights)
    row.parameters = min(sum(description.weights.values()), MAX_COUNT) or None
    row.tag_list = _json(list(description.tags))
    session.flush()
    _replace(session, TagRow, row.id, _tags(row, description))
    _replace(session, BaseModelRow, row.id, _bases(description))
    _replace(session, EvaluationRow, row.id, _evaluations(description))
    _replace(session, ContentsRow, row.id, [_contents(description)])
    looked_at = (f for f in description.files if scans.is_looked_at(f[0]) and f[1] > 0)
    scans.enqueue(session, row.id, (f[3] or f[2] for f in looked_at))
    if row.kind == Kind.MODEL.value:
        candidates.enqueue(session, row.id, {f[0]: f[3] or f[2] for f in description.files})
    name = f"{row.owner.name}/{row.name}"
    text.write(session, row.id, name, (" ".join(description.tags), description.body))
    session.expire(row, ["tags"])


def known_facts(session: Session, repository_id: int) -> dict[str, Facts]:
    """What was read out of the files of a repository before, by blob: `describe` takes it, and does
    not read the same bytes again."""
    kept = session.scalar(
        select(ContentsRow.facts).where(ContentsRow.repository_id == repository_id)
    )
    facts: dict[str, Facts] = json.loads(kept) if kept else {}
    return facts


def remove(session: Session, repository_id: int) -> None:
    """Forgets a repository's words: no key of the database binds them to it."""
    text.remove(session, repository_id)


def _replace(session: Session, table: Any, repository_id: int, rows: list[dict[str, Any]]) -> None:
    session.execute(delete(table).where(table.repository_id == repository_id))
    if rows:
        session.execute(insert(table), [{"repository_id": repository_id, **row} for row in rows])


def _tags(row: RepositoryRow, description: Description) -> list[dict[str, Any]]:
    return [
        {"kind": row.kind, "tag": tag, "facet": facet} for tag, facet in description.tags.items()
    ]


def _bases(description: Description) -> list[dict[str, Any]]:
    return [
        {"base_key": base.name.lower(), "base_name": base.name, "relation": base.relation}
        for base in description.bases
    ]


def _evaluations(description: Description) -> list[dict[str, Any]]:
    return [
        {
            "dataset_key": result.dataset.lower(),
            "task_id": result.task_id,
            "value": result.value,
            "filename": result.filename,
            "details": _json(result.details),
        }
        for result in description.results
    ]


def _contents(description: Description) -> dict[str, Any]:
    return {
        "head": description.head,
        "files": _json(description.files),
        "facts": _json(description.facts),
        "about": _json(description.about),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
