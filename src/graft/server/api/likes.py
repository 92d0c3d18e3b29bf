"""Liking repositories, and following people and organizations."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from graft.server.api.profiles import PathOrganization, PathPerson, brief
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.api.wire import moment
from graft.server.community import follows, likes
from graft.server.people.auth import CurrentHub, CurrentUser, base_url

router = APIRouter()

PAGE = 500

Limit = Annotated[int, Query(ge=1, le=PAGE)]
Cursor = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


@router.post(f"{REPOSITORY}/like")
def like(repository: PathRepository, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Likes a repository."""
    return {"success": True, "likes": likes.like(hub, repository, user)}


@router.delete(f"{REPOSITORY}/like")
def unlike(repository: PathRepository, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Likes a repository no longer."""
    return {"success": True, "likes": likes.unlike(hub, repository, user)}


@router.get(f"{REPOSITORY}/likers")
def list_likers(
    request: Request,
    repository: PathRepository,
    hub: CurrentHub,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> JSONResponse:
    """A page of those who like a repository, the last first."""
    found = likes.likers(hub, repository, before=cursor, limit=limit + 1)
    headers = next_link(request, cursor=found[limit - 1][0]) if len(found) > limit else {}
    base = base_url(request)
    return JSONResponse([brief(base, account) for _, account in found[:limit]], headers=headers)


@router.get("/api/users/{username}/likes")
def list_liked(
    request: Request,
    person: PathPerson,
    hub: CurrentHub,
    user: CurrentUser,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> JSONResponse:
    """A page of what somebody likes, the last first."""
    found = likes.liked_by(hub, person, user, before=cursor, limit=limit + 1)
    headers = next_link(request, cursor=found[limit - 1].id) if len(found) > limit else {}
    items = [
        {
            "createdAt": moment(item.created_at),
            "repo": {"name": item.full_name, "type": item.kind.value},
        }
        for item in found[:limit]
    ]
    return JSONResponse(items, headers=headers)


@router.post("/api/users/{username}/follow")
def follow_person(person: PathPerson, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Follows a person."""
    follows.follow(hub, person, user)
    return {"success": True}


@router.delete("/api/users/{username}/follow")
def unfollow_person(person: PathPerson, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Follows a person no longer."""
    follows.unfollow(hub, person, user)
    return {"success": True}


@router.post("/api/organizations/{organization}/follow")
def follow_organization(
    found: PathOrganization, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Follows an organization."""
    follows.follow(hub, found, user)
    return {"success": True}


@router.delete("/api/organizations/{organization}/follow")
def unfollow_organization(
    found: PathOrganization, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Follows an organization no longer."""
    follows.unfollow(hub, found, user)
    return {"success": True}
