"""OAuth's endpoints for programs that log in from a browser: RFC 8628, and RFC 6749, section 6."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from graft.server.people import device
from graft.server.people.auth import CurrentHub, address_of, base_url
from graft.server.people.device import GrantError, Issued

router = APIRouter(tags=["login"])

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"
MAX_VALUE = 1000

_NEVER_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_DESCRIPTIONS: dict[GrantError, str] = {
    "authorization_pending": "Nobody has answered in a browser yet.",
    "slow_down": "Polled too soon: wait five seconds longer each time.",
    "expired_token": "The code has expired: begin again.",
    "access_denied": "The login was refused in the browser.",
    "invalid_grant": "This Hub does not know the code or token, or it was used before.",
}


@router.post("/oauth/device")
async def begin(request: Request, hub: CurrentHub) -> JSONResponse:
    """Begins the login of a program: two codes, and the page to type the short one in."""
    form = await _form(request)
    if not form.get("client_id"):
        return _error("invalid_request", "The form lacks `client_id`.")
    address = address_of(request)
    agent = request.headers.get("user-agent", "")
    codes = await run_in_threadpool(device.begin, hub, agent=agent, address=address)
    page = f"{base_url(request)}/device"
    return _answer(
        {
            "device_code": codes.device_code,
            "user_code": codes.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={codes.user_code}",
            "expires_in": codes.expires_in,
            "interval": codes.interval,
        }
    )


@router.post("/oauth/token")
async def token(request: Request, hub: CurrentHub) -> JSONResponse:
    """A token for a program that polls, or that brings a refresh token."""
    form = await _form(request)
    kind = form.get("grant_type", "")
    if kind == DEVICE_GRANT and form.get("device_code"):
        found = await run_in_threadpool(device.redeem, hub, form["device_code"])
    elif kind == REFRESH_GRANT and form.get("refresh_token"):
        found = await run_in_threadpool(device.refresh, hub, form["refresh_token"])
    elif kind in (DEVICE_GRANT, REFRESH_GRANT):
        return _error("invalid_request", "The form lacks the code or token that it is about.")
    else:
        return _error("unsupported_grant_type", f"Use `{DEVICE_GRANT}` or `{REFRESH_GRANT}`.")
    if isinstance(found, Issued):
        return _answer(
            {
                "access_token": found.access_token,
                "token_type": "bearer",
                "expires_in": found.expires_in,
                "refresh_token": found.refresh_token,
            }
        )
    return _error(found, _DESCRIPTIONS[found])


async def _form(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=20)
    return {
        name: value[:MAX_VALUE] for name, value in form.items() if not isinstance(value, UploadFile)
    }


def _answer(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=_NEVER_STORED)


def _error(code: str, description: str) -> JSONResponse:
    content = {"error": code, "error_description": description}
    return JSONResponse(content, status_code=400, headers=_NEVER_STORED)
