"""Accounts, their passwords and their tokens."""

import hashlib
import secrets
from datetime import UTC, datetime

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from graft.server.db.tables import AccountRow, DeviceLoginRow, SessionRow, TokenRow
from graft.server.errors import BadRequestError, ConflictError, NotFoundError
from graft.server.hub import Hub
from graft.server.names import MAX_ACCOUNT_NAME, check_account_name
from graft.server.people import attempts, identity
from graft.server.people import scopes as token_scopes
from graft.server.records import Account, Role, Scopes, Token

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1000
MAX_DETAILS = 2000
"""Characters that an account may say about itself."""
TOKEN_PREFIX = "graft_"

_hasher = PasswordHasher()
# Checked where an account is missing or has no password, so that the answer takes as long: no
# password has this hash, whose making would take a tenth of a second of each start.
_DUMMY_HASH = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


def digest(secret: str) -> bytes:
    """What is kept of a token or a cookie. SHA-256 is enough: the secret is 160 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """The secret of a new token: 160 random bits, and how one knows what it is."""
    return TOKEN_PREFIX + secrets.token_hex(20)


def create_account(
    hub: Hub, name: str, *, password: str | None = None, full_name: str = ""
) -> Account:
    """A new account; without a password it logs in with tokens only.

    Raises:
        BadRequestError: a name or a password that it cannot have.
        ConflictError: the name is taken.
    """
    check_account_name(name)
    row = AccountRow(
        key=name.lower(),
        name=name,
        full_name=full_name.strip()[:200] or name,
        password_hash=_hash(password) if password is not None else None,
        created_at=datetime.now(UTC),
    )
    try:
        with hub.database.writing() as session:
            session.add(row)
            session.flush()
            return to_account(row)
    except IntegrityError as error:
        raise ConflictError(f"The account name {name!r} is taken: choose another.") from error


def set_password(hub: Hub, account: Account, password: str) -> None:
    """Gives an account another password, and ends what was logged in with the old one: browsers,
    and the programs that they let in. Tokens stay: delete those that may be in wrong hands.

    Raises:
        BadRequestError: a password that it cannot have, or an organization.
        NotFoundError: the account has just been deleted.
    """
    if account.is_organization:
        raise BadRequestError(f"{account.name} is an organization: nobody logs in to it.")
    hashed = _hash(password)
    with hub.database.writing() as session:
        row = session.get(AccountRow, account.id)
        if row is None:
            raise NotFoundError(f"The account {account.name} has just been deleted.")
        row.password_hash = hashed
        session.execute(delete(SessionRow).where(SessionRow.account_id == account.id))
        end_device_logins(session, DeviceLoginRow.account_id == account.id)


def end_device_logins(session: Session, condition: ColumnElement[bool]) -> int:
    """Logs programs out that were let in from a browser: deletes their tokens with the logins, and
    answers how many there were."""
    ids = list(session.scalars(select(DeviceLoginRow.id).where(condition)))
    session.execute(delete(TokenRow).where(TokenRow.login_id.in_(ids)))
    session.execute(delete(DeviceLoginRow).where(DeviceLoginRow.id.in_(ids)))
    return len(ids)


def _hash(password: str) -> str:
    """
    Raises:
        BadRequestError: too short or too long.
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise BadRequestError(
            f"The password has {len(password)} characters; it must have "
            f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH}."
        )
    return _hasher.hash(password)


def change(
    hub: Hub, account: Account, *, full_name: str | None = None, details: str | None = None
) -> Account:
    """Changes what an account says about itself.

    Raises:
        NotFoundError: it has just been deleted.
    """
    with hub.database.writing() as session:
        row = session.get(AccountRow, account.id)
        if row is None:
            raise NotFoundError(f"The account {account.name} has just been deleted.")
        if full_name is not None:
            row.full_name = full_name.strip()[:200] or row.name
        if details is not None:
            row.details = details.strip()[:MAX_DETAILS]
        return to_account(row)


def find_person(hub: Hub, name: str) -> Account:
    """The account of that name, when it is a person's.

    Raises:
        NotFoundError: no such account, or an organization.
    """
    account = find_account(hub, name)
    if account.is_organization:
        raise NotFoundError(f"{account.name} is an organization, not a person.")
    return account


def find_account(hub: Hub, name: str) -> Account:
    """The account of that name, a person's or an organization.

    Raises:
        NotFoundError: no such account.
    """
    with hub.database.reading() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower()))
        if row is None:
            raise NotFoundError(f"There is no account {name!r} on this Hub.")
        return to_account(row)


def list_accounts(hub: Hub) -> list[Account]:
    """All accounts of people, by name."""
    query = select(AccountRow).where(AccountRow.type == "user").order_by(AccountRow.key)
    with hub.database.reading() as session:
        return [to_account(row) for row in session.scalars(query)]


def count_accounts(hub: Hub) -> int:
    """How many people have an account."""
    query = select(func.count()).where(AccountRow.type == "user")
    with hub.database.reading() as session:
        return session.scalar(query) or 0


def log_in(hub: Hub, name: str, password: str, address: str) -> Account | None:
    """`check_password` for somebody at an address, who may not be wrong too often.

    Raises:
        RateLimitedError: too many were wrong lately; says when to try again.
    """
    key = name.lower()[:MAX_ACCOUNT_NAME]
    network = attempts.network_of(address)
    limits = (
        (attempts.WRONG_BY_PAIR, "password", key, network),
        (attempts.WRONG_BY_ADDRESS, "password from", network),
        (attempts.WRONG_BY_ACCOUNT, "password for", key),
    )
    for limit, *who in limits:
        hub.attempts.check(limit, *who)
    account = check_password(hub, name, password)
    if account is None:
        for limit, *who in limits:
            hub.attempts.note(limit, *who)
    else:
        hub.attempts.forget("password", key, network)
    return account


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
    scopes: Scopes | None = None,
) -> tuple[Token, str]:
    """A new token, and its secret: this is the only time that anybody sees it.

    Args:
        scopes: what a fine-grained token may do and where.

    Raises:
        BadRequestError: an empty name, an unknown role, scopes that make no sense; an
            organization, which has no tokens.
        ConflictError: the account has a token of that name.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise BadRequestError("A token's name must have 1 to 100 characters.")
    if account.is_organization:
        raise BadRequestError(
            f"{account.name} is an organization: make the token for one of its members."
        )
    if role not in ("read", "write", "fine-grained"):
        raise BadRequestError(f"A token's role is 'read', 'write' or 'fine-grained', not {role!r}.")
    if (scopes is not None) != (role == "fine-grained"):
        raise BadRequestError("A fine-grained token needs scopes, and no other has any.")
    secret = new_secret()
    row = TokenRow(
        account_id=account.id,
        digest=digest(secret),
        name=name,
        role=role,
        hint=secret[-4:],
        created_at=datetime.now(UTC),
        expires_at=expires_at,
        scopes=token_scopes.to_text(token_scopes.check(scopes)) if scopes is not None else None,
    )
    with hub.database.writing() as session:
        same = (TokenRow.account_id == account.id, TokenRow.name == name)
        if session.scalar(select(TokenRow.id).where(*same)) is not None:
            raise ConflictError(f"{account.name} has a token {name!r} already.")
        session.add(row)
        session.flush()
        return to_token(row), secret


def list_tokens(hub: Hub, account: Account) -> list[Token]:
    """The tokens that somebody made for the account, the newest first."""
    query = (
        select(TokenRow)
        .where(TokenRow.account_id == account.id, TokenRow.login_id.is_(None))
        .order_by(TokenRow.id.desc())
    )
    with hub.database.reading() as session:
        return [to_token(row) for row in session.scalars(query)]


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
        token_scopes.from_text(row.scopes) if role == "fine-grained" else None,
    )
