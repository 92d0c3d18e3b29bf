"""Records as the JSON that stock clients read."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from graft.server.records import Commit, Entry, Kind, Repository


def moment(value: datetime) -> str:
    """A point in time as clients parse it: `2026-11-21T01:14:16.623Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tags(repository: Repository) -> list[str]:
    """A repository's tags. On models, clients know a language by its bare code."""
    if repository.kind is Kind.DATASET:
        return list(repository.tags)
    return [tag.removeprefix("language:") for tag in repository.tags]


def summary(repository: Repository) -> dict[str, Any]:
    """What a list says about each repository."""
    fields: dict[str, Any] = {
        "_id": f"{repository.id:024x}",
        "id": repository.full_name,
        "author": repository.owner,
        "sha": repository.head,
        "lastModified": moment(repository.updated_at),
        "createdAt": moment(repository.created_at),
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "downloads": repository.downloads,
        "likes": 0,
        "tags": tags(repository),
    }
    if repository.kind is Kind.MODEL:
        fields["modelId"] = repository.full_name
        if repository.task:
            fields["pipeline_tag"] = repository.task
        if repository.library:
            fields["library_name"] = repository.library
    return fields


def details(repository: Repository) -> dict[str, Any]:
    """What is known about one repository's newest content, beside the summary."""
    fields: dict[str, Any] = {
        "downloadsAllTime": repository.downloads,
        "trendingScore": 0,
        "cardData": repository.card,
        "usedStorage": repository.size,
    }
    if repository.kind is Kind.DATASET:
        return fields
    if repository.parameters:
        fields["safetensors"] = {
            "parameters": repository.weights,
            "total": repository.parameters,
        }
    if "model-index" in repository.card:
        fields["model-index"] = repository.card["model-index"]
    if "widget" in repository.card:
        fields["widgetData"] = repository.card["widget"]
    base = repository.card.get("base_model")
    if base:
        fields["baseModels"] = base if isinstance(base, list) else [base]
    return fields


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


def siblings(entries: Iterable[Entry], *, blobs: bool = False) -> list[dict[str, Any]]:
    """All files in a repository's information."""
    return [sibling(entry, blobs=blobs) for entry in entries if entry.is_file]


def tree_entry(entry: Entry) -> dict[str, Any]:
    """A file or folder in a tree listing."""
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
