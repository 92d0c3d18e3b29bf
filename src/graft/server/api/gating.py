"""Requests for the files of gated repositories: asking, seeing who asked, deciding."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server.api import wire
from graft.server.api.profiles import avatar_url
from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.errors import BadRequestError, NotFoundError
from graft.server.people import access, accounts, gating
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.people.gating import AccessRequest, Status

router = APIRouter()

PAGE = 500
_ID = re.compile(r"[0-9a-f]{24}")


class Asking(BaseModel):
    """What somebody fills in who asks for access."""

    fields: dict[str, str | bool] = {}


class Decision(BaseModel):
    """What is to become of a request: whose it is, by name or by its own number."""

    status: Status
    user: str | None = None
    request_id: Annotated[str | None, Field(alias="requestId")] = None
    reason: Annotated[str | None, Field(alias="rejectionReason")] = None


class Invitation(BaseModel):
    """Whom to let in."""

    user: str


@router.post(f"{REPOSITORY}/ask-access")
def ask(
    repository: PathRepository, hub: CurrentHub, user: CurrentUser, body: Asking | None = None
) -> dict[str, str]:
    """Asks for the files in the asker's name."""
    return {"status": gating.ask(hub, repository, user, body.fields if body else None)}


@router.post(f"{REPOSITORY}/user-access-request/handle")
def handle(
    body: Decision, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Accepts or rejects a request, or puts it back among the pending ones."""
    access.check(user, repository, "admin")
    if (body.user is None) == (body.request_id is None):
        raise BadRequestError("Say whose request it is: either `user` or `requestId`.")
    if body.request_id is not None and not _ID.fullmatch(body.request_id):
        raise NotFoundError(f"There is no request {body.request_id[:40]!r}.")
    gating.handle(
        hub,
        repository,
        user,
        status=body.status,
        account=accounts.find_person(hub, body.user) if body.user is not None else None,
        request_id=_number(body.request_id) if body.request_id is not None else None,
        reason=body.reason,
    )
    return {"success": True}


@router.post(f"{REPOSITORY}/user-access-request/grant")
def grant(
    body: Invitation, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Lets somebody in who need not have asked."""
    access.check(user, repository, "admin")
    gating.grant(hub, repository, user, accounts.find_person(hub, body.user))
    return {"success": True}


@router.get(f"{REPOSITORY}/user-access-request/{{status}}")
def list_requests(
    request: Request,
    status: Status,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    cursor: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> JSONResponse:
    """The requests that are pending, accepted or rejected, the oldest first."""
    page = gating.requests(hub, repository, status, user, after=cursor, limit=limit + 1)
    base = base_url(request)
    items = [_request(base, found) for found in page[:limit]]
    headers = next_link(request, cursor=page[limit - 1].id) if len(page) > limit else {}
    return JSONResponse(items, headers=headers)


def _number(request_id: str) -> int:
    """The row's number; one that no row can have where more digits were sent than it takes."""
    return min(int(request_id, 16), 2**62)


def _request(base: str, found: AccessRequest) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "requestId": f"{found.id:024x}",
        "user": {
            "_id": f"{found.account.id:024x}",
            "user": found.account.name,
            "fullname": found.account.full_name,
            "avatarUrl": avatar_url(base, found.account.name),
            "type": "user",
        },
        "status": found.status,
        "timestamp": wire.moment(found.created_at),
    }
    if found.fields:
        answer["fields"] = found.fields
    if found.reason:
        answer["rejectionReason"] = found.reason
    return answer
