"""Telling webhooks what happened: from the outbox to whoever watches, again and again until taken.

Several processes may work at once: each takes rows that no other has taken (`SKIP LOCKED` on
PostgreSQL, the one write lock on SQLite). A message is taken up for a while; who dies with it is
followed by the next. So a message may arrive twice (its `X-Webhook-Delivery` is then the same), and
messages may arrive in another order.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from graft.server.community.keys import new_key
from graft.server.community.sending import Message, Outcome, send
from graft.server.db.tables import MemberRow
from graft.server.db.tables.community import DeliveryRow, EventRow, WatchRow, WebhookRow
from graft.server.hub import Hub

EVENTS_AT_A_TIME = 100
MESSAGES_AT_A_TIME = 64
LEASE = timedelta(seconds=60)
"""How long a message is left alone that somebody has taken up; longer than sending may take."""

PAUSES = tuple(timedelta(seconds=s) for s in (10, 60, 300, 1800, 7200, 21_600, 43_200))
"""How long to wait after each try that failed. After the last one it is given up."""

KEPT = timedelta(days=30)
"""How long messages that were delivered or given up can be looked at."""
TIDYING = timedelta(hours=1)


@dataclass(frozen=True)
class _Taken:
    """A message that this process has taken up."""

    id: int
    attempts: int
    message: Message


class Courier:
    """What one process has to remember between two looks: `work` is called again and again."""

    def __init__(self) -> None:
        self._tidied_at = datetime.min.replace(tzinfo=UTC)

    def work(self, hub: Hub, now: datetime | None = None) -> bool:
        """Does what there is to do at the time `now`, and says whether that was anything."""
        now = now or datetime.now(UTC)
        if now - self._tidied_at > TIDYING:
            self._tidied_at = now
            _tidy(hub, now)
        spread = _spread(hub, now)
        return _deliver(hub, now) or spread


def _spread(hub: Hub, now: datetime) -> bool:
    """Makes messages of events: one for each webhook that watches."""
    with hub.database.reading() as session:
        if session.scalar(select(EventRow.id).limit(1)) is None:
            return False
    with hub.database.writing() as session:
        events = session.scalars(
            select(EventRow)
            .order_by(EventRow.id)
            .limit(EVENTS_AT_A_TIME)
            .with_for_update(skip_locked=True)
        ).all()
        for event in events:
            for webhook in session.execute(_watching(event)):
                session.add(_message(hub, event, webhook.id, webhook.key, now))
        session.execute(delete(EventRow).where(EventRow.id.in_([event.id for event in events])))
    return True


def _watching(event: EventRow) -> Any:
    """The webhooks to tell: those that watch the repository or its owner, whose accounts may see
    the repository."""
    domain = WebhookRow.repo_domain
    if event.scope.startswith("discussion"):
        domain = WebhookRow.discussion_domain
    watches: ColumnElement[bool] = or_(
        and_(WatchRow.type == event.kind, WatchRow.key == event.repository_key),
        and_(WatchRow.type.in_(("user", "org")), WatchRow.key == event.owner_key),
    )
    query = (
        select(WebhookRow.id, WebhookRow.key)
        .join(WatchRow, WatchRow.webhook_id == WebhookRow.id)
        .where(WebhookRow.disabled.is_(False), domain.is_(True), watches)
        .distinct()
    )
    if event.private:
        belongs = exists().where(
            MemberRow.organization_id == event.owner_id,
            MemberRow.account_id == WebhookRow.account_id,
        )
        query = query.where(or_(WebhookRow.account_id == event.owner_id, belongs))
    return query


def _message(
    hub: Hub, event: EventRow, webhook_id: int, webhook_key: str, now: datetime
) -> DeliveryRow:
    settings = hub.settings
    body = _with_addresses(json.loads(event.body), settings.address())
    body["webhook"] = {"id": webhook_key, "version": 3}
    return DeliveryRow(
        key=new_key(),
        webhook_id=webhook_id,
        scope=event.scope,
        action=event.action,
        body=json.dumps(body, ensure_ascii=False),
        created_at=event.created_at,
        status="waiting",
        attempts=0,
        due_at=now,
        error="",
    )


def _with_addresses(body: dict[str, Any], base: str) -> dict[str, Any]:
    """The payload with whole addresses: an event knows only their last part."""
    for part in body.values():
        if isinstance(part, dict) and "url" in part:
            part["url"] = {name: base + path for name, path in part["url"].items()}
    return body


def _deliver(hub: Hub, now: datetime) -> bool:
    """Sends what is due; True where there was anything."""
    due = (DeliveryRow.status == "waiting", DeliveryRow.due_at <= now)
    with hub.database.reading() as session:
        if session.scalar(select(DeliveryRow.id).where(*due).limit(1)) is None:
            return False
    with hub.database.writing() as session:
        taken = _take(session, due, now)
    outcomes = asyncio.run(_send_all(hub, taken))
    with hub.database.writing() as session:
        for item, outcome in zip(taken, outcomes, strict=True):
            _note(session, item, outcome, now)
    return True


def _take(session: Session, due: Sequence[ColumnElement[bool]], now: datetime) -> list[_Taken]:
    rows = session.execute(
        select(DeliveryRow, WebhookRow.url, WebhookRow.secret)
        .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
        .where(*due)
        .order_by(DeliveryRow.due_at, DeliveryRow.id)
        .limit(MESSAGES_AT_A_TIME)
        .with_for_update(of=DeliveryRow, skip_locked=True)
    ).all()
    taken = []
    for row, url, secret in rows:
        row.attempts += 1
        row.due_at = now + LEASE
        message = Message(row.key, url, secret, row.body.encode())
        taken.append(_Taken(row.id, row.attempts, message))
    return taken


async def _send_all(hub: Hub, taken: Sequence[_Taken]) -> list[Outcome]:
    private = hub.settings.webhook_private_addresses
    # The environment's proxies would make the connection themselves, to wherever they like.
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await asyncio.gather(
            *(send(client, item.message, private=private) for item in taken)
        )


def _note(session: Session, item: _Taken, outcome: Outcome, now: datetime) -> None:
    values: dict[str, Any] = {"response_status": outcome.status, "error": outcome.error}
    if outcome.is_delivered:
        values["status"] = "delivered"
    elif item.attempts > len(PAUSES):
        values["status"] = "failed"
    else:
        values["due_at"] = now + PAUSES[item.attempts - 1]
    # A webhook that was turned off meanwhile keeps its messages as they are then.
    mine = and_(DeliveryRow.id == item.id, DeliveryRow.status == "waiting")
    session.execute(update(DeliveryRow).where(mine).values(values))


def _tidy(hub: Hub, now: datetime) -> None:
    """Forgets old messages."""
    with hub.database.writing() as session:
        session.execute(
            delete(DeliveryRow).where(
                DeliveryRow.status != "waiting", DeliveryRow.created_at < now - KEPT
            )
        )
