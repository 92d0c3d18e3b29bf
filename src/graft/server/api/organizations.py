"""Making organizations, and looking after them and their members."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from graft.server.api.profiles import PathOrganization, brief
from graft.server.people import access, accounts, organizations
from graft.server.people.accounts import MAX_DETAILS
from graft.server.people.auth import CurrentHub, CurrentUser, LoggedInUser, base_url
from graft.server.people.scopes import WRITE_ORGANIZATION
from graft.server.records import MemberRole

router = APIRouter()

FullName = Annotated[str, Field(max_length=200)]
Details = Annotated[str, Field(max_length=MAX_DETAILS)]


class NewOrganization(BaseModel):
    """An organization to be: its name, and what it says about itself."""

    name: Annotated[str, Field(max_length=500)]
    fullname: FullName = ""
    details: Details = ""


class Profile(BaseModel):
    """What an organization says about itself: only what changes."""

    fullname: FullName | None = None
    details: Details | None = None


class MemberSettings(BaseModel):
    """What somebody is in an organization."""

    role: MemberRole


@router.post("/api/organizations/create")
def create(
    request: Request, body: NewOrganization, hub: CurrentHub, user: LoggedInUser
) -> dict[str, Any]:
    """Makes an organization; the asker is its first admin."""
    access.check_permission(user, WRITE_ORGANIZATION)
    made = organizations.create(
        hub, body.name, founder=user.account, full_name=body.fullname, details=body.details
    )
    return {
        "name": made.name,
        "fullname": made.full_name,
        "id": f"{made.id:024x}",
        "url": f"{base_url(request)}/{made.name}",
    }


@router.put("/api/organizations/{organization}/settings")
def change(
    body: Profile, found: PathOrganization, hub: CurrentHub, user: CurrentUser
) -> dict[str, str]:
    """Changes what the organization says about itself."""
    changed = organizations.change(hub, found, user, full_name=body.fullname, details=body.details)
    return {"fullname": changed.full_name, "details": changed.details}


@router.delete("/api/organizations/{organization}")
def delete(found: PathOrganization, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Deletes an organization that owns no repositories."""
    organizations.remove(hub, found, user)
    return {"success": True}


@router.put("/api/organizations/{organization}/members/{username}")
def set_member(
    request: Request,
    username: str,
    body: MemberSettings,
    found: PathOrganization,
    hub: CurrentHub,
    user: CurrentUser,
) -> dict[str, Any]:
    """Adds a member, or gives one another role."""
    access.check_organization_admin(user, found)
    person = accounts.find_person(hub, username)
    member = organizations.set_member(hub, found, person, body.role, user)
    return brief(base_url(request), member.account) | {"role": member.role}


@router.delete("/api/organizations/{organization}/members/{username}")
def remove_member(
    username: str, found: PathOrganization, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Ends a membership: an admin anybody's, everybody their own."""
    if user is None or user.name.lower() != username.lower():
        access.check_organization_admin(user, found)
    organizations.remove_member(hub, found, accounts.find_person(hub, username), user)
    return {"success": True}
