"""Pages of organizations: those one belongs to, and the members of one."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Form
from fastapi.responses import RedirectResponse, Response

from graft.server.errors import RefusedError
from graft.server.people import access, accounts, organizations
from graft.server.people.auth import CurrentHub
from graft.server.people.identity import MEMBER_ROLES
from graft.server.people.scopes import WRITE_ORGANIZATION
from graft.server.records import Account, MemberRole
from graft.server.web.routing import page_router
from graft.server.web.visit import OwnVisit, PersonalVisit, SessionVisit, Visit

router = page_router()

Text = Annotated[str, Form(max_length=2000)]

ROLE_TITLES: dict[MemberRole, str] = {
    "read": "see all repositories",
    "contribute": "create some, and write to these",
    "write": "write to all",
    "admin": "look after the organization too",
}


def _organization(hub: CurrentHub, organization: str) -> Account:
    return organizations.find(hub, organization)


PathOrganization = Annotated[Account, Depends(_organization)]


@router.get("/settings/organizations")
def list_page(visit: OwnVisit) -> Response:
    """The organizations that one belongs to, and the form to make one."""
    return _list(visit)


@router.post("/settings/organizations")
def create(visit: OwnVisit, name: Text = "", full_name: Text = "") -> Response:
    """Makes an organization, and shows it."""
    try:
        access.check_permission(visit.user, WRITE_ORGANIZATION)
        made = organizations.create(
            visit.hub, name.strip(), founder=visit.user.account, full_name=full_name
        )
    except RefusedError as error:
        return _list(visit, str(error), error.status)
    return RedirectResponse(_address(made), status_code=303)


@router.get("/organizations/{organization}")
def page(visit: SessionVisit, organization: PathOrganization) -> Response:
    """Who belongs to an organization; its admins can change that here."""
    return _page(visit, organization)


@router.post("/organizations/{organization}")
def change(
    visit: OwnVisit, organization: PathOrganization, full_name: Text = "", details: Text = ""
) -> Response:
    """Changes what the organization says about itself."""
    return _done(
        visit,
        organization,
        lambda: organizations.change(
            visit.hub, organization, visit.user, full_name=full_name, details=details
        ),
    )


@router.post("/organizations/{organization}/members")
def set_member(
    visit: OwnVisit, organization: PathOrganization, name: Text = "", role: Text = "read"
) -> Response:
    """Adds a member, or gives one another role."""

    def put() -> None:
        access.check_organization_admin(visit.user, organization)
        person = accounts.find_person(visit.hub, name.strip())
        organizations.set_member(visit.hub, organization, person, role, visit.user)

    return _done(visit, organization, put)


@router.post("/organizations/{organization}/members/{name}/remove")
def remove_member(visit: OwnVisit, organization: PathOrganization, name: str) -> Response:
    """Ends a membership: an admin anybody's, everybody their own."""

    def remove() -> None:
        if visit.user.name.lower() != name.lower():
            access.check_organization_admin(visit.user, organization)
        person = accounts.find_person(visit.hub, name)
        organizations.remove_member(visit.hub, organization, person, visit.user)

    return _done(visit, organization, remove)


@router.post("/organizations/{organization}/delete")
def delete(visit: OwnVisit, organization: PathOrganization) -> Response:
    """Deletes an organization that owns nothing."""
    return _done(
        visit,
        organization,
        lambda: organizations.remove(visit.hub, organization, visit.user),
        "/settings/organizations",
    )


def _done(
    visit: Visit, organization: Account, act: Callable[[], object], leads_to: str = ""
) -> Response:
    """Does what a form asked for; shows the page with what was wrong, where it could not."""
    try:
        act()
    except RefusedError as error:
        return _page(visit, organization, str(error), error.status)
    return RedirectResponse(leads_to or _address(organization), status_code=303)


def _list(visit: PersonalVisit, wrong: str = "", status: int = 200) -> Response:
    return visit.page(
        "organizations.html",
        status=status,
        memberships=visit.user.memberships,
        titles=ROLE_TITLES,
        wrong=wrong,
    )


def _page(visit: Visit, organization: Account, wrong: str = "", status: int = 200) -> Response:
    mine = visit.user.role_in(organization.id) if visit.user else None
    return visit.page(
        "organization.html",
        status=status,
        organization=organization,
        members=organizations.members(visit.hub, organization),
        roles=MEMBER_ROLES,
        titles=ROLE_TITLES,
        mine=mine,
        wrong=wrong,
        json=f"/api/organizations/{organization.name}/members",
    )


def _address(organization: Account) -> str:
    return f"/organizations/{organization.name}"
