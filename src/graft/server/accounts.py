"""Accounts, their passwords and their tokens."""

import hashlib
import secrets
from datetime import UTC, datetime

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from graft.server import identity, scopes
from graft.server.db.tables import AccountRow, TokenRow
from graft.server.errors import BadRequestError, ConflictError, NotFoundError
from graft.server.hub import Hub
from graft.server.names import check_account_name
from graft.server.records import Account, Role, Token

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1000
TOKEN_PREFIX = "graft_"

_hasher = PasswordHasher()
# Checked where an account is missing or has no password, so that the answer takes as long.
_DUMMY_HASH = _hasher.hash(secrets.token_hex(16))


def digest(secret: str) -> bytes:
    """What is kept of a token or a cookie. SHA-256 is enough: the secret is 160 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def create_account(
    hub: Hub, name: str, *, password: str | None = None, full_name: str = ""
) -> Account:
    """A new account; without a password it logs in with tokens only.

    Raises:
        BadRequestError: a name or a password that it cannot have.
        ConflictError: the name is taken.
    """
    check_account_name(name)
    if password is not None and not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise BadRequestError(
            f"The password has {len(password)} characters; it must have "
            f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH}."
        )
    row = AccountRow(
        key=name.lower(),
        name=name,
        full_name=full_name.strip()[:200] or name,
        password_hash=_hasher.hash(password) if password is not None else None,
        created_at=datetime.now(UTC),
    )
    try:
        with hub.database.writing() as session:
            session.add(row)
            session.flush()
            return to_account(row)
    except IntegrityError as error:
        raise ConflictError(f"The account name {name!r} is taken: choose another.") from error


def find_account(hub: Hub, name: str) -> Account:
    """
    Raises:
        NotFoundError: no such account.
    """
    with hub.database.reading() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower()))
        if row is None:
            raise NotFoundError(f"There is no account {name!r} on this Hub.")
        return to_account(row)


def list_accounts(hub: Hub) -> list[Account]:
    """All accounts, by name."""
    with hub.database.reading() as session:
        return [to_account(row) for row in session.scalars(select(AccountRow).order_by("key"))]


def count_accounts(hub: Hub) -> int:
    """How many accounts there are."""
    with hub.database.reading() as session:
        return session.scalar(select(func.count()).select_from(AccountRow)) or 0


def check_password(hub: Hub, name: str, password: str) -> Account | None:
    """The account, when the password is its own; takes equally long when it is not."""
    with hub.database.reading() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower()))
        hashed = row.password_hash if row is not None else None
        account = to_account(row) if row is not None else None
    try:
        _hasher.verify(hashed or _DUMMY_HASH, password[:MAX_PASSWORD_LENGTH])
    except VerificationError:
        return None
    return account if hashed else None


def create_token(
    hub: Hub,
    account: Account,
    *,
    name: str,
    role: Role = "write",
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token, and its secret: this is the only time that anybody sees it.

    Raises:
        BadRequestError: an empty name, an unknown role.
        ConflictError: the account has a token of that name.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise BadRequestError("A token's name must have 1 to 100 characters.")
    if role not in ("read", "write"):
        raise BadRequestError(f"A token's role is 'read' or 'write', not {role!r}.")
    secret = TOKEN_PREFIX + secrets.token_hex(20)
    row = TokenRow(
        account_id=account.id,
        digest=digest(secret),
        name=name,
        role=role,
        hint=secret[-4:],
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    with hub.database.writing() as session:
        same = (TokenRow.account_id == account.id, TokenRow.name == name)
        if session.scalar(select(TokenRow.id).where(*same)) is not None:
            raise ConflictError(f"{account.name} has a token {name!r} already.")
        session.add(row)
        session.flush()
        return to_token(row), secret


def list_tokens(hub: Hub, account: Account) -> list[Token]:
    """The account's tokens, the newest first."""
    with hub.database.reading() as session:
        rows = session.scalars(
            select(TokenRow).where(TokenRow.account_id == account.id).order_by(TokenRow.id.desc())
        )
        return [to_token(row) for row in rows]


def delete_token(hub: Hub, account: Account, token_id: int) -> None:
    """
    Raises:
        NotFoundError: the account has no such token.
    """
    with hub.database.writing() as session:
        row = session.get(TokenRow, token_id)
        if row is None or row.account_id != account.id:
            raise NotFoundError(f"{account.name} has no token number {token_id}.")
        session.delete(row)


def to_account(row: AccountRow) -> Account:
    """An account's row as a plain value that outlives the transaction."""
    kind = identity.to_account_type(row.type)
    return Account(row.id, row.name, row.full_name, row.created_at, kind, row.details)


def to_token(row: TokenRow) -> Token:
    """A token's row as a plain value, without the secret."""
    role = identity.to_role(row.role)
    return Token(
        row.id,
        row.name,
        role,
        row.hint,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        scopes.from_text(row.scopes) if role == "fine-grained" else None,
    )
