"""Which blobs were looked at and what was found; each is looked at once, in the background."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from graft.errors import HubError
from graft.server.db.tables import ObjectRow, RepositoryRow, ScanRow
from graft.server.errors import EntryNotFoundError
from graft.server.git import repository as git
from graft.server.hub import Hub
from graft.server.records import Entry
from graft.server.scan.containers import SUFFIXES, walk_file
from graft.server.scan.pickles import TooLongError
from graft.server.scan.secrets import Secret
from graft.server.scan.verdicts import Safety, judge

RULES = 1
"""The version of the rules: what was looked at by older ones is looked at again."""
SHA256_LENGTH = 64
QUERY_BLOBS = 500
MAX_KEPT = 200
"""Imports of one blob that are kept; the most dangerous come first."""
CLAIM = timedelta(minutes=10)
"""How long one worker has for a blob before another one takes it up."""
_STATUS = {Safety.INNOCUOUS: "safe", Safety.SUSPICIOUS: "suspicious", Safety.DANGEROUS: "unsafe"}
_LEVELS = list(_STATUS)


@dataclass(frozen=True)
class Scan:
    """What is known of one blob: `status` is queued, safe, suspicious, unsafe or failed."""

    status: str
    findings: list[dict[str, Any]]

    @property
    def has_issue(self) -> bool:
        return self.status in ("suspicious", "unsafe")

    @property
    def summary(self) -> str:
        """What is wrong, in a sentence."""
        if any("secret" in item for item in self.findings):
            return "This file seems to hold secrets."
        imports = "harmful imports" if self.status == "unsafe" else "imports that nobody knows"
        return f"A pickle with {imports}: loading it can run programs."


def blob_of(entry: Entry) -> str:
    """What names a file's bytes: the SHA-256 of a large one, git's id of another."""
    return entry.lfs.sha256 if entry.lfs else entry.oid


def is_looked_at(path: str) -> bool:
    """Whether loaders may give a file of this name to `pickle`."""
    return path.lower().endswith(SUFFIXES)


def enqueue(session: Session, repository_id: int, blobs: Iterable[str]) -> None:
    """Has blobs looked at that were not yet, or only by older rules."""
    wanted = set(blobs)
    if not wanted:
        return
    known = session.execute(
        select(ScanRow.blob).where(ScanRow.blob.in_(wanted), ScanRow.version == RULES)
    ).scalars()
    waiting = sorted(wanted.difference(known))
    if waiting:
        session.execute(delete(ScanRow).where(ScanRow.blob.in_(waiting)))
        row = {
            "status": "queued",
            "findings": "[]",
            "version": RULES,
            "repository_id": repository_id,
        }
        session.execute(insert(ScanRow), [{"blob": blob, **row} for blob in waiting])


def mark_secrets(
    session: Session, repository_id: int, secrets: Mapping[str, Sequence[Secret]]
) -> None:
    """Keeps that blobs hold what looks like secrets; the secrets themselves are kept nowhere."""
    session.execute(delete(ScanRow).where(ScanRow.blob.in_(secrets)))
    rows = [
        {
            "blob": blob,
            "status": "suspicious",
            "findings": json.dumps([{"secret": item.kind, "line": item.line} for item in found]),
            "version": RULES,
            "repository_id": repository_id,
        }
        for blob, found in secrets.items()
    ]
    session.execute(insert(ScanRow), rows)


def scans(session: Session, blobs: Iterable[str]) -> dict[str, Scan]:
    """What is known of blobs."""
    wanted = list(set(blobs))
    found = {}
    for start in range(0, len(wanted), QUERY_BLOBS):
        part = wanted[start : start + QUERY_BLOBS]
        columns = select(ScanRow.blob, ScanRow.status, ScanRow.findings)
        for blob, status, findings in session.execute(columns.where(ScanRow.blob.in_(part))):
            found[blob] = Scan(status, json.loads(findings))
    return found


def work(hub: Hub) -> bool:
    """Looks at one blob that waits; False where none does."""
    found = _claim(hub)
    if found is None:
        return False
    blob, folder = found
    status, findings = _look(hub, blob, folder)
    with hub.database.writing() as session:
        session.execute(
            update(ScanRow)
            .where(ScanRow.blob == blob)
            .values(status=status, findings=json.dumps(findings), claimed_at=None)
        )
    return True


def _claim(hub: Hub) -> tuple[str, str | None] | None:
    now = datetime.now(UTC)
    waits = or_(ScanRow.claimed_at.is_(None), ScanRow.claimed_at < now - CLAIM)
    oldest = select(ScanRow.blob).where(ScanRow.status == "queued", waits).limit(1)
    with hub.database.reading() as session:  # most of the time nothing waits
        if session.scalar(oldest) is None:
            return None
    with hub.database.writing() as session:
        blob = session.scalar(oldest.with_for_update(skip_locked=True))
        if blob is None:
            return None
        session.execute(update(ScanRow).where(ScanRow.blob == blob).values(claimed_at=now))
        folder = session.scalar(
            select(RepositoryRow.folder)
            .join(ScanRow, ScanRow.repository_id == RepositoryRow.id)
            .where(ScanRow.blob == blob)
        )
    return blob, folder


def _look(hub: Hub, blob: str, folder: str | None) -> tuple[str, list[dict[str, Any]]]:
    try:
        read_part, size = _opened(hub, blob, folder)
        imports = walk_file(read_part, size).imports
    except TooLongError as error:
        found = _judged(error.imports)
        return _worst(found, Safety.SUSPICIOUS), [*found, {"problem": str(error)}]
    except (HubError, OSError) as error:  # the bytes cannot be read now
        return "failed", [{"problem": str(error)}]
    found = _judged(imports)
    return _worst(found, Safety.INNOCUOUS), found


def _opened(hub: Hub, blob: str, folder: str | None) -> tuple[Callable[[int, int], bytes], int]:
    """What reads parts of a blob, and its size."""
    if len(blob) == SHA256_LENGTH:
        with hub.database.reading() as session:
            size = session.scalar(select(ObjectRow.size).where(ObjectRow.sha256 == blob))
        if size is None:
            raise EntryNotFoundError("The object is not stored any more.")
        return lambda start, length: hub.content.read(blob, start, length), size
    if folder is None:
        raise EntryNotFoundError("The repository is not there any more.")
    opened = git.open_repository(hub.settings.repositories_folder / folder)
    try:
        data = git.read_blob(opened, blob)
    except (KeyError, ValueError, TypeError) as error:
        raise EntryNotFoundError("The file is not there any more.") from error
    return lambda start, length: data[start : start + length], len(data)


def _judged(imports: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """The imports, the most dangerous first."""
    found = [(judge(module, name), module, name) for module, name in imports]
    found.sort(key=lambda item: -_LEVELS.index(item[0]))
    return [{"module": m, "name": n, "safety": safety.value} for safety, m, n in found[:MAX_KEPT]]


def _worst(found: list[dict[str, Any]], least: Safety) -> str:
    levels = [Safety(item["safety"]) for item in found]
    return _STATUS[max([least, *levels], key=_LEVELS.index)]
