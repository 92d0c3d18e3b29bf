"""Logging in and out, joining, access tokens, and creating a repository."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from graft.server.errors import (
    BadRequestError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
)
from graft.server.people import access, accounts, auth, tokens
from graft.server.people.scopes import PERMISSIONS
from graft.server.records import Account, Kind, Role
from graft.server.repositories import lifecycle
from graft.server.web.addresses import is_local
from graft.server.web.routing import page_router
from graft.server.web.visit import OwnVisit, PersonalVisit, SessionVisit, Visit

router = page_router()

Text = Annotated[str, Form()]

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "until deleted"}
"""Days until a new token expires, as the form offers them."""


@router.get("/login")
def login_page(visit: SessionVisit, next_page: str = "/") -> Response:
    """The form to log in with."""
    return visit.page("login.html", next_page=_safe(next_page), name="", wrong="")


@router.post("/login")
def log_in(
    visit: SessionVisit, name: Text = "", password: Text = "", next_page: Text = "/"
) -> Response:
    """Starts a session, or shows the form again and says why not."""
    address = auth.address_of(visit.request)
    try:
        account = accounts.log_in(visit.hub, name.strip(), password, address)
    except RateLimitedError as error:
        response = _login_again(visit, name, next_page, str(error), error.status)
        response.headers.update(error.headers)
        return response
    if account is None:
        wrong = "That name and password do not belong together. Check both and try again."
        return _login_again(visit, name, next_page, wrong, 401)
    return _welcomed(visit, account, _safe(next_page))


def _login_again(visit: Visit, name: str, next_page: str, wrong: str, status: int) -> Response:
    values = {"next_page": _safe(next_page), "name": name, "wrong": wrong}
    return visit.page("login.html", status=status, **values)


@router.post("/logout")
def log_out(visit: SessionVisit) -> Response:
    """Ends the session."""
    response = RedirectResponse("/", status_code=303)
    auth.end_session(visit.hub, visit.request, response)
    return response


@router.get("/join")
def join_page(visit: SessionVisit) -> Response:
    """The form to make an account with, where this Hub allows that."""
    _require_sign_up(visit)
    return visit.page("join.html", name="", wrong="")


@router.post("/join")
def join(visit: SessionVisit, name: Text = "", password: Text = "") -> Response:
    """Makes an account and logs in to it."""
    _require_sign_up(visit)
    try:
        account = accounts.create_account(visit.hub, name.strip(), password=password)
    except RefusedError as error:
        return visit.page("join.html", status=error.status, name=name, wrong=str(error))
    return _welcomed(visit, account, "/")


def _require_sign_up(visit: Visit) -> None:
    if not visit.hub.settings.allow_sign_up:
        raise NotFoundError("This Hub's accounts are made by whoever runs it; ask them for one.")


def _welcomed(visit: Visit, account: Account, address: str) -> Response:
    response = RedirectResponse(address, status_code=303)
    auth.start_session(visit.hub, visit.request, response, account)
    return response


@router.get("/settings/password")
def password_page(visit: OwnVisit) -> Response:
    """The form to change one's password with."""
    return _password(visit)


@router.post("/settings/password")
def change_password(
    visit: OwnVisit, current: Text = "", new: Text = "", again: Text = ""
) -> Response:
    """Gives the account another password, where the current one is known, and logs out all other
    browsers: this one gets a new session."""
    address = auth.address_of(visit.request)
    try:
        account = accounts.log_in(visit.hub, visit.user.name, current, address)
        if account is None:
            raise NotAllowedError("That is not your current password. Nothing was changed.")
        if new != again:
            raise BadRequestError("The two new passwords differ. Nothing was changed.")
        accounts.set_password(visit.hub, account, new)
    except RefusedError as error:
        response = _password(visit, wrong=str(error), status=error.status)
        response.headers.update(error.headers)
        return response
    response = _password(visit, done=True)
    auth.start_session(visit.hub, visit.request, response, account)
    return response


def _password(
    visit: PersonalVisit, *, done: bool = False, wrong: str = "", status: int = 200
) -> Response:
    response = visit.page("password.html", status=status, done=done, wrong=wrong)
    response.headers["Cache-Control"] = "no-store"
    return response


def _safe(address: str) -> str:
    """Only pages of this Hub may be gone to after logging in."""
    local = address.startswith("/") and is_local(address) and address.isprintable()
    return address if local else "/"


@router.get("/settings/tokens")
def tokens_page(visit: OwnVisit) -> Response:
    """The account's access tokens."""
    return _tokens(visit)


@router.post("/settings/tokens")
def create_token(
    visit: OwnVisit, name: Text = "", role: Text = "read", days: Text = "90", allow: Text = ""
) -> Response:
    """Makes a token, and shows it this once."""
    fine = role == "fine-grained"
    chosen: Role = "fine-grained" if fine else "write" if role == "write" else "read"
    lifetime = int(days) if days in LIFETIMES and days else None
    expires = datetime.now(UTC) + timedelta(days=lifetime) if lifetime else None
    try:
        _, secret = accounts.create_token(
            visit.hub,
            visit.user.account,
            name=name.strip() or "token",
            role=chosen,
            expires_at=expires,
            scopes=tokens.parse_scopes(visit.hub, visit.user, allow.splitlines()) if fine else None,
        )
    except RefusedError as error:
        return _tokens(visit, wrong=str(error), status=error.status, allow=allow)
    return _tokens(visit, secret=secret)


@router.post("/settings/tokens/{token_id}/delete")
def delete_token(visit: OwnVisit, token_id: int) -> Response:
    """Deletes a token of the account."""
    accounts.delete_token(visit.hub, visit.user.account, token_id)
    return RedirectResponse("/settings/tokens", status_code=303)


def _tokens(
    visit: PersonalVisit,
    *,
    secret: str = "",
    wrong: str = "",
    status: int = 200,
    allow: str = "",
) -> Response:
    found = accounts.list_tokens(visit.hub, visit.user.account)
    response = visit.page(
        "tokens.html",
        status=status,
        tokens=found,
        may={t.id: tokens.describe(visit.hub, t.scopes) if t.scopes else [] for t in found},
        permissions=PERMISSIONS,
        allow=allow,
        lifetimes=LIFETIMES,
        secret=secret,
        wrong=wrong,
        now=datetime.now(UTC),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/new")
def new_page(visit: OwnVisit, kind: str = "model") -> Response:
    """The form to create a repository with."""
    return _new(visit, kind=kind)


def _new(
    visit: PersonalVisit,
    *,
    kind: str,
    owner: str = "",
    name: str = "",
    private: bool = False,
    wrong: str = "",
    status: int = 200,
) -> Response:
    """The form, with what was filled in before."""
    places = [m.organization for m in visit.user.memberships]
    return visit.page(
        "new.html",
        status=status,
        kind=kind,
        owners=[place.name for place in places if access.may_create(visit.user, place)],
        owner=owner,
        name=name,
        private=private,
        wrong=wrong,
    )


@router.post("/new")
def create_repository(
    visit: OwnVisit,
    name: Text = "",
    kind: Text = "model",
    visibility: Text = "public",
    owner: Text = "",
) -> Response:
    """Creates a repository of the account, or of an organization of its, and shows it."""
    private = visibility == "private"
    try:
        repository = lifecycle.create(
            visit.hub,
            Kind.DATASET if kind == "dataset" else Kind.MODEL,
            owner or visit.user.name,
            name.strip(),
            private=private,
            user=visit.user,
        )
    except RefusedError as error:
        return _new(
            visit,
            kind=kind,
            owner=owner,
            name=name,
            private=private,
            wrong=str(error),
            status=error.status,
        )
    return RedirectResponse(repository.path, status_code=303)
