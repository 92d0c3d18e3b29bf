"""Finding out who asks: an account with its organizations and its token's reach, in one query."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.orm import aliased

from graft.server.db.database import Reader
from graft.server.db.tables import AccountRow, MemberRow, SessionRow, TokenRow
from graft.server.people import scopes
from graft.server.records import Account, AccountType, MemberRole, Membership, Role, User

LOGIN_PAGE = "the login page"
"""What stands in for a token's name where a browser has logged in."""

_organization = aliased(AccountRow, name="organization")


def _account_columns(table: Any) -> tuple[Any, ...]:
    return table.id, table.name, table.full_name, table.created_at, table.type, table.details


def _with_memberships(query: Select[Any]) -> Select[Any]:
    # Plain columns, no mapped rows: this runs with every request that carries a token.
    return query.outerjoin(MemberRow, MemberRow.account_id == AccountRow.id).outerjoin(
        _organization, _organization.id == MemberRow.organization_id
    )


_TOKEN = (
    *(TokenRow.id, TokenRow.name, TokenRow.role, TokenRow.scopes, TokenRow.expires_at),
    TokenRow.login_id,
)
_WHO = (*_account_columns(AccountRow), MemberRow.role, *_account_columns(_organization))

_BY_SECRET = _with_memberships(
    select(*_WHO, *_TOKEN, TokenRow.last_used_at)
    .select_from(TokenRow)
    .join(AccountRow, AccountRow.id == TokenRow.account_id)
).where(TokenRow.digest == bindparam("digest"))
_BY_TOKEN_ID = _with_memberships(
    select(*_WHO, *_TOKEN, TokenRow.last_used_at)
    .select_from(TokenRow)
    .join(AccountRow, AccountRow.id == TokenRow.account_id)
).where(TokenRow.id == bindparam("token_id"), TokenRow.account_id == bindparam("account_id"))
_BY_COOKIE = _with_memberships(
    select(*_WHO, SessionRow.expires_at)
    .select_from(SessionRow)
    .join(AccountRow, AccountRow.id == SessionRow.account_id)
).where(SessionRow.digest == bindparam("digest"))
_BY_ACCOUNT = _with_memberships(select(*_WHO).select_from(AccountRow)).where(
    AccountRow.id == bindparam("account_id")
)
_TOKEN_AT = len(_WHO)
_MEMBER_AT = 6


def by_secret(reader: Reader, digest: bytes) -> tuple[User, datetime | None] | None:
    """Whose token it is, and when it was last used; None for an unknown one.

    An expired token still answers its user: look at `expires_at`.
    """
    rows = reader.execute(_BY_SECRET, {"digest": digest}).all()
    return (_token_user(rows), rows[0][-1]) if rows else None


def by_cookie(reader: Reader, digest: bytes) -> User | None:
    """Who logged in with this cookie, or None where that was nobody, or too long ago."""
    rows = reader.execute(_BY_COOKIE, {"digest": digest}).all()
    if not rows or rows[0][-1] <= datetime.now(UTC):
        return None
    return User(_account(rows[0], 0), "write", LOGIN_PAGE, _memberships(rows))


def again(reader: Reader, account_id: int, token_id: int | None) -> User | None:
    """Who asked, for what works on after the request: a hook of git, a transfer's own token.

    None once the token is deleted or has expired. `token_id` None is a browser's session: it may
    do all that the account may.
    """
    if token_id is not None:
        given = {"account_id": account_id, "token_id": token_id}
        rows = reader.execute(_BY_TOKEN_ID, given).all()
        if not rows:
            return None
        user = _token_user(rows)
        over = user.expires_at is not None and user.expires_at <= datetime.now(UTC)
        return None if over else user
    rows = reader.execute(_BY_ACCOUNT, {"account_id": account_id}).all()
    return User(_account(rows[0], 0), "write", LOGIN_PAGE, _memberships(rows)) if rows else None


def _token_user(rows: Sequence[Row[Any]]) -> User:
    first = rows[0]
    token_id, name, role, kept, expires_at, login_id = first[_TOKEN_AT : _TOKEN_AT + len(_TOKEN)]
    return User(
        _account(first, 0),
        to_role(role),
        name,
        _memberships(rows),
        scopes.from_text(kept),
        token_id,
        expires_at,
        login_id is not None,
    )


def _memberships(rows: Sequence[Row[Any]]) -> tuple[Membership, ...]:
    return tuple(
        Membership(_account(row, _MEMBER_AT + 1), to_member_role(row[_MEMBER_AT]))
        for row in rows
        if row[_MEMBER_AT] is not None
    )


def _account(row: Row[Any], at: int) -> Account:
    id_, name, full_name, created_at, kind, details = row[at : at + 6]
    return Account(id_, name, full_name, created_at, to_account_type(kind), details)


def to_role(value: str) -> Role:
    """A token's role as the database keeps it; what is unknown may least."""
    return "write" if value == "write" else "fine-grained" if value == "fine-grained" else "read"


def to_account_type(value: str) -> AccountType:
    """An account's type as the database keeps it."""
    return "organization" if value == "organization" else "user"


def to_member_role(value: str) -> MemberRole:
    """A member's role as the database keeps it; what is unknown may least."""
    for role in MEMBER_ROLES:
        if role == value:
            return role
    return "read"


MEMBER_ROLES: tuple[MemberRole, ...] = ("read", "contribute", "write", "admin")
