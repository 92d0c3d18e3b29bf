"""Organizations: accounts that nobody logs in to, and whose members own repositories together."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from graft.server.db.tables import AccountRow, MemberRow, RepositoryRow
from graft.server.errors import BadRequestError, ConflictError, NotAllowedError, NotFoundError
from graft.server.hub import Hub
from graft.server.names import check_account_name
from graft.server.people import access
from graft.server.people.accounts import MAX_DETAILS, to_account
from graft.server.people.identity import MEMBER_ROLES, to_member_role
from graft.server.records import Account, MemberRole, User


@dataclass(frozen=True)
class Member:
    """Somebody who belongs to an organization."""

    account: Account
    role: MemberRole
    since: datetime


def create(
    hub: Hub, name: str, *, founder: Account, full_name: str = "", details: str = ""
) -> Account:
    """A new organization; who founds it is its first admin.

    Raises:
        BadRequestError: a name that it cannot have.
        ConflictError: an account or organization has the name.
    """
    check_account_name(name)
    now = datetime.now(UTC)
    row = AccountRow(
        key=name.lower(),
        name=name,
        full_name=full_name.strip()[:200] or name,
        created_at=now,
        type="organization",
        details=details.strip()[:MAX_DETAILS],
    )
    try:
        with hub.database.writing() as session:
            session.add(row)
            session.flush()
            member = MemberRow(organization_id=row.id, account_id=founder.id, role="admin")
            member.created_at = now
            session.add(member)
            session.flush()
            return to_account(row)
    except IntegrityError as error:
        raise ConflictError(f"The name {name!r} is taken: choose another.") from error


def find(hub: Hub, name: str) -> Account:
    """
    Raises:
        NotFoundError: no organization of that name.
    """
    with hub.database.reading() as session:
        return to_account(_row(session, name))


def list_all(hub: Hub) -> list[Account]:
    """All organizations, by name."""
    with hub.database.reading() as session:
        rows = session.scalars(
            select(AccountRow).where(AccountRow.type == "organization").order_by(AccountRow.key)
        )
        return [to_account(row) for row in rows]


def members(
    hub: Hub, organization: Account, *, after: int = 0, limit: int | None = None
) -> list[Member]:
    """The members in the order of their accounts' numbers, those above `after` only."""
    query = (
        select(AccountRow, MemberRow.role, MemberRow.created_at)
        .join(MemberRow, MemberRow.account_id == AccountRow.id)
        .where(MemberRow.organization_id == organization.id, AccountRow.id > after)
        .order_by(AccountRow.id)
        .limit(limit)
    )
    with hub.database.reading() as session:
        return [
            Member(to_account(row), to_member_role(role), since)
            for row, role, since in session.execute(query)
        ]


def change(
    hub: Hub,
    organization: Account,
    user: User | None,
    *,
    full_name: str | None = None,
    details: str | None = None,
) -> Account:
    """Changes what an organization says about itself.

    Raises:
        NotLoggedInError, NotAllowedError: `user` is no admin of it.
    """
    access.check_organization_admin(user, organization)
    with hub.database.writing() as session:
        row = _row(session, organization.name)
        if full_name is not None:
            row.full_name = full_name.strip()[:200] or row.name
        if details is not None:
            row.details = details.strip()[:MAX_DETAILS]
        return to_account(row)


def set_member(
    hub: Hub, organization: Account, account: Account, role: str, user: User | None
) -> Member:
    """Adds a member, or gives one another role.

    Raises:
        BadRequestError: no such role, or an organization as a member.
        NotLoggedInError, NotAllowedError: `user` is no admin of it.
        ConflictError: it would be left without an admin.
    """
    access.check_organization_admin(user, organization)
    return put_member(hub, organization, account, role)


def remove_member(hub: Hub, organization: Account, account: Account, user: User | None) -> None:
    """Removes a member; everybody may remove themselves.

    Raises:
        NotLoggedInError, NotAllowedError: somebody else, who is no admin of it.
        NotFoundError: they are no member.
        ConflictError: it would be left without an admin.
    """
    leaves = user is not None and user.account.id == account.id
    if not leaves:
        access.check_organization_admin(user, organization)
    elif user is not None and not user.may_write:
        raise NotAllowedError(f"The token {user.token_name!r} may not end a membership.")
    drop_member(hub, organization, account)


def put_member(hub: Hub, organization: Account, account: Account, role: str) -> Member:
    """`set_member` by whoever runs the Hub.

    Raises:
        BadRequestError, ConflictError: as there.
    """
    if role not in MEMBER_ROLES:
        raise BadRequestError(f"A member's role is one of {', '.join(MEMBER_ROLES)}, not {role!r}.")
    if account.is_organization:
        raise BadRequestError(f"{account.name} is an organization; members are people.")
    with hub.database.writing() as session:
        row = _locked_members(session, organization).get(account.id)
        if row is None:
            row = MemberRow(organization_id=organization.id, account_id=account.id)
            row.created_at = datetime.now(UTC)
            session.add(row)
        row.role = role
        session.flush()
        _check_admin_left(session, organization)
        return Member(account, to_member_role(role), row.created_at)


def drop_member(hub: Hub, organization: Account, account: Account) -> None:
    """`remove_member` by whoever runs the Hub.

    Raises:
        NotFoundError, ConflictError: as there.
    """
    with hub.database.writing() as session:
        row = _locked_members(session, organization).get(account.id)
        if row is None:
            raise NotFoundError(f"{account.name} is no member of {organization.name}.")
        session.delete(row)
        session.flush()
        _check_admin_left(session, organization)


def remove(hub: Hub, organization: Account, user: User | None) -> None:
    """Deletes an organization that owns nothing any more.

    Raises:
        NotLoggedInError, NotAllowedError: `user` is no admin of it.
        ConflictError: it still owns repositories.
    """
    access.check_organization_admin(user, organization)
    delete_empty(hub, organization)


def delete_empty(hub: Hub, organization: Account) -> None:
    """`remove` by whoever runs the Hub.

    Raises:
        NotFoundError: it has just been deleted.
        ConflictError: it still owns repositories.
    """
    with hub.database.writing() as session:
        row = _row(session, organization.name, locked=True)
        owned = select(func.count()).where(RepositoryRow.owner_id == row.id)
        number = session.scalar(owned) or 0
        if number:
            raise ConflictError(
                f"{row.name} still owns {number} repositories: delete them, or move them to "
                "another owner first."
            )
        session.execute(delete(MemberRow).where(MemberRow.organization_id == row.id))
        session.delete(row)


def _row(session: Session, name: str, *, locked: bool = False) -> AccountRow:
    query: Select[Any] = select(AccountRow).where(
        AccountRow.key == name.lower(), AccountRow.type == "organization"
    )
    row: AccountRow | None = session.scalar(query.with_for_update() if locked else query)
    if row is None:
        raise NotFoundError(f"There is no organization {name!r} on this Hub.")
    return row


def _locked_members(session: Session, organization: Account) -> dict[int, MemberRow]:
    """The organization's members; whoever else changes them waits until this transaction ends.

    Without that, its last two admins could leave at the same time.
    """
    _row(session, organization.name, locked=True)
    query = select(MemberRow).where(MemberRow.organization_id == organization.id)
    return {row.account_id: row for row in session.scalars(query)}


def _check_admin_left(session: Session, organization: Account) -> None:
    admins = select(func.count()).where(
        MemberRow.organization_id == organization.id, MemberRow.role == "admin"
    )
    if not session.scalar(admins):
        raise ConflictError(
            f"{organization.name} would be left without an admin: make another member one first, "
            "or delete the organization."
        )
