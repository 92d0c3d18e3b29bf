"""Records as the JSON that stock clients read."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from graft.server.records import Commit, Entry, Kind, Repository
from graft.server.scan.scans import Scan, blob_of
from graft.server.scan.verdicts import Safety


def moment(value: datetime) -> str:
    """A point in time as clients parse it: `2026-11-21T01:14:16.623Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tags(repository: Repository) -> list[str]:
    """A repository's tags. On models, clients know a language by its bare code."""
    if repository.kind is Kind.DATASET:
        return list(repository.tags)
    return [tag.removeprefix("language:") for tag in repository.tags]


def sibling(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    """A file in a repository's information; `blobs` adds sizes and hashes."""
    fields: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        fields |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs is not None:
            fields["lfs"] = {
                "sha256": entry.lfs.sha256,
                "size": entry.lfs.size,
                "pointerSize": entry.lfs.pointer_size,
            }
    return fields


def file_security(scan: Scan) -> dict[str, Any]:
    """What was found in a file that can hold a program."""
    imports = [item for item in scan.findings if "module" in item]
    levels = [Safety(item["safety"]) for item in imports]
    worst = max(levels, key=list(Safety).index, default=Safety.INNOCUOUS)
    pickles: dict[str, Any] = {"status": scan.status, "pickleImports": imports}
    if scan.status not in ("queued", "failed"):
        pickles["highestSafetyLevel"] = worst.value
    problems = [item["problem"] for item in scan.findings if "problem" in item]
    if problems:
        pickles["message"] = problems[0]
    return {"status": scan.status, "avScan": None, "pickleImportScan": pickles}


def repository_security(files: Iterable[Entry], scans: Mapping[str, Scan]) -> dict[str, Any]:
    """Whether all files were looked at that can hold programs, and those that may do harm."""
    found = [(entry, scans[blob_of(entry)]) for entry in files if blob_of(entry) in scans]
    return {
        "scansDone": all(scan.status != "queued" for _, scan in found),
        "filesWithIssues": [
            {"path": entry.path, "level": scan.status} for entry, scan in found if scan.has_issue
        ],
    }


def tree_entry(
    entry: Entry, scan: Scan | None = None, xet_hash: str | None = None
) -> dict[str, Any]:
    """A file or folder in a tree listing, with what was found in it, and its Xet hash."""
    fields: dict[str, Any] = {
        "type": entry.type,
        "oid": entry.oid,
        "size": entry.size,
        "path": entry.path,
    }
    if entry.lfs is not None:
        fields["lfs"] = {
            "oid": entry.lfs.sha256,
            "size": entry.lfs.size,
            "pointerSize": entry.lfs.pointer_size,
        }
    if xet_hash is not None:
        fields["xetHash"] = xet_hash
    if scan is not None:
        fields["securityFileStatus"] = file_security(scan)
    if entry.last_commit is not None:
        fields["lastCommit"] = {
            "id": entry.last_commit.id,
            "title": entry.last_commit.title,
            "date": moment(entry.last_commit.date),
        }
    return fields


def commit(value: Commit) -> dict[str, Any]:
    """A commit in a history."""
    return {
        "id": value.id,
        "title": value.title,
        "message": value.message,
        "authors": [{"user": name} for name in value.authors],
        "date": moment(value.date),
    }
