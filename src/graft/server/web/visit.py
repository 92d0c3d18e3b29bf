"""What every page is given: who visits which Hub, and the repository that its address names."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from fastapi import Depends, Request
from fastapi.responses import Response

from graft.server.errors import LoginNeededError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import (
    SAFE_METHODS,
    CurrentHub,
    CurrentUser,
    SessionUser,
    base_url,
    check_same_origin,
)
from graft.server.records import Kind, Repository, User
from graft.server.repositories import repos
from graft.server.web.rendering import render


@dataclass(frozen=True)
class Visit:
    """One request for a page: what the templates' frame needs, beside the page's own values."""

    request: Request
    hub: Hub
    user: User | None

    @property
    def hub_url(self) -> str:
        """The address that users reach this Hub at, without a slash at its end."""
        return base_url(self.request)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Renders a page; `json` among the values is the address of the same facts as JSON."""
        frame = {
            "hub_name": self.hub.settings.name,
            "hub_url": self.hub_url,
            "may_join": self.hub.settings.allow_sign_up,
            "user": self.user,
            "may_administer": partial(access.allows, self.user, right="admin"),
        }
        return render(self.request, template, status=status, **(frame | values))


@dataclass(frozen=True)
class PersonalVisit(Visit):
    """A visit by somebody who is known: the page is for them."""

    user: User


async def _visit(request: Request, hub: CurrentHub, user: CurrentUser) -> Visit:
    return Visit(request, hub, user)


CurrentVisit = Annotated[Visit, Depends(_visit)]
"""A visit by anybody; a session and a token both say who it is."""


async def _logged_in_visit(visit: CurrentVisit) -> PersonalVisit:
    return _personal(visit)


LoggedInVisit = Annotated[PersonalVisit, Depends(_logged_in_visit)]
"""The same by somebody known; all others are led to the login page, and back."""


async def _session_visit(request: Request, hub: CurrentHub, user: SessionUser) -> Visit:
    if request.method not in SAFE_METHODS:
        check_same_origin(request)
    return Visit(request, hub, user)


SessionVisit = Annotated[Visit, Depends(_session_visit)]
"""A visit by anybody, where only the session of the login page counts."""


async def _own_visit(visit: SessionVisit) -> PersonalVisit:
    return _personal(visit)


OwnVisit = Annotated[PersonalVisit, Depends(_own_visit)]
"""A visit to a page that changes the account or creates something: only the session of the login
page counts there, so that a token that may only read cannot make one that may write. All others
are led to the login page, and back."""


def _personal(visit: Visit) -> PersonalVisit:
    """
    Raises:
        LoginNeededError: the visitor is nobody known.
    """
    if visit.user is None:
        raise LoginNeededError(_page_of(visit.request))
    return PersonalVisit(visit.request, visit.hub, visit.user)


def _page_of(request: Request) -> str:
    """The page that somebody is on, with its query: the one asked for, or the one that holds the
    form that was sent, which browsers name in `Referer`."""
    form = request.method not in SAFE_METHODS
    try:
        page = urlsplit(request.headers.get("referer", "") if form else str(request.url))
    except ValueError:  # no address at all
        return "/"
    return urlunsplit(("", "", page.path or "/", page.query, ""))


def kind_of(request: Request) -> Kind:
    """The kind of repository that the address of a page speaks of."""
    pattern: str = request.scope["route"].path
    return Kind.DATASET if pattern.startswith("/datasets/") else Kind.MODEL


def _repository(visit: CurrentVisit, owner: str, name: str) -> Repository:
    return repos.find(visit.hub, kind_of(visit.request), owner, name, visit.user)


CurrentRepository = Annotated[Repository, Depends(_repository)]
"""The repository at `/{owner}/{name}...` or `/datasets/{owner}/{name}...`."""


def _own_repository(visit: OwnVisit, owner: str, name: str) -> Repository:
    return repos.find(visit.hub, kind_of(visit.request), owner, name, visit.user)


OwnRepository = Annotated[Repository, Depends(_own_repository)]
"""The same, as the person who has logged in sees it: for pages that change it."""
