"""Files and folders: a folder's content, and what is known about given paths."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from graft.server.api import wire
from graft.server.api.answers import json_answer
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.content import links
from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.hub import Hub
from graft.server.people.auth import CurrentHub
from graft.server.records import Entry, Repository
from graft.server.repositories import catalogue, repos
from graft.server.scan.scans import blob_of

router = APIRouter()

PAGE_ENTRIES = 1000
# Finding the last commit of each entry walks the history.
PAGE_ENTRIES_WITH_COMMITS = 100
MAX_PATHS = 10_000
MAX_CURSOR = 2**31 - 1


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Paths(BaseModel):
    """What `paths-info` is asked about; `expand` asks for the last commit of each."""

    paths: Annotated[list[str], Field(max_length=MAX_PATHS), BeforeValidator(_as_list)] = []
    expand: bool = False


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
    limit, cursor = max(1, min(limit, most)), max(0, min(cursor, MAX_CURSOR))
    found = snapshot.entries(path, recursive=recursive, start=cursor, limit=limit + 1)
    page = found[:limit]
    if expand:
        page = snapshot.with_last_commits(page)
    headers = {"X-Repo-Commit": snapshot.id}
    if len(found) > limit:
        headers |= next_link(request, cursor=cursor + limit)
    return JSONResponse(_listed(hub, repository, page, expand), headers=headers)


@router.post(f"{REPOSITORY}/paths-info/{{revision:path}}", response_model=None)
async def paths_info(
    request: Request, revision: str, repository: PathRepository, hub: CurrentHub
) -> Response:
    """What lies at each of the paths in the form; paths where nothing lies are left out."""
    if request.headers.get("content-type", "").startswith("application/json"):
        asked = _parse(await request.body())
    else:
        form = await request.form(max_fields=MAX_PATHS + 1)
        paths = [path for path in form.getlist("paths") if isinstance(path, str)]
        asked = Paths(paths=paths, expand=str(form.get("expand", "")).lower() == "true")
    return await run_in_threadpool(_find_paths, hub, repository, revision, asked)


def _parse(body: bytes) -> Paths:
    try:
        return Paths.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in ("body", *problem["loc"]))
        raise BadRequestError(f"The request cannot be read: {place}: {problem['msg']}") from None


def _find_paths(hub: Hub, repository: Repository, revision: str, asked: Paths) -> Response:
    snapshot = repos.snapshot(hub, repository, revision)
    found = []
    for path in asked.paths:
        try:
            found.append(snapshot.entry(path.strip("/")))
        except EntryNotFoundError:  # the client asks which of the paths are there
            continue
    if asked.expand:
        found = snapshot.with_last_commits(found)
    return json_answer(_listed(hub, repository, found, asked.expand))


def _listed(
    hub: Hub, repository: Repository, entries: list[Entry], expand: bool
) -> list[dict[str, Any]]:
    """Entries as clients read them; with `expand`, with what was found in them too."""
    scans = catalogue.security(hub, entries) if expand else {}
    large = [entry.lfs.sha256 for entry in entries if entry.lfs is not None]
    xet: dict[str, str] = {}
    if large:
        with hub.database.reading() as session:
            xet = links.xet_hashes(session, repository.id, large)
    return [
        wire.tree_entry(
            entry, scans.get(blob_of(entry)), xet.get(entry.lfs.sha256) if entry.lfs else None
        )
        for entry in entries
    ]
