"""Webhooks: who is told of what. `deliveries` does the telling."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from graft.server.community.keys import new_key
from graft.server.community.sending import is_public
from graft.server.community.texts import check_text
from graft.server.db.tables.community import DeliveryRow, WatchRow, WebhookRow
from graft.server.errors import BadRequestError, NotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.scopes import READ_WEBHOOKS, WRITE_WEBHOOKS
from graft.server.records import Account, User

MAX_WEBHOOKS = 100
MAX_WATCHED = 100
MAX_URL_CHARACTERS = 2000
MAX_SECRET_CHARACTERS = 500
DELIVERIES_SHOWN = 50

Domain = Literal["repo", "discussion"]
WatchedType = Literal["bucket", "dataset", "model", "org", "space", "user"]


@dataclass(frozen=True)
class Watched:
    """What a webhook watches: an owner, or one repository. It need not be there yet."""

    type: WatchedType
    name: str


@dataclass(frozen=True)
class Webhook:
    """An address that is told of what happens."""

    id: int
    key: str
    url: str
    secret: str | None
    watched: tuple[Watched, ...]
    domains: tuple[Domain, ...]
    disabled: bool
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """One message to a webhook, and what became of it."""

    key: str
    scope: str
    action: str
    body: str
    created_at: datetime
    status: str
    """waiting, delivered or failed."""
    attempts: int
    due_at: datetime
    response_status: int | None
    error: str


def create(
    hub: Hub,
    user: User | None,
    *,
    url: str,
    watched: Sequence[Watched],
    domains: Sequence[Domain],
    secret: str | None = None,
) -> Webhook:
    """
    Raises:
        NotLoggedInError, NotAllowedError: the token may not change webhooks.
        BadRequestError: an address that cannot be sent to, nothing to watch, or too many webhooks.
    """
    user = access.check_permission(user, WRITE_WEBHOOKS)
    check_address(hub, url)
    with hub.database.writing() as session:
        mine = WebhookRow.account_id == user.account.id
        if (session.scalar(select(func.count()).where(mine)) or 0) >= MAX_WEBHOOKS:
            raise BadRequestError(f"{user.name} has {MAX_WEBHOOKS} webhooks: delete one first.")
        row = WebhookRow(
            key=new_key(),
            account_id=user.account.id,
            url=url,
            secret=_check_secret(secret),
            repo_domain=False,
            discussion_domain=False,
            disabled=False,
            created_at=datetime.now(UTC),
            watched=_watches(watched),
        )
        _set_domains(row, domains)
        session.add(row)
        session.flush()
        return _to_webhook(row)


def find_all(hub: Hub, user: User | None) -> list[Webhook]:
    """The account's webhooks, the oldest first.

    Raises:
        NotLoggedInError, NotAllowedError: the token may not see them.
    """
    user = access.check_permission(user, READ_WEBHOOKS)
    with hub.database.reading() as session:
        mine = WebhookRow.account_id == user.account.id
        rows = session.scalars(select(WebhookRow).where(mine).order_by(WebhookRow.id))
        return [_to_webhook(row) for row in rows]


def find(hub: Hub, user: User | None, key: str) -> Webhook:
    """
    Raises:
        NotLoggedInError, NotAllowedError: the token may not see webhooks.
        NotFoundError: the account has no such webhook.
    """
    user = access.check_permission(user, READ_WEBHOOKS)
    with hub.database.reading() as session:
        return _to_webhook(_row(session, user.account, key))


def change(
    hub: Hub,
    user: User | None,
    key: str,
    *,
    url: str | None = None,
    watched: Sequence[Watched] = (),
    domains: Sequence[Domain] | None = None,
    secret: str | None = None,
) -> Webhook:
    """Changes what is given; an empty secret takes it away, nothing to watch leaves it as it was.

    Raises:
        NotLoggedInError, NotAllowedError, NotFoundError, BadRequestError: as `create` and `find`.
    """
    user = access.check_permission(user, WRITE_WEBHOOKS)
    if url is not None:
        check_address(hub, url)
    with hub.database.writing() as session:
        row = _row(session, user.account, key)
        if url is not None:
            row.url = url
        if watched:
            row.watched = _watches(watched)
        if domains is not None:
            _set_domains(row, domains)
        if secret is not None:
            row.secret = _check_secret(secret)
        session.flush()
        return _to_webhook(row)


def set_disabled(hub: Hub, user: User | None, key: str, disabled: bool) -> Webhook:
    """Turns a webhook off or on. What waits to be sent when it is turned off is never sent.

    Raises:
        NotLoggedInError, NotAllowedError, NotFoundError: as `find`.
    """
    user = access.check_permission(user, WRITE_WEBHOOKS)
    with hub.database.writing() as session:
        row = _row(session, user.account, key)
        row.disabled = disabled
        if disabled:
            waiting = (DeliveryRow.webhook_id == row.id, DeliveryRow.status == "waiting")
            given_up = {"status": "failed", "error": "The webhook was turned off."}
            session.execute(update(DeliveryRow).where(*waiting).values(given_up))
        return _to_webhook(row)


def delete(hub: Hub, user: User | None, key: str) -> None:
    """
    Raises:
        NotLoggedInError, NotAllowedError, NotFoundError: as `find`.
    """
    user = access.check_permission(user, WRITE_WEBHOOKS)
    with hub.database.writing() as session:
        session.delete(_row(session, user.account, key))


def deliveries(hub: Hub, user: User | None, key: str) -> list[Delivery]:
    """What was sent to a webhook of late, the newest first.

    Raises:
        NotLoggedInError, NotAllowedError, NotFoundError: as `find`.
    """
    user = access.check_permission(user, READ_WEBHOOKS)
    with hub.database.reading() as session:
        webhook = _row(session, user.account, key)
        rows = session.scalars(
            select(DeliveryRow)
            .where(DeliveryRow.webhook_id == webhook.id)
            .order_by(DeliveryRow.id.desc())
            .limit(DELIVERIES_SHOWN)
        )
        return [_to_delivery(row) for row in rows]


def send_again(hub: Hub, user: User | None, key: str, delivery_key: str) -> Delivery:
    """Puts a message that was delivered or given up back in line.

    Raises:
        NotLoggedInError, NotAllowedError: as `find`.
        NotFoundError: no such webhook or message.
        BadRequestError: the webhook is turned off.
    """
    user = access.check_permission(user, WRITE_WEBHOOKS)
    with hub.database.writing() as session:
        webhook = _row(session, user.account, key)
        if webhook.disabled:
            raise BadRequestError("The webhook is turned off: turn it on first.")
        row = session.scalar(
            select(DeliveryRow).where(
                DeliveryRow.key == delivery_key, DeliveryRow.webhook_id == webhook.id
            )
        )
        if row is None:
            raise NotFoundError(f"There is no message {delivery_key!r} to this webhook.")
        if row.status != "waiting":
            row.status, row.attempts, row.due_at = "waiting", 0, datetime.now(UTC)
        return _to_delivery(row)


def check_address(hub: Hub, url: str) -> str:
    """`url`, when a webhook may send there. Which addresses a name stands for is looked at when
    something is sent, since that may change.

    Raises:
        BadRequestError: says what is wrong with it.
    """
    check_text("The address", url, MAX_URL_CHARACTERS)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadRequestError(f"The address {url!r} cannot be read ({error}).") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or " " in url:
        raise BadRequestError(f"The address {url!r} must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise BadRequestError("The address must not hold a name or password: use the secret.")
    if not hub.settings.webhook_private_addresses and not _may_be_public(host):
        raise BadRequestError(
            f"The address {url!r} lies inside the Hub's own network, where its webhooks may not "
            "send."
        )
    return url


def _may_be_public(host: str) -> bool:
    """False for addresses that are no public ones, and names of this machine."""
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        name = host.rstrip(".").lower()
        return name != "localhost" and not name.endswith((".localhost", ".local", ".internal"))


def _check_secret(secret: str | None) -> str | None:
    if not secret:
        return None
    if not secret.isascii() or not secret.isprintable():
        raise BadRequestError("The secret goes into a header: it may hold printable ASCII only.")
    return check_text("The secret", secret, MAX_SECRET_CHARACTERS)


def _watches(watched: Sequence[Watched]) -> list[WatchRow]:
    if not 1 <= len(watched) <= MAX_WATCHED:
        raise BadRequestError(
            f"A webhook watches 1 to {MAX_WATCHED} owners or repositories, not {len(watched)}."
        )
    for item in watched:
        check_text("The name of what is watched", item.name, 161)
    unique = {(item.type, item.name.lower()): item for item in watched}
    return [WatchRow(type=item.type, name=item.name, key=key) for (_, key), item in unique.items()]


def _set_domains(row: WebhookRow, domains: Sequence[Domain]) -> None:
    if not domains:
        raise BadRequestError("A webhook is told of 'repo', 'discussion' or both: name one.")
    row.repo_domain, row.discussion_domain = "repo" in domains, "discussion" in domains


def _row(session: Session, account: Account, key: str) -> WebhookRow:
    row = session.scalar(
        select(WebhookRow).where(WebhookRow.key == key, WebhookRow.account_id == account.id)
    )
    if row is None:
        raise NotFoundError(f"{account.name} has no webhook {key!r}.")
    return row


_TYPES: dict[str, WatchedType] = {
    "bucket": "bucket",
    "dataset": "dataset",
    "model": "model",
    "org": "org",
    "space": "space",
    "user": "user",
}


def _to_webhook(row: WebhookRow) -> Webhook:
    domains: list[Domain] = []
    if row.repo_domain:
        domains.append("repo")
    if row.discussion_domain:
        domains.append("discussion")
    return Webhook(
        id=row.id,
        key=row.key,
        url=row.url,
        secret=row.secret,
        watched=tuple(Watched(_TYPES[watch.type], watch.name) for watch in row.watched),
        domains=tuple(domains),
        disabled=row.disabled,
        created_at=row.created_at,
    )


def _to_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.key,
        row.scope,
        row.action,
        row.body,
        row.created_at,
        row.status,
        row.attempts,
        row.due_at,
        row.response_status,
        row.error,
    )
