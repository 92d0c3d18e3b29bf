"""Branches, tags and history."""

import html
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from graft.server.api import wire
from graft.server.api.answers import json_answer
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.people.auth import CurrentHub, CurrentUser
from graft.server.records import Ref
from graft.server.repositories import branches, repos

router = APIRouter()

PAGE_COMMITS = 50
MAX_PAGE_COMMITS = 1000


class NewBranch(BaseModel):
    """Where the branch begins; left out: at `main`."""

    starting_point: Annotated[str | None, Field(alias="startingPoint")] = None


class NewTag(BaseModel):
    """The tag's name and, for an annotated tag, its message."""

    tag: str
    message: str | None = None


class Squash(BaseModel):
    """The message of the one commit that stays."""

    message: str | None = None


@router.get(f"{REPOSITORY}/refs", response_model=None)
def list_refs(repository: PathRepository, hub: CurrentHub, include_prs: bool = False) -> Response:
    """All branches and tags."""
    found = repos.refs(hub, repository)
    answer: dict[str, list[dict[str, str]]] = {
        "branches": [_ref(ref) for ref in found.branches],
        "tags": [_ref(ref) for ref in found.tags],
        "converts": [_ref(ref) for ref in found.converts],
    }
    if include_prs:
        answer["pullRequests"] = [_ref(ref) for ref in found.pull_requests]
    return json_answer(answer)


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
    branches.create_branch(hub, repository, branch, body.starting_point if body else None, user)
    return {"success": True}


@router.delete(f"{REPOSITORY}/branch/{{branch:path}}")
def delete_branch(
    branch: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Deletes a branch other than `main`."""
    branches.delete_branch(hub, repository, branch, user)
    return {"success": True}


@router.post(f"{REPOSITORY}/tag/{{revision:path}}")
def create_tag(
    revision: str, body: NewTag, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Tags a revision; 409 where the tag exists."""
    branches.create_tag(hub, repository, body.tag, revision, body.message or "", user)
    return {"success": True}


@router.delete(f"{REPOSITORY}/tag/{{tag:path}}")
def delete_tag(
    tag: str, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Deletes a tag; the commit it names stays."""
    branches.delete_tag(hub, repository, tag, user)
    return {"success": True}


@router.post(f"{REPOSITORY}/super-squash/{{branch:path}}")
def squash(
    branch: str,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    body: Squash | None = None,
) -> dict[str, str | bool]:
    """Replaces a branch's history by one commit with the same files."""
    made = branches.squash(hub, repository, branch, (body or Squash()).message or "", user)
    return {"success": True, "commitOid": made}


def _ref(ref: Ref) -> dict[str, str]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.commit_id}
