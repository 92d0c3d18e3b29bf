"""Branches, tags and history."""

import html
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server import repos
from graft.server.api import wire
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.auth import CurrentHub, CurrentUser
from graft.server.git import repository as git
from graft.server.records import Ref

router = APIRouter()

PAGE_COMMITS = 50
MAX_PAGE_COMMITS = 1000


class NewBranch(BaseModel):
    """Where the branch begins; left out: at `main`."""

    starting_point: Annotated[str | None, Field(alias="startingPoint")] = None


class NewTag(BaseModel):
    """The tag's name and, for an annotated tag, its message."""

    tag: str
    message: str = ""


@router.get(f"{REPOSITORY}/refs")
def list_refs(
    repository: PathRepository, hub: CurrentHub, include_prs: bool = False
) -> dict[str, list[dict[str, str]]]:
    """All branches and tags."""
    found = repos.refs(hub, repository)
    answer: dict[str, list[dict[str, str]]] = {
        "branches": [_ref(ref) for ref in found.branches],
        "tags": [_ref(ref) for ref in found.tags],
        "converts": [],
    }
    if include_prs:
        answer["pullRequests"] = []
    return answer


@router.get(f"{REPOSITORY}/commits/{{revision:path}}")
def list_commits(
    request: Request,
    revision: str,
    repository: PathRepository,
    hub: CurrentHub,
    p: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_COMMITS)] = PAGE_COMMITS,
) -> JSONResponse:
    """A page of the history, newest first; `p` counts pages from 0."""
    commits, total = repos.history(hub, repository, revision, skip=p * limit, limit=limit)
    items: list[dict[str, Any]] = [wire.commit(commit) for commit in commits]
    if "formatted" in request.query_params.getlist("expand[]"):
        for item in items:
            item["formatted"] = {key: html.escape(item[key]) for key in ("title", "message")}
    headers = {"X-Total-Count": str(total)}
    if (p + 1) * limit < total:
        headers |= next_link(request, p=p + 1)
    return JSONResponse(items, headers=headers)


@router.post(f"{REPOSITORY}/branch/{{branch:path}}")
def create_branch(
    branch: str,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    body: NewBranch | None = None,
) -> dict[str, bool]:
    """Creates a branch; 409 where it exists."""
    repos.check_may_write(repository, user)
    start = body.starting_point if body else None
    with git.locked(repos.repository_path(hub, repository)):
        git.create_branch(repos.open_git(hub, repository), branch, start)
    return {"success": True}


@router.delete(f"{REPOSITORY}/branch/{{branch:path}}")
def delete_branch(
    branch: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Deletes a branch other than `main`."""
    repos.check_may_write(repository, user)
    with git.locked(repos.repository_path(hub, repository)):
        git.delete_branch(repos.open_git(hub, repository), branch)
    return {"success": True}


@router.post(f"{REPOSITORY}/tag/{{revision:path}}")
def create_tag(
    revision: str, body: NewTag, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Tags a revision; 409 where the tag exists."""
    who = repos.check_may_write(repository, user)
    with git.locked(repos.repository_path(hub, repository)):
        opened = repos.open_git(hub, repository)
        git.create_tag(opened, body.tag, revision, body.message, who.name)
    return {"success": True}


@router.delete(f"{REPOSITORY}/tag/{{tag:path}}")
def delete_tag(
    tag: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Deletes a tag; the commit it names stays."""
    repos.check_may_write(repository, user)
    with git.locked(repos.repository_path(hub, repository)):
        git.delete_tag(repos.open_git(hub, repository), tag)
    return {"success": True}


def _ref(ref: Ref) -> dict[str, str]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.commit_id}
