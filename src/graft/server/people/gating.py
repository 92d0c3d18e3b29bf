"""Gated repositories: everybody sees that they are there, and asks for their files.

With the gate "auto" whoever asks is let in at once; with "manual" an owner decides. A request is
pending, accepted or rejected, and stays when the gate is opened and closed again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from graft.server.db.tables import AccessRequestRow
from graft.server.errors import (
    BadRequestError,
    ConflictError,
    GatedRepoError,
    NotAllowedError,
    NotFoundError,
)
from graft.server.hub import Hub
from graft.server.people import access, denials
from graft.server.people.accounts import to_account
from graft.server.records import Account, Gate, Repository, User

Status = Literal["pending", "accepted", "rejected"]
STATUSES: tuple[Status, ...] = ("pending", "accepted", "rejected")

MAX_FIELDS_CHARACTERS = 20_000
MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class AccessRequest:
    """Somebody's request for the files of a gated repository."""

    id: int
    account: Account
    status: Status
    created_at: datetime
    fields: dict[str, Any] | None
    """What they filled in, where the card asks for more than a name."""
    reason: str | None
    """Why it was rejected, where somebody said."""


def ask(
    hub: Hub, repository: Repository, user: User | None, fields: Mapping[str, Any] | None = None
) -> Status:
    """Asks for the files in the user's name, and answers what became of that so far.

    Asking again changes nothing.

    Raises:
        BadRequestError: the repository is not gated, or too much was filled in.
        NotLoggedInError: nobody is asking.
        NotAllowedError: a token that may only read.
    """
    if user is None:
        raise denials.login_needed(f"Asking for {repository.full_name}")
    if not user.may_write:
        raise NotAllowedError(f"The token {user.token_name!r} may not ask for access: log in.")
    gate = _check_gated(repository)
    text = json.dumps(dict(fields)) if fields else None
    if text is not None and len(text) > MAX_FIELDS_CHARACTERS:
        raise BadRequestError(
            f"The answers have {len(text)} characters; {MAX_FIELDS_CHARACTERS} are allowed."
        )
    now = datetime.now(UTC)
    row = AccessRequestRow(
        repository_id=repository.id,
        account_id=user.account.id,
        status="accepted" if gate == "auto" else "pending",
        fields=text,
        created_at=now,
        decided_at=now if gate == "auto" else None,
    )
    try:
        with hub.database.writing() as session:
            known = _of_account(session, repository, user.account)
            if known is None:
                session.add(row)
                session.flush()
                known = row
            return _to_status(known.status)
    except IntegrityError:  # the same person, in another window at the same moment
        with hub.database.reading() as session:
            known = _of_account(session, repository, user.account)
        return _to_status(known.status) if known is not None else "pending"


@dataclass(frozen=True)
class GateView:
    """What a gate looks like to somebody who stands before it."""

    is_in: bool
    may_decide: bool
    status: Status | None
    """What became of their request; None where they made none."""
    reason: str | None


def lets_in(hub: Hub, repository: Repository, user: User | None) -> bool:
    """Whether `user`, who sees the repository, may read its files too."""
    try:
        access.check_files(hub, repository, user)
    except GatedRepoError:
        return False
    return True


def gate_of(hub: Hub, repository: Repository, user: User | None) -> GateView | None:
    """The repository's gate as `user` finds it; None where it has none."""
    if repository.gated is None:
        return None
    status = reason = None
    if user is not None:
        with hub.database.reading() as session:
            row = _of_account(session, repository, user.account)
            if row is not None:
                status, reason = _to_status(row.status), row.reason
    is_in = lets_in(hub, repository, user)
    return GateView(is_in, access.allows(user, repository, "admin"), status, reason)


def requests(
    hub: Hub,
    repository: Repository,
    status: Status,
    user: User | None,
    *,
    after: int = 0,
    limit: int,
) -> list[AccessRequest]:
    """The requests of one status, the oldest first, those with numbers above `after` only.

    Raises:
        BadRequestError: the repository is not gated.
        NotLoggedInError, NotAllowedError: `user` may not see who asked.
    """
    access.check_may_see_requests(user, repository)
    _check_gated(repository)
    query = (
        select(AccessRequestRow)
        .where(
            AccessRequestRow.repository_id == repository.id,
            AccessRequestRow.status == status,
            AccessRequestRow.id > after,
        )
        .order_by(AccessRequestRow.id)
        .limit(limit)
    )
    with hub.database.reading() as session:
        return [_to_request(row) for row in session.scalars(query)]


def handle(
    hub: Hub,
    repository: Repository,
    user: User | None,
    *,
    status: Status,
    account: Account | None = None,
    request_id: int | None = None,
    reason: str | None = None,
) -> None:
    """Decides about a request, anew where that was done before.

    Args:
        account, request_id: whose request it is; one of the two.
        reason: what the asker is told where they are rejected.

    Raises:
        BadRequestError: the repository is not gated, or a reason that does not belong there.
        NotLoggedInError, NotAllowedError: `user` may not change the repository's settings.
        NotFoundError: no such request, or it has that status already.
    """
    decider = access.check(user, repository, "admin")
    _check_gated(repository)
    if reason is not None and (status != "rejected" or len(reason) > MAX_REASON_CHARACTERS):
        raise BadRequestError(
            f"A reason goes with a rejection, and has at most {MAX_REASON_CHARACTERS} characters."
        )
    mine = AccessRequestRow.repository_id == repository.id
    which = (
        AccessRequestRow.account_id == account.id
        if account is not None
        else AccessRequestRow.id == request_id
    )
    with hub.database.writing() as session:
        request = select(AccessRequestRow).where(mine, which)
        # Of this table alone: PostgreSQL cannot lock the account that is joined to it.
        row = session.scalar(request.with_for_update(of=AccessRequestRow))
        if row is None:
            raise NotFoundError(f"There is no such request for access to {repository.full_name}.")
        if row.status == status:
            raise NotFoundError(f"The request for {repository.full_name} is {status} already.")
        row.status = status
        row.reason = reason
        row.decided_at = datetime.now(UTC) if status != "pending" else None
        row.decided_by = decider.account.id


def grant(hub: Hub, repository: Repository, user: User | None, account: Account) -> None:
    """Lets somebody in who need not have asked.

    Raises:
        BadRequestError: the repository is not gated, an organization, or somebody who is in.
        NotLoggedInError, NotAllowedError: `user` may not change the repository's settings.
    """
    decider = access.check(user, repository, "admin")
    _check_gated(repository)
    if account.is_organization:
        raise BadRequestError(f"{account.name} is an organization: let its members in one by one.")
    now = datetime.now(UTC)
    try:
        with hub.database.writing() as session:
            row = _of_account(session, repository, account)
            if row is None:
                row = AccessRequestRow(
                    repository_id=repository.id, account_id=account.id, created_at=now
                )
                session.add(row)
            elif row.status == "accepted":
                raise BadRequestError(f"{account.name} has access to {repository.full_name} now.")
            row.status, row.reason = "accepted", None
            row.decided_at, row.decided_by = now, decider.account.id
            session.flush()
    except IntegrityError as error:
        raise ConflictError(f"{account.name} is asking for access just now: try again.") from error


def _check_gated(repository: Repository) -> Gate:
    if repository.gated is None:
        raise BadRequestError(f"{repository.full_name} is not gated: all who see it may read it.")
    return repository.gated


def _of_account(
    session: Session, repository: Repository, account: Account
) -> AccessRequestRow | None:
    return session.scalar(
        select(AccessRequestRow).where(
            AccessRequestRow.repository_id == repository.id,
            AccessRequestRow.account_id == account.id,
        )
    )


def _to_request(row: AccessRequestRow) -> AccessRequest:
    return AccessRequest(
        row.id,
        to_account(row.account),
        _to_status(row.status),
        row.created_at,
        json.loads(row.fields) if row.fields else None,
        row.reason,
    )


def _to_status(value: str) -> Status:
    return next((status for status in STATUSES if status == value), "pending")
