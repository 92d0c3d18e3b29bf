"""Who is asking: a token in the Authorization header, or a session cookie from the login page."""

import base64
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from sqlalchemy import delete, update
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from graft.server.db.tables import SessionRow, TokenRow
from graft.server.errors import NotAllowedError, NotLoggedInError
from graft.server.hub import Hub
from graft.server.people import attempts, denials, identity
from graft.server.people.accounts import digest
from graft.server.records import Account, User

logger = logging.getLogger("graft.server")

SESSION_COOKIE = "graft_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Writing the time at every request would make reading cost a write.
_LAST_USED_PRECISION = timedelta(hours=1)

# Clients look for this text: without it they take a 401 for a missing repository.
_BAD_CREDENTIALS = {"X-Error-Message": "Invalid credentials in Authorization header"}


def get_hub(connection: HTTPConnection) -> Hub:
    """The Hub that serves this request."""
    hub: Hub = connection.app.state.hub
    return hub


# Asynchronous, all of them: a worker thread is taken only where the database has to be asked.


async def _the_hub(connection: HTTPConnection) -> Hub:
    return get_hub(connection)


async def current_user(request: Request) -> User | None:
    """Who is asking, or None for somebody unknown.

    Raises:
        NotLoggedInError: a token that is unknown or has expired. A session that has expired is
            nobody: its owner sees the public pages and can log in again.
    """
    header = request.headers.get("authorization")
    if header is not None:
        address = address_of(request)
        user = await run_in_threadpool(user_of_token, get_hub(request), secret_in(header), address)
        request.state.user_name = user.name  # for the log, and for limits
        return user
    return await session_user(request)


async def session_user(request: Request) -> User | None:
    """Who logged in on the login page, or None; a token in the request counts for nothing."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if not cookie:
        return None
    user = await run_in_threadpool(_user_of_session, get_hub(request), cookie)
    if user is not None:
        request.state.user_name = user.name
    return user


async def require_user(user: Annotated[User | None, Depends(current_user)]) -> User:
    """Who is asking.

    Raises:
        NotLoggedInError: nobody known.
    """
    if user is None:
        raise denials.login_needed("This")
    return user


CurrentHub = Annotated[Hub, Depends(_the_hub)]
CurrentUser = Annotated[User | None, Depends(current_user)]
SessionUser = Annotated[User | None, Depends(session_user)]
LoggedInUser = Annotated[User, Depends(require_user)]


def start_session(hub: Hub, request: Request, response: Response, account: Account) -> None:
    """Logs the browser in: sets a cookie of which the database keeps only the hash."""
    secret = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    seconds = hub.settings.session_seconds
    with hub.database.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
        session.add(
            SessionRow(
                digest=digest(secret),
                account_id=account.id,
                created_at=now,
                expires_at=now + timedelta(seconds=seconds),
                agent=request.headers.get("user-agent", "")[:200],
                address=address_of(request)[:64],
            )
        )
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=base_url(request).startswith("https:"),
    )


def end_session(hub: Hub, request: Request, response: Response) -> None:
    """Logs the browser out: the cookie is worth nothing from now on, wherever it was copied to."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie:
        with hub.database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(cookie)))
    response.delete_cookie(SESSION_COOKIE)


def address_of(connection: HTTPConnection) -> str:
    """The network address that a request comes from; "" where it has none."""
    return connection.client.host if connection.client else ""


def base_url(connection: HTTPConnection) -> str:
    """The Hub's address as the client knows it, without a slash at the end."""
    public = get_hub(connection).settings.public_url
    return public or str(connection.base_url).rstrip("/")


def check_same_origin(request: HTTPConnection) -> None:
    """Refuses what another site's page makes a browser send with the user's cookies.

    Programs that are no browsers send neither header, and no other site's cookies.

    Raises:
        NotAllowedError: the request comes from a page of another site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        same = site in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        same = origin is None or urlsplit(origin).netloc in (
            request.headers.get("host", ""),
            urlsplit(base_url(request)).netloc,
        )
    if not same:
        raise NotAllowedError(
            "This request comes from a page of another site. Use the Hub's own pages, or a token."
        )


def secret_in(header: str) -> str:
    """The token in an Authorization header: Bearer, or Basic with the token as the password."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:  # not base64, not even ASCII, or not UTF-8 inside
            raise _bad_credentials("The Authorization header cannot be read.") from None
        return password or name
    raise _bad_credentials("The Authorization header must be `Bearer TOKEN`.")


def user_of_token(hub: Hub, secret: str, address: str = "") -> User:
    """Who the token belongs to that came from an address. Blocks.

    Raises:
        NotLoggedInError: unknown or expired.
        RateLimitedError: so are very many others from this address; one that is right never is
            refused for that.
    """
    now = datetime.now(UTC)
    with hub.database.querying() as reader:
        found = identity.by_secret(reader, digest(secret))
    if found is None:
        _note_wrong(hub, address)
        raise _bad_credentials(
            "This Hub does not know the token: it was deleted, or belongs to another hub."
        )
    user, used = found
    if user.expires_at is not None and user.expires_at <= now:
        _note_wrong(hub, address)
        raise _bad_credentials(
            f"The token {user.token_name!r} expired on {user.expires_at:%Y-%m-%d at %H:%M UTC}. "
            "Make a new one on the page /settings/tokens or with `graft hub token create`."
        )
    if used is None or now - used > _LAST_USED_PRECISION:
        _note_use(hub, user, now)
    return user


def _note_wrong(hub: Hub, address: str) -> None:
    who = ("token", attempts.network_of(address))
    hub.attempts.check(attempts.WRONG_TOKENS, *who)
    hub.attempts.note(attempts.WRONG_TOKENS, *who)


def _note_use(hub: Hub, user: User, now: datetime) -> None:
    """Writes when the token was last used; a database that cannot be written to stops no reader."""
    try:
        with hub.database.writing() as session:
            session.execute(
                update(TokenRow).where(TokenRow.id == user.token_id).values(last_used_at=now)
            )
    except SQLAlchemyError as error:
        logger.warning("The use of a token could not be noted: %s", error)


def _user_of_session(hub: Hub, cookie: str) -> User | None:
    with hub.database.querying() as reader:
        return identity.by_cookie(reader, digest(cookie))


def _bad_credentials(message: str) -> NotLoggedInError:
    return NotLoggedInError(message, headers=_BAD_CREDENTIALS)
