"""The page of a repository's settings: who may use it, its branches, its name, its end."""

from typing import Annotated, Literal

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from graft.server.errors import BadRequestError, RefusedError
from graft.server.people import access
from graft.server.records import Gate, Repository, User
from graft.server.repositories import branches, lifecycle, settings
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import OwnRepository, OwnVisit, Visit

router = page_router()

Text = Annotated[str, Form()]

GATES: dict[str, Gate | Literal[False]] = {"no": False, "auto": "auto", "manual": "manual"}
"""What the form calls the kinds of gate."""


@for_both_kinds(router.get, "/{owner}/{name}/settings")
def settings_page(visit: OwnVisit, repository: OwnRepository) -> Response:
    """The settings of a repository, for those who look after it."""
    return _settings(visit, repository)


@for_both_kinds(router.post, "/{owner}/{name}/settings")
def change(
    visit: OwnVisit,
    repository: OwnRepository,
    visibility: Text = "",
    gate: Text = "",
    protected: Text = "",
) -> Response:
    """Sets who may see the repository, its gate, and its protected branches: none if none come."""
    access.check(visit.user, repository, "admin")
    try:
        settings.change(
            visit.hub,
            repository,
            visit.user,
            private=visibility == "private" if visibility in ("public", "private") else None,
            gate=GATES.get(gate),
            protected_branches=protected.split(),
        )
    except RefusedError as error:
        return _settings(visit, repository, str(error), error.status)
    return RedirectResponse(f"{repository.path}/settings", status_code=303)


@for_both_kinds(router.post, "/{owner}/{name}/settings/move")
def move(
    visit: OwnVisit, repository: OwnRepository, new_owner: Text = "", new_name: Text = ""
) -> Response:
    """Gives the repository another name or owner, and shows it there."""
    access.check(visit.user, repository, "admin")
    owner = new_owner or repository.owner
    try:
        moved = lifecycle.move(visit.hub, repository, owner, new_name.strip(), visit.user)
    except RefusedError as error:
        return _settings(visit, repository, str(error), error.status)
    return RedirectResponse(moved.path, status_code=303)


@for_both_kinds(router.post, "/{owner}/{name}/settings/delete")
def delete(visit: OwnVisit, repository: OwnRepository, confirm: Text = "") -> Response:
    """Deletes the repository, where its whole name was typed in."""
    access.check(visit.user, repository, "admin")
    if confirm.strip() != repository.full_name:
        error = BadRequestError(f"Nothing was deleted: type {repository.full_name} to delete it.")
        return _settings(visit, repository, str(error), error.status)
    lifecycle.delete(visit.hub, repository, visit.user)
    return RedirectResponse(f"/{repository.owner}", status_code=303)


def _settings(visit: Visit, repository: Repository, wrong: str = "", status: int = 200) -> Response:
    user = access.check(visit.user, repository, "admin")
    response = visit.page(
        "settings.html",
        status=status,
        repository=repository,
        owners=_owners(user, repository),
        protected=branches.protected_branches(visit.hub, repository),
        wrong=wrong,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _owners(user: User, repository: Repository) -> list[str]:
    """Whom the repository may belong to: the owner that it has, and where the user may create."""
    places = [user.account, *(membership.organization for membership in user.memberships)]
    others = [place.name for place in places if access.may_create(user, place)]
    return [repository.owner, *(name for name in others if name != repository.owner)]
