"""Which repositories hold their weights as pickles only."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from graft.server.conversion.names import INDEX, is_weights
from graft.server.db.tables import ConversionRow


def weights_of(files: Iterable[str]) -> list[str]:
    """The files at the top that are to be converted, the index of shards among them; none where
    there are safetensors already."""
    top = [path for path in files if "/" not in path]
    if any(path.endswith(".safetensors") for path in top):
        return []
    found = [path for path in top if is_weights(path)]
    return [*found, INDEX] if found and INDEX in top else found


def enqueue(session: Session, repository_id: int, files: Mapping[str, Any]) -> None:
    """Has a repository's weights converted, where that was not tried with the same ones; a pull
    request that was opened for them is put on top of what has just been committed.

    Args:
        files: path -> blob of all files.
    """
    named = weights_of(files)
    if not named:
        return
    listed = "\n".join(f"{path} {files[path]}" for path in named)
    weights = hashlib.sha256(listed.encode()).hexdigest()
    tried = session.scalar(
        select(ConversionRow.weights).where(ConversionRow.repository_id == repository_id)
    )
    if tried != weights:
        session.execute(delete(ConversionRow).where(ConversionRow.repository_id == repository_id))
        row = {"repository_id": repository_id, "weights": weights}
        session.execute(insert(ConversionRow), [{**row, "status": "queued", "detail": ""}])
        return
    session.execute(
        update(ConversionRow)
        .where(ConversionRow.repository_id == repository_id, ConversionRow.status == "done")
        .values(status="queued")
    )
