"""Tokens for Xet: where a client sends the chunks of its files, or fetches them from."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.content import cas
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.records import Repository, User

router = APIRouter()

# What clients name where there is no branch yet: a pull request that is about to be opened.
_PROPOSED = ("None", "refs/pr/")


@router.get(f"{REPOSITORY}/xet-read-token/{{revision:path}}")
def read_token(
    request: Request,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
) -> JSONResponse:
    """A token for downloads."""
    return _answer(request, hub, repository, user, "read")


@router.get(f"{REPOSITORY}/xet-write-token/{{revision:path}}")
def write_token(
    request: Request,
    revision: str,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    create_pr: bool = False,
) -> JSONResponse:
    """A token for uploads; for those to a pull request it takes no more than being allowed to
    open one."""
    proposes = create_pr or revision.startswith(_PROPOSED)
    may_write = access.allows(user, repository, "write")
    kind: cas.Access = "propose" if proposes and not may_write else "write"
    return _answer(request, hub, repository, user, kind)


def _answer(
    request: Request, hub: Hub, repository: Repository, user: User | None, kind: cas.Access
) -> JSONResponse:
    token, expires = cas.issue(hub, repository, user, kind)
    address = cas.address(hub, base_url(request))
    headers = {
        "X-Xet-Cas-Url": address,
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expires),
        "Cache-Control": "no-store",
    }
    content = {"casUrl": address, "accessToken": token, "exp": expires}
    return JSONResponse(content, headers=headers)
