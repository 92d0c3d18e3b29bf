"""Everything about one repository at one revision."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from graft.server import large, repos
from graft.server.api import wire
from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.auth import CurrentHub
from graft.server.errors import EntryNotFoundError
from graft.server.git.repository import DEFAULT_BRANCH
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.search.describe import read_config

router = APIRouter()

Expand = Annotated[list[str] | None, Query()]


@router.get(REPOSITORY)
def info(
    repository: PathRepository, hub: CurrentHub, blobs: bool = False, expand: Expand = None
) -> dict[str, Any]:
    """The repository at the newest commit of `main`."""
    return _info(hub, repository, DEFAULT_BRANCH, blobs, expand)


@router.get(f"{REPOSITORY}/revision/{{revision:path}}")
def info_at_revision(
    revision: str,
    repository: PathRepository,
    hub: CurrentHub,
    blobs: bool = False,
    expand: Expand = None,
) -> dict[str, Any]:
    """The repository at a branch, tag or commit."""
    return _info(hub, repository, revision, blobs, expand)


def brief_config(hub: Hub, repository: Repository, snapshot: Snapshot) -> dict[str, Any]:
    """The model's `config.json`, as far as clients ask for it; empty where there is none."""
    try:
        entry = snapshot.entry("config.json")
    except EntryNotFoundError:
        return {}
    config = read_config(entry, large.reader(hub, repository.id, snapshot))
    return {key: config[key] for key in ("architectures", "model_type") if key in config}


def _info(
    hub: Hub, repository: Repository, revision: str, blobs: bool, expand: list[str] | None
) -> dict[str, Any]:
    snapshot = repos.snapshot(hub, repository, revision)
    fields = wire.summary(repository) | wire.details(repository)
    fields["sha"] = snapshot.id
    if revision != DEFAULT_BRANCH:
        fields["lastModified"] = wire.moment(snapshot.commit.date)
    wanted = None if expand is None else {name for part in expand for name in part.split(",")}
    if wanted is None or "siblings" in wanted:
        fields["siblings"] = wire.siblings(snapshot.entries(recursive=True), blobs=blobs)
    if wanted is None or "config" in wanted:
        fields["config"] = brief_config(hub, repository, snapshot)
    if wanted is None:
        return fields
    return {key: value for key, value in fields.items() if key in wanted | {"_id", "id"}}
