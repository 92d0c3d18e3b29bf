"""Browsers that are logged in to an account: listed, and logged out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from graft.server.db.tables import SessionRow
from graft.server.errors import NotFoundError
from graft.server.hub import Hub
from graft.server.people.accounts import digest
from graft.server.records import Account

_SHOWN_DIGITS = 16


@dataclass(frozen=True)
class BrowserSession:
    """A browser that is logged in. `key` names it on the page, and opens nothing."""

    key: str
    agent: str
    """What the browser said it is."""
    address: str
    created_at: datetime
    expires_at: datetime
    is_this: bool
    """Whether it is the browser that asks."""


def of_account(hub: Hub, account: Account, cookie: str | None) -> list[BrowserSession]:
    """The browsers that are logged in, the newest first."""
    query = (
        select(SessionRow)
        .where(SessionRow.account_id == account.id, SessionRow.expires_at > datetime.now(UTC))
        .order_by(SessionRow.created_at.desc())
    )
    mine = digest(cookie) if cookie else b""
    with hub.database.reading() as session:
        return [
            BrowserSession(
                _key(row.digest),
                row.agent,
                row.address,
                row.created_at,
                row.expires_at,
                row.digest == mine,
            )
            for row in session.scalars(query)
        ]


def end(hub: Hub, account: Account, key: str) -> None:
    """Logs a browser out, at once.

    Raises:
        NotFoundError: the account has no such session.
    """
    mine = select(SessionRow.digest).where(SessionRow.account_id == account.id)
    with hub.database.writing() as session:
        found = [value for value in session.scalars(mine) if _key(value) == key]
        if not found:
            raise NotFoundError(f"{account.name} has no such session.")
        session.execute(delete(SessionRow).where(SessionRow.digest.in_(found)))


def _key(value: bytes) -> str:
    return value.hex()[:_SHOWN_DIGITS]
