"""Webhooks of the account that asks."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from graft.server.api.wire import moment
from graft.server.community import webhooks
from graft.server.community.webhooks import Delivery, Domain, Watched, WatchedType, Webhook
from graft.server.errors import BadRequestError
from graft.server.people.auth import CurrentHub, CurrentUser

router = APIRouter()

LIST = "/api/settings/webhooks"
ONE = f"{LIST}/{{key}}"


class WatchedItem(BaseModel):
    """An owner (`user`, `org`) or a repository to watch."""

    type: WatchedType
    name: Annotated[str, Field(min_length=1, max_length=161)]


class WebhookSettings(BaseModel):
    """What `create_webhook` and `update_webhook` send."""

    url: Annotated[str, Field(max_length=webhooks.MAX_URL_CHARACTERS)] | None = None
    watched: Annotated[list[WatchedItem], Field(max_length=webhooks.MAX_WATCHED)] = []
    domains: list[Domain] | None = None
    secret: Annotated[str, Field(max_length=webhooks.MAX_SECRET_CHARACTERS)] | None = None
    job: Annotated[str | None, Field(alias="jobSourceId")] = None

    def items(self) -> list[Watched]:
        """What is to be watched."""
        if self.job is not None:
            raise BadRequestError("This Hub runs no jobs: give the webhook an address (`url`).")
        return [Watched(item.type, item.name) for item in self.watched]


@router.get(LIST)
def list_webhooks(hub: CurrentHub, user: CurrentUser) -> list[dict[str, Any]]:
    """The account's webhooks."""
    return [_webhook(found) for found in webhooks.find_all(hub, user)]


@router.post(LIST)
def create(body: WebhookSettings, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Makes a webhook."""
    watched = body.items()
    if body.url is None:
        raise BadRequestError("A webhook needs an address to send to: `url`.")
    domains: list[Domain] = ["repo", "discussion"] if body.domains is None else body.domains
    made = webhooks.create(
        hub, user, url=body.url, watched=watched, domains=domains, secret=body.secret
    )
    return {"webhook": _webhook(made)}


@router.get(ONE)
def read(key: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """One webhook."""
    return {"webhook": _webhook(webhooks.find(hub, user, key))}


@router.post(ONE)
def change(key: str, body: WebhookSettings, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Changes what the body holds; an empty list of what to watch changes nothing."""
    changed = webhooks.change(
        hub,
        user,
        key,
        url=body.url,
        watched=body.items(),
        domains=body.domains,
        secret=body.secret,
    )
    return {"webhook": _webhook(changed)}


@router.delete(ONE)
def delete(key: str, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Deletes a webhook, with what was to be sent to it."""
    webhooks.delete(hub, user, key)
    return {"success": True}


@router.post(f"{ONE}/enable")
def enable(key: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Turns a webhook on."""
    return {"webhook": _webhook(webhooks.set_disabled(hub, user, key, False))}


@router.post(f"{ONE}/disable")
def disable(key: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Turns a webhook off."""
    return {"webhook": _webhook(webhooks.set_disabled(hub, user, key, True))}


@router.get(f"{ONE}/deliveries")
def list_deliveries(key: str, hub: CurrentHub, user: CurrentUser) -> list[dict[str, Any]]:
    """What was sent to a webhook of late, the newest first."""
    return [_delivery(found) for found in webhooks.deliveries(hub, user, key)]


@router.post(f"{ONE}/deliveries/{{delivery}}/replay")
def send_again(key: str, delivery: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Sends a message once more."""
    return {"delivery": _delivery(webhooks.send_again(hub, user, key, delivery))}


def _webhook(found: Webhook) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": found.key,
        "url": found.url,
        "watched": [{"type": item.type, "name": item.name} for item in found.watched],
        "domains": list(found.domains),
        "disabled": found.disabled,
        "createdAt": moment(found.created_at),
    }
    if found.secret is not None:
        fields["secret"] = found.secret
    return fields


def _delivery(found: Delivery) -> dict[str, Any]:
    return {
        "id": found.key,
        "event": {"action": found.action, "scope": found.scope},
        "createdAt": moment(found.created_at),
        "status": found.status,
        "attempts": found.attempts,
        "nextAttemptAt": moment(found.due_at) if found.status == "waiting" else None,
        "responseStatus": found.response_status,
        "error": found.error,
        "payload": found.body,
    }
