"""The buttons that like a repository and follow somebody; each leads back to where it stands."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from graft.server.community import follows, likes
from graft.server.people import accounts
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import CurrentRepository, LoggedInVisit

router = page_router()

Choice = Annotated[str, Form()]


@for_both_kinds(router.post, "/{owner}/{name}/like")
def like(visit: LoggedInVisit, repository: CurrentRepository, like: Choice = "yes") -> Response:
    """Likes a repository, or no longer."""
    if like == "yes":
        likes.like(visit.hub, repository, visit.user)
    else:
        likes.unlike(visit.hub, repository, visit.user)
    return RedirectResponse(quote(repository.path), status_code=303)


@router.post("/{owner}/-/follow")
def follow(visit: LoggedInVisit, owner: str, follow: Choice = "yes") -> Response:
    """Follows a person or organization, or no longer."""
    account = accounts.find_account(visit.hub, owner)
    page = f"/{quote(account.name)}"
    if follow == "yes":
        follows.follow(visit.hub, account, visit.user)
    else:
        follows.unfollow(visit.hub, account, visit.user)
    return RedirectResponse(page, status_code=303)
