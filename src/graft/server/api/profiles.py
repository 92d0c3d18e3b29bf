"""People and organizations: overviews, members, followers, and the pictures beside their names."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from graft.server.api import wire
from graft.server.api.repository import next_link
from graft.server.names import check_account_name
from graft.server.people import accounts, avatars, organizations, overviews
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.people.overviews import Overview
from graft.server.records import Account

router = APIRouter()

PAGE = 500

Limit = Annotated[int, Query(ge=1, le=PAGE)]
Cursor = Annotated[int, Query(ge=0, le=2**62)]


def avatar_url(base: str, name: str) -> str:
    """Where the picture of an account lies."""
    return f"{base}/avatars/{name}.svg"


def find_organization(organization: str, hub: CurrentHub) -> Account:
    """The organization at `/api/organizations/{organization}`."""
    return organizations.find(hub, organization)


def find_person(username: str, hub: CurrentHub) -> Account:
    """The person at `/api/users/{username}`."""
    return accounts.find_person(hub, username)


PathOrganization = Annotated[Account, Depends(find_organization)]
PathPerson = Annotated[Account, Depends(find_person)]


def brief(base: str, account: Account) -> dict[str, Any]:
    """An account in a list of people."""
    return {
        "_id": f"{account.id:024x}",
        "user": account.name,
        "name": account.name,
        "fullname": account.full_name,
        "avatarUrl": avatar_url(base, account.name),
        "isPro": False,
        "type": "org" if account.is_organization else "user",
    }


@router.get("/api/users/{username}/overview")
def user_overview(
    request: Request, person: PathPerson, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """A person and their figures, counting what the asker may see."""
    found = overviews.overview(hub, person, user)
    base = base_url(request)
    return _figures(base, found) | {
        "user": person.name,
        "type": "user",
        "isPro": False,
        "numDiscussions": found.discussions,
        "numLikes": found.likes,
        "numUpvotes": found.upvotes,
        "numFollowing": found.following,
        "orgs": [_organization(base, m.organization) for m in found.memberships],
    }


@router.get("/api/organizations/{organization}/overview")
def organization_overview(
    request: Request, found: PathOrganization, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """An organization and its figures, counting what the asker may see."""
    figures = overviews.overview(hub, found, user)
    return _figures(base_url(request), figures) | {
        "name": found.name,
        "type": "org",
        "isVerified": False,
        "numUsers": figures.members,
    }


@router.get("/api/organizations/{organization}/members")
def members(
    request: Request,
    found: PathOrganization,
    hub: CurrentHub,
    user: CurrentUser,
    limit: Limit = PAGE,
    cursor: Cursor = 0,
) -> JSONResponse:
    """Who belongs to an organization; what each may there, only its members are told."""
    page = organizations.members(hub, found, after=cursor, limit=limit + 1)
    inside = user is not None and user.role_in(found.id) is not None
    base = base_url(request)
    items = [
        brief(base, member.account) | ({"role": member.role} if inside else {}) for member in page
    ]
    last = page[limit - 1].account.id if len(page) > limit else None
    return _page(request, items[:limit], last)


@router.get("/api/organizations/{organization}/followers")
def organization_followers(
    request: Request,
    found: PathOrganization,
    hub: CurrentHub,
    limit: Limit = PAGE,
    cursor: Cursor = 0,
) -> JSONResponse:
    """Who follows an organization."""
    page = overviews.follows(hub, found, "followers", after=cursor, limit=limit + 1)
    return _people(request, page, limit)


@router.get("/api/users/{username}/followers")
def user_followers(
    request: Request, person: PathPerson, hub: CurrentHub, limit: Limit = PAGE, cursor: Cursor = 0
) -> JSONResponse:
    """Who follows a person."""
    page = overviews.follows(hub, person, "followers", after=cursor, limit=limit + 1)
    return _people(request, page, limit)


@router.get("/api/users/{username}/following")
def user_following(
    request: Request, person: PathPerson, hub: CurrentHub, limit: Limit = PAGE, cursor: Cursor = 0
) -> JSONResponse:
    """Whom a person follows."""
    page = overviews.follows(hub, person, "following", after=cursor, limit=limit + 1)
    return _people(request, page, limit)


@router.get("/avatars/{name}.svg", response_class=Response)
async def avatar(name: str) -> Response:
    """The picture that stands beside a name, whether anybody has it or not."""
    check_account_name(name)
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(avatars.draw(name), media_type="image/svg+xml", headers=headers)


def _figures(base: str, found: Overview) -> dict[str, Any]:
    account = found.account
    return {
        "_id": f"{account.id:024x}",
        "fullname": account.full_name,
        "avatarUrl": avatar_url(base, account.name),
        "details": account.details,
        "createdAt": wire.moment(account.created_at),
        "numModels": found.models,
        "numDatasets": found.datasets,
        "numSpaces": 0,
        "numPapers": 0,
        "numFollowers": found.followers,
        "isFollowing": found.is_followed,
    }


def _organization(base: str, account: Account) -> dict[str, Any]:
    return {
        "_id": f"{account.id:024x}",
        "name": account.name,
        "fullname": account.full_name,
        "avatarUrl": avatar_url(base, account.name),
    }


def _people(request: Request, page: list[Account], limit: int) -> JSONResponse:
    base = base_url(request)
    last = page[limit - 1].id if len(page) > limit else None
    return _page(request, [brief(base, account) for account in page[:limit]], last)


def _page(request: Request, items: list[dict[str, Any]], last: int | None) -> JSONResponse:
    headers = next_link(request, cursor=last) if last is not None else {}
    return JSONResponse(items, headers=headers)
