"""What changed: between two revisions, in one commit, and line by line of a file."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from graft.server.api import wire
from graft.server.api.answers import OR_TEXT, json_answer
from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.git import diffs, merging
from graft.server.git import repository as git
from graft.server.git.blame import blame as blame_file
from graft.server.git.history import to_commit
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser
from graft.server.records import Repository
from graft.server.repositories import repos

router = APIRouter()


@router.get(f"{REPOSITORY}/compare/{{revisions:path}}", response_model=None, responses=OR_TEXT)
def compare(
    revisions: str,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    raw: bool = False,
) -> Response:
    """What the second of two revisions has and the first has not: `main..v2` from one to the other,
    `main...v2` since they parted. With `raw`, as `git diff` prints it."""
    access.check_files(hub, repository, user)
    opened = repos.open_git(hub, repository)
    old, new = diffs.ends(opened, revisions)
    if raw:
        return PlainTextResponse(diffs.unified_diff(opened, old, new))
    commits = merging.commits_between(opened, old, new) if old else []
    return json_answer(
        {
            "base": old,
            "head": new,
            "commits": [wire.commit(to_commit(commit)) for commit in commits],
            "files": [_file(change) for change in diffs.changed_files(opened, old, new)],
        }
    )


@router.get(f"{REPOSITORY}/commit/{{revision:path}}", response_model=None, responses=OR_TEXT)
def commit(
    revision: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> Response:
    """One commit: who made it and what it changed. `.diff` after its id asks for the text alone."""
    access.check_files(hub, repository, user)
    opened = repos.open_git(hub, repository)
    found = git.find_commit(opened, revision.removesuffix(".diff"))
    parent = str(found.parents[0].id) if found.parents else None
    if revision.endswith(".diff"):
        return PlainTextResponse(diffs.unified_diff(opened, parent, str(found.id)))
    changes = diffs.changed_files(opened, parent, str(found.id))
    return json_answer(
        wire.commit(to_commit(found))
        | {
            "parents": [str(one.id) for one in found.parents],
            "files": [_file(change) for change in changes],
        }
    )


@router.get(f"{REPOSITORY}/blame/{{rest:path}}", response_model=None)
def blame(rest: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser) -> Response:
    """The lines of a text file, each part with the commit that brought it; `rest` is the revision
    and the file's path."""
    access.check_files(hub, repository, user)
    return json_answer(_blame(hub, repository, rest))


def _blame(hub: Hub, repository: Repository, rest: str) -> dict[str, Any]:
    opened = repos.open_git(hub, repository)
    found, path = git.split_revision(opened, rest)
    parts = blame_file(opened, found, path)
    return {
        "path": path,
        "sha": str(found.id),
        "parts": [
            {"start": part.start, "lines": list(part.lines), "commit": wire.commit(part.commit)}
            for part in parts
        ],
    }


def _file(change: diffs.FileChange) -> dict[str, Any]:
    fields = asdict(change)
    fields["oldPath"] = fields.pop("old_path")
    return fields
