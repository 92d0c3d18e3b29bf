"""A repository's files, one file, and its history."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from fastapi.responses import RedirectResponse, Response

from graft.server.people import access
from graft.server.records import Entry, Repository
from graft.server.repositories import catalogue, repos
from graft.server.scan.scans import Scan, blob_of
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import CurrentRepository, CurrentVisit, Visit

router = page_router()

MAX_SHOWN_BYTES = 500_000
COMMITS_PER_PAGE = 50
ENTRIES_PER_PAGE = 1000


@for_both_kinds(router.get, "/{owner}/{name}/tree/{rest:path}")
def tree(
    visit: CurrentVisit,
    repository: CurrentRepository,
    rest: str,
    number: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1,
) -> Response:
    """A page of a folder; `rest` is the revision and the folder's path."""
    revision, path = _taken_apart(visit, repository, rest)
    snapshot = repos.snapshot(visit.hub, repository, revision)
    if path and snapshot.entry(path).is_file:
        return RedirectResponse(file_address(repository, "blob", revision, path), status_code=302)
    start = (number - 1) * ENTRIES_PER_PAGE
    found = snapshot.entries(path, start=start, limit=ENTRIES_PER_PAGE + 1)
    entries = snapshot.with_last_commits(found[:ENTRIES_PER_PAGE])
    return visit.page(
        "tree.html",
        repository=repository,
        revision=revision,
        folder=path,
        commit=snapshot.commit,
        entries=entries,
        number=number,
        more=len(found) > ENTRIES_PER_PAGE,
        scans=_scans(visit, entries),
        refs=repos.refs(visit.hub, repository),
        crumbs=crumbs(path),
        address=file_address,
        json=api_address(repository, "tree", revision, path),
    )


@for_both_kinds(router.get, "/{owner}/{name}/blob/{rest:path}")
def blob(visit: CurrentVisit, repository: CurrentRepository, rest: str) -> Response:
    """A file; `rest` is the revision and the file's path."""
    access.check_files(visit.hub, repository, visit.user)
    revision, path = _taken_apart(visit, repository, rest)
    snapshot = repos.snapshot(visit.hub, repository, revision)
    if not path or not snapshot.entry(path).is_file:
        return RedirectResponse(file_address(repository, "tree", revision, path), status_code=302)
    entry = snapshot.entry(path)
    return visit.page(
        "blob.html",
        repository=repository,
        revision=revision,
        entry=entry,
        scan=_scans(visit, [entry]).get(entry.path),
        lines=_lines(visit, repository, entry),
        shown_bytes=MAX_SHOWN_BYTES,
        crumbs=crumbs(path),
        address=file_address,
        json=api_address(repository, "tree", revision, path.rpartition("/")[0]),
    )


@for_both_kinds(router.get, "/{owner}/{name}/commits/{revision:path}")
def commits(
    visit: CurrentVisit,
    repository: CurrentRepository,
    revision: str,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> Response:
    """The history, newest first."""
    shown, total = repos.history(
        visit.hub,
        repository,
        revision,
        skip=(number - 1) * COMMITS_PER_PAGE,
        limit=COMMITS_PER_PAGE,
    )
    return visit.page(
        "commits.html",
        repository=repository,
        revision=revision,
        commits=shown,
        total=total,
        number=number,
        more=number * COMMITS_PER_PAGE < total,
        address=file_address,
        json=api_address(repository, "commits", revision, ""),
    )


def _taken_apart(visit: Visit, repository: Repository, rest: str) -> tuple[str, str]:
    """Splits `main/folder/file` to revision and path; a revision may hold slashes itself."""
    rest = rest.strip("/")
    _, path = repos.split_revision(visit.hub, repository, rest)
    revision = rest.removesuffix(path).rstrip("/") if path else rest
    return revision, path


def _scans(visit: Visit, entries: list[Entry]) -> dict[str, Scan]:
    """What was found in files that can hold programs, by path."""
    found = catalogue.security(visit.hub, entries)
    return {e.path: found[blob_of(e)] for e in entries if e.is_file and blob_of(e) in found}


def _lines(visit: Visit, repository: Repository, entry: Entry) -> list[str] | None:
    """A text file's lines; None for one that is not text, or too long to show."""
    if entry.size > MAX_SHOWN_BYTES:
        return None
    content = repos.read(visit.hub, repository, entry, limit=MAX_SHOWN_BYTES)
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def file_address(repository: Repository, view: str, revision: str, path: str = "") -> str:
    """The address of a file or folder: `view` is tree, blob, commits, compare..."""
    address = f"{quote(repository.path)}/{view}/{quote(revision, safe='')}"
    return f"{address}/{quote(path)}" if path else address


def api_address(repository: Repository, view: str, revision: str, path: str) -> str:
    """The address of the same as JSON."""
    address = f"/api/{repository.kind.plural}/{repository.full_name}/{view}/"
    return quote(address) + quote(revision, safe="") + (f"/{quote(path)}" if path else "")


@dataclass(frozen=True)
class Crumb:
    """One step of the way down to a file."""

    name: str
    path: str


def crumbs(path: str) -> list[Crumb]:
    """The folders above and including `path`: `a/b` gives `a` and `a/b`."""
    parts = [part for part in path.split("/") if part]
    return [Crumb(name, "/".join(parts[: index + 1])) for index, name in enumerate(parts)]
