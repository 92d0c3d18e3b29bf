"""The pages that let programs in, and what is logged in to an account: browsers and programs."""

from typing import Annotated

from fastapi import Form, Query
from fastapi.responses import RedirectResponse, Response

from graft.server.errors import NotFoundError, RefusedError
from graft.server.people import attempts, device, sessions
from graft.server.people.auth import SESSION_COOKIE
from graft.server.web.routing import page_router
from graft.server.web.visit import OwnVisit, PersonalVisit, Visit

router = page_router()

Text = Annotated[str, Form(max_length=100)]


@router.get("/device")
def device_page(visit: OwnVisit, code: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Asks for the code that a program shows; with one, whether to let that program in.

    To follow a link with a code changes nothing: the answer is a form of its own.
    """
    if not device.typed(code):
        return visit.page("device.html", found=None, code="", done="", wrong="")
    return _ask(visit, code)


@router.post("/device")
def answer(visit: OwnVisit, code: Text = "", decision: Text = "", role: Text = "write") -> Response:
    """Lets the program in, or refuses it."""
    if decision not in ("allow", "refuse"):
        return _ask(visit, code)
    chosen: device.DeviceRole = "read" if role == "read" else "write"
    try:
        _check_attempts(visit)
        found = device.waiting(visit.hub, code)
        device.answer(
            visit.hub, code, visit.user.account, role=chosen if decision == "allow" else None
        )
    except RefusedError as error:
        _note(visit, error)
        return _form(visit, code, error)
    done = "allowed" if decision == "allow" else "refused"
    return visit.page("device.html", found=found, code="", done=done, wrong="")


def _ask(visit: PersonalVisit, code: str) -> Response:
    try:
        _check_attempts(visit)
        found = device.waiting(visit.hub, code)
    except RefusedError as error:
        _note(visit, error)
        return _form(visit, code, error)
    return visit.page("device.html", found=found, code=found.user_code, done="", wrong="")


def _form(visit: Visit, code: str, error: RefusedError) -> Response:
    values = {"found": None, "code": code, "done": "", "wrong": str(error)}
    response = visit.page("device.html", status=error.status, **values)
    response.headers.update(error.headers)
    return response


def _check_attempts(visit: PersonalVisit) -> None:
    visit.hub.attempts.check(attempts.WRONG_CODES, "code", visit.user.name)


def _note(visit: PersonalVisit, error: RefusedError) -> None:
    if isinstance(error, NotFoundError):
        visit.hub.attempts.note(attempts.WRONG_CODES, "code", visit.user.name)


@router.get("/settings/sessions")
def sessions_page(visit: OwnVisit) -> Response:
    """What is logged in to the account."""
    account = visit.user.account
    cookie = visit.request.cookies.get(SESSION_COOKIE)
    response = visit.page(
        "sessions.html",
        browsers=sessions.of_account(visit.hub, account, cookie),
        programs=device.logins(visit.hub, account),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/settings/sessions/{key}/end")
def end_session(visit: OwnVisit, key: str) -> Response:
    """Logs a browser out."""
    sessions.end(visit.hub, visit.user.account, key)
    return RedirectResponse("/settings/sessions", status_code=303)


@router.post("/settings/devices/{login_id}/end")
def end_device(visit: OwnVisit, login_id: int) -> Response:
    """Logs a program out."""
    device.end(visit.hub, visit.user.account, login_id)
    return RedirectResponse("/settings/sessions", status_code=303)
