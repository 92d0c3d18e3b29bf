"""Which blobs were looked at and what was found; each is looked at once, in the background."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from graft.errors import HubError
from graft.server.db.database import insert_into
from graft.server.db.tables import ObjectRow, RepositoryRow, ScanRow
from graft.server.errors import EntryNotFoundError
from graft.server.git import repository as git
from graft.server.hub import Hub
from graft.server.records import Entry
from graft.server.scan.containers import SUFFIXES, walk_file
from graft.server.scan.pickles import TooLongError
from graft.server.scan.secrets import Secret
from graft.server.scan.verdicts import Safety, judge

RULES = 2
"""The version of the rules: what was looked at by older ones is looked at again."""
NO_RULES = 0
"""In place of a version: of a blob that holds secrets, and that nobody took for a pickle yet."""
SHA256_LENGTH = 64
QUERY_BLOBS = 500
MAX_KEPT = 200
"""Imports of one blob that are kept; the most dangerous come first."""
_BROKEN_ARCHIVE = "The archive cannot be read as a whole: nobody knows what lies in it."
CLAIM = timedelta(minutes=10)
"""How long one worker has for a blob before another one takes it up."""
_STATUS = {Safety.INNOCUOUS: "safe", Safety.SUSPICIOUS: "suspicious", Safety.DANGEROUS: "unsafe"}
_LEVELS = list(_STATUS)
_ISSUELESS = (_STATUS[Safety.INNOCUOUS], "failed")


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
        if self.status != "unsafe" and _secrets_in(self.findings):
            return "This file seems to hold secrets."
        found = {item.get("safety") for item in self.findings}
        if self.status == "unsafe":
            what = "A pickle with harmful imports"
        elif Safety.SUSPICIOUS.value in found:
            what = "A pickle with imports that nobody knows"
        else:
            what = "A file that could not be looked through"
        return f"{what}: loading it can run programs."


def blob_of(entry: Entry) -> str:
    """What names a file's bytes: the SHA-256 of a large one, git's id of another."""
    return entry.lfs.sha256 if entry.lfs else entry.oid


def is_looked_at(path: str) -> bool:
    """Whether loaders may give a file of this name to `pickle`."""
    return path.lower().endswith(SUFFIXES)


def enqueue(session: Session, repository_id: int, blobs: Iterable[str]) -> None:
    """Has blobs looked at that were not yet, or only by older rules."""
    wanted = set(blobs)
    known = {
        blob: version
        for part in _parts(wanted)
        for blob, version in session.execute(select(ScanRow.blob, ScanRow.version).where(part))
    }
    # Those alone: whoever commits one of these files, too, waits for this commit.
    for row in _rows(session, [blob for blob, version in known.items() if version != RULES]):
        row.status, row.version, row.claimed_at = "queued", RULES, None
        row.findings = json.dumps(_secrets_in(json.loads(row.findings)))
        row.repository_id = repository_id
    fresh = {"status": "queued", "findings": "[]", "version": RULES, "repository_id": repository_id}
    _insert(session, [{"blob": blob, **fresh} for blob in sorted(wanted - known.keys())])


def mark_secrets(
    session: Session, repository_id: int, secrets: Mapping[str, Sequence[Secret]]
) -> None:
    """Keeps that blobs hold what looks like secrets, beside what is known of their pickles; the
    secrets themselves are kept nowhere. Nothing, where the repository was deleted meanwhile."""
    if session.get(RepositoryRow, repository_id) is None:
        return
    suspicious = _STATUS[Safety.SUSPICIOUS]
    fresh = {"status": suspicious, "findings": "[]", "version": NO_RULES}
    fresh_rows = [{"blob": b, "repository_id": repository_id, **fresh} for b in sorted(secrets)]
    _insert(session, fresh_rows)
    for row in _rows(session, secrets):
        told = [{"secret": item.kind, "line": item.line} for item in secrets[row.blob]]
        if row.status in _ISSUELESS:
            row.status = suspicious
        others = [item for item in json.loads(row.findings) if "secret" not in item]
        row.findings = json.dumps([*told, *others])


def _insert(session: Session, rows: list[dict[str, Any]]) -> None:
    """Adds rows of blobs that nothing is kept of; others may do so at the same moment."""
    if rows:
        adding = insert_into(session, ScanRow).on_conflict_do_nothing(index_elements=["blob"])
        session.execute(adding, rows)


def _rows(session: Session, blobs: Iterable[str]) -> Iterator[ScanRow]:
    """What is kept of blobs; who else changes it waits. In order: of two who wait for each other
    PostgreSQL ends one."""
    for part in _parts(blobs):
        query = select(ScanRow).where(part).order_by(ScanRow.blob)
        yield from session.scalars(query.with_for_update())


def _parts(blobs: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Conditions for the rows of blobs, each of as many as one query takes."""
    wanted = sorted(set(blobs))
    for start in range(0, len(wanted), QUERY_BLOBS):
        yield ScanRow.blob.in_(wanted[start : start + QUERY_BLOBS])


def _secrets_in(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in findings if "secret" in item]


def scans(session: Session, blobs: Iterable[str]) -> dict[str, Scan]:
    """What is known of blobs."""
    columns = select(ScanRow.blob, ScanRow.status, ScanRow.findings)
    return {
        blob: Scan(status, json.loads(findings))
        for part in _parts(blobs)
        for blob, status, findings in session.execute(columns.where(part))
    }


def work(hub: Hub) -> bool:
    """Looks at one blob that waits; False where none does."""
    found = _claim(hub)
    if found is None:
        return False
    blob, folder = found
    status, findings = _look(hub, blob, folder)
    with hub.database.writing() as session:
        for row in _rows(session, [blob]):
            secrets = _secrets_in(json.loads(row.findings))
            if secrets and status in _ISSUELESS:
                status = _STATUS[Safety.SUSPICIOUS]
            row.status, row.findings = status, json.dumps([*secrets, *findings])
            row.claimed_at = None
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
        walk = walk_file(read_part, size)
    except TooLongError as error:
        found = _judged(error.imports)
        return _worst(found, Safety.SUSPICIOUS), [*found, {"problem": str(error)}]
    except (HubError, OSError) as error:  # the bytes cannot be read now
        return "failed", [{"problem": str(error)}]
    found = _judged(walk.imports)
    if not walk.is_whole:
        return _worst(found, Safety.SUSPICIOUS), [*found, {"problem": _BROKEN_ARCHIVE}]
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
