"""Logging a program in from a browser: the device authorization grant (RFC 8628), and refreshing.

The program gets two codes: one that it polls with and keeps, and a short one that a person who has
logged in types in on the Hub's page `/device`. Once they agree, the program gets a token that lives
for a week, and a refresh token that gets it another; each refresh token works once (RFC 9700,
section 4.14), but for a minute in which an answer that was lost on the way can be asked for again:
until somebody uses the token that was in it.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from graft.server.db.tables import DeviceCodeRow, DeviceLoginRow, TokenRow
from graft.server.errors import NotFoundError, RateLimitedError
from graft.server.hub import Hub
from graft.server.people.accounts import digest, end_device_logins, new_secret
from graft.server.records import Account

CODE_SECONDS = 900
"""How long somebody has to agree."""
INTERVAL_SECONDS = 5
"""How long a program waits between two polls; each that comes too early adds as much."""
MAX_INTERVAL_SECONDS = 60
TOKEN_SECONDS = 7 * 24 * 3600
REFRESH_SECONDS = 90 * 24 * 3600
"""After so long without a refresh the person has to agree again."""
GRACE_SECONDS = 60
MAX_CODES_BY_ADDRESS = 200
MAX_TOKENS_OF_LOGIN = 5

# Consonants that nobody takes for one another: no word comes out, and no digit is confused.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_CODE_LETTERS = 8

DeviceRole = Literal["read", "write"]
GrantError = Literal[
    "authorization_pending", "slow_down", "expired_token", "access_denied", "invalid_grant"
]


@dataclass(frozen=True)
class Codes:
    """What a program is told that asks to be logged in."""

    device_code: str
    user_code: str
    expires_in: int
    interval: int


@dataclass(frozen=True)
class Waiting:
    """A program that waits for somebody to agree, as its page shows it."""

    user_code: str
    agent: str
    """What the program says it is."""
    address: str
    """Where its request came from."""
    created_at: datetime


@dataclass(frozen=True)
class Issued:
    """A token for a program, and the one to refresh it with."""

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True)
class DeviceLogin:
    """A program that was logged in."""

    id: int
    name: str
    role: str
    agent: str
    address: str
    created_at: datetime
    refreshed_at: datetime


def begin(hub: Hub, *, agent: str, address: str) -> Codes:
    """Begins a login.

    Raises:
        RateLimitedError: too many from this address wait for an answer already.
    """
    device_code, now = secrets.token_urlsafe(32), datetime.now(UTC)
    with hub.database.writing() as session:
        session.execute(
            delete(DeviceCodeRow).where(DeviceCodeRow.expires_at < now - timedelta(days=1))
        )
        waiting = select(func.count()).where(
            DeviceCodeRow.address == address[:64], DeviceCodeRow.expires_at > now
        )
        if (session.scalar(waiting) or 0) >= MAX_CODES_BY_ADDRESS:
            raise RateLimitedError(
                f"{MAX_CODES_BY_ADDRESS} logins from {address} wait for an answer: try later.",
                headers={"Retry-After": str(CODE_SECONDS)},
            )
        user_code = _free_code(session)
        session.add(
            DeviceCodeRow(
                device_digest=digest(device_code),
                user_code=user_code,
                agent=agent[:200],
                address=address[:64],
                status="pending",
                role="write",
                interval=INTERVAL_SECONDS,
                created_at=now,
                expires_at=now + timedelta(seconds=CODE_SECONDS),
            )
        )
    return Codes(device_code, shown(user_code), CODE_SECONDS, INTERVAL_SECONDS)


def shown(user_code: str) -> str:
    """A user's code as people read it: `BCDF-GHJK`."""
    return f"{user_code[:4]}-{user_code[4:]}"


def typed(text: str) -> str:
    """A user's code however it was typed in: in any case, with or without its dash."""
    return "".join(character for character in text.upper() if character.isalnum())[:16]


def waiting(hub: Hub, code: str) -> Waiting:
    """The program that waits with this code.

    Raises:
        NotFoundError: none, or it waits no longer.
    """
    with hub.database.reading() as session:
        row = _pending(session, code)
        return Waiting(shown(row.user_code), row.agent, row.address, row.created_at)


def answer(hub: Hub, code: str, account: Account, *, role: DeviceRole | None) -> None:
    """Lets the program in that waits with this code, with a token of that role; None refuses.

    Raises:
        NotFoundError: none waits with it any more.
    """
    with hub.database.writing() as session:
        row = _pending(session, code, locked=True)
        row.status = "approved" if role else "denied"
        row.role = role or "read"
        row.account_id = account.id


def redeem(hub: Hub, device_code: str) -> Issued | GrantError:
    """What a program gets that polls: its token once somebody agreed, or why there is none."""
    now = datetime.now(UTC)
    with hub.database.writing() as session:
        row = session.get(DeviceCodeRow, digest(device_code), with_for_update=True)
        if row is None:
            return "invalid_grant"
        if row.expires_at <= now:
            return "expired_token"
        if row.status == "pending":
            return _keep_waiting(row, now)
        session.delete(row)
        if row.status != "approved" or row.account_id is None:
            return "access_denied"
        return _log_in(session, row, row.account_id, now)


def refresh(hub: Hub, refresh_token: str) -> Issued | GrantError:
    """A fresh token for a program that was let in.

    A refresh token that was used before is in two hands, unless the answer to it was lost: the
    login is ended.
    """
    now, key = datetime.now(UTC), digest(refresh_token)
    with hub.database.writing() as session:
        row = session.scalar(
            select(DeviceLoginRow)
            .where(or_(DeviceLoginRow.refresh_digest == key, DeviceLoginRow.previous_digest == key))
            .with_for_update()
        )
        if row is None:
            return "invalid_grant"
        repeated = row.refresh_digest != key
        if row.expires_at <= now or (repeated and _arrived(session, row, now)):
            end_device_logins(session, DeviceLoginRow.id == row.id)
            return "invalid_grant"
        secret = new_secret()
        row.previous_digest = key
        row.refresh_digest = digest(secret)
        row.refreshed_at = now
        row.expires_at = now + timedelta(seconds=REFRESH_SECONDS)
        session.flush()
        return Issued(_new_token(session, row, now), secret, TOKEN_SECONDS)


def logins(hub: Hub, account: Account) -> list[DeviceLogin]:
    """The programs that are logged in to an account, the newest first."""
    query = (
        select(DeviceLoginRow)
        .where(
            DeviceLoginRow.account_id == account.id,
            DeviceLoginRow.expires_at > datetime.now(UTC),
        )
        .order_by(DeviceLoginRow.id.desc())
    )
    with hub.database.reading() as session:
        return [
            DeviceLogin(
                row.id,
                row.name,
                row.role,
                row.agent,
                row.address,
                row.created_at,
                row.refreshed_at,
            )
            for row in session.scalars(query)
        ]


def end(hub: Hub, account: Account, login_id: int) -> None:
    """Logs a program out, at once.

    Raises:
        NotFoundError: the account has no such login.
    """
    mine = (DeviceLoginRow.id == login_id) & (DeviceLoginRow.account_id == account.id)
    with hub.database.writing() as session:
        if not end_device_logins(session, mine):
            raise NotFoundError(f"{account.name} has no login number {login_id}.")


def _free_code(session: Session) -> str:
    while True:
        code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
        taken = select(DeviceCodeRow.user_code).where(DeviceCodeRow.user_code == code)
        if session.scalar(taken) is None:
            return code


def _pending(session: Session, code: str, *, locked: bool = False) -> DeviceCodeRow:
    query = select(DeviceCodeRow).where(
        DeviceCodeRow.user_code == typed(code),
        DeviceCodeRow.status == "pending",
        DeviceCodeRow.expires_at > datetime.now(UTC),
    )
    row = session.scalar(query.with_for_update() if locked else query)
    if row is None:
        raise NotFoundError(
            "No program waits with this code. Check it, or run `hf auth login` again: a code works "
            f"for {CODE_SECONDS // 60} minutes, and once."
        )
    return row


def _keep_waiting(row: DeviceCodeRow, now: datetime) -> GrantError:
    polled, row.polled_at = row.polled_at, now
    # Half a second of leeway: the program measures the time between two of its requests.
    if polled is None or (now - polled).total_seconds() > row.interval - 0.5:
        return "authorization_pending"
    row.interval = min(row.interval + INTERVAL_SECONDS, MAX_INTERVAL_SECONDS)
    return "slow_down"


def _arrived(session: Session, login: DeviceLoginRow, now: datetime) -> bool:
    """Whether the answer to the last refresh reached the program: its token was used since, or so
    much time has passed that the program would have asked again."""
    if now - login.refreshed_at > timedelta(seconds=GRACE_SECONDS):
        return True
    newest = (
        select(TokenRow.last_used_at)
        .where(TokenRow.login_id == login.id)
        .order_by(TokenRow.id.desc())
        .limit(1)
    )
    return session.scalar(newest) is not None


def _log_in(session: Session, row: DeviceCodeRow, account_id: int, now: datetime) -> Issued:
    secret = new_secret()
    login = DeviceLoginRow(
        account_id=account_id,
        name=f"login of {now:%Y-%m-%d %H:%M}",
        role=row.role,
        agent=row.agent,
        address=row.address,
        refresh_digest=digest(secret),
        refreshed_at=now,
        created_at=now,
        expires_at=now + timedelta(seconds=REFRESH_SECONDS),
    )
    session.add(login)
    session.flush()
    return Issued(_new_token(session, login, now), secret, TOKEN_SECONDS)


def _new_token(session: Session, login: DeviceLoginRow, now: datetime) -> str:
    """A token for the login. The ones before it work until they end: a program may still send
    them with what it began."""
    secret = new_secret()
    session.add(
        TokenRow(
            account_id=login.account_id,
            digest=digest(secret),
            name=login.name,
            role=login.role,
            hint=secret[-4:],
            created_at=now,
            expires_at=now + timedelta(seconds=TOKEN_SECONDS),
            login_id=login.id,
        )
    )
    session.flush()
    mine = select(TokenRow.id).where(TokenRow.login_id == login.id).order_by(TokenRow.id.desc())
    old = list(session.scalars(mine.offset(MAX_TOKENS_OF_LOGIN)))
    expired = (TokenRow.login_id == login.id) & (TokenRow.expires_at <= now)
    session.execute(delete(TokenRow).where(or_(TokenRow.id.in_(old), expired)))
    return secret
