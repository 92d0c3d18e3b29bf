"""Files and folders: a folder's content, and what is known about given paths."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from graft.server import repos
from graft.server.api import wire
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.auth import CurrentHub
from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.hub import Hub
from graft.server.records import Entry, Repository

router = APIRouter()

PAGE_ENTRIES = 1000
# Finding the last commit of each entry walks the history.
PAGE_ENTRIES_WITH_COMMITS = 100
MAX_PATHS = 10_000


@router.get(f"{REPOSITORY}/tree/{{rest:path}}")
def tree(
    request: Request,
    rest: str,
    repository: PathRepository,
    hub: CurrentHub,
    recursive: bool = False,
    expand: bool = False,
    limit: int = PAGE_ENTRIES,
    cursor: int = 0,
) -> JSONResponse:
    """A page of what lies in a folder; `rest` is the revision and the folder's path."""
    snapshot, path = repos.split_revision(hub, repository, rest)
    most = PAGE_ENTRIES_WITH_COMMITS if expand else PAGE_ENTRIES
    limit, cursor = max(1, min(limit, most)), max(0, cursor)
    entries = snapshot.entries(path, recursive=recursive)
    page = entries[cursor : cursor + limit]
    if expand:
        page = snapshot.with_last_commits(page)
    headers = {"X-Repo-Commit": snapshot.id}
    if cursor + limit < len(entries):
        headers |= next_link(request, cursor=cursor + limit)
    return JSONResponse([wire.tree_entry(entry) for entry in page], headers=headers)


@router.post(f"{REPOSITORY}/paths-info/{{revision:path}}")
async def paths_info(
    request: Request, revision: str, repository: PathRepository, hub: CurrentHub
) -> list[dict[str, Any]]:
    """What lies at each of the paths in the form; paths where nothing lies are left out."""
    if request.headers.get("content-type", "").startswith("application/json"):
        body = await request.json()
        paths, expand = body.get("paths", []), bool(body.get("expand"))
    else:
        form = await request.form(max_fields=MAX_PATHS + 1)
        paths, expand = form.getlist("paths"), str(form.get("expand", "")).lower() == "true"
    paths = [paths] if isinstance(paths, str) else paths
    if not all(isinstance(path, str) for path in paths):
        raise BadRequestError("`paths` must be the paths of files or folders, as text.")
    found = await run_in_threadpool(_find_paths, hub, repository, revision, paths, expand)
    return [wire.tree_entry(entry) for entry in found]


def _find_paths(
    hub: Hub, repository: Repository, revision: str, paths: list[str], expand: bool
) -> list[Entry]:
    snapshot = repos.snapshot(hub, repository, revision)
    found = []
    for path in paths:
        try:
            found.append(snapshot.entry(path.strip("/")))
        except EntryNotFoundError:  # the client asks which of the paths are there
            continue
    return snapshot.with_last_commits(found) if expand else found
