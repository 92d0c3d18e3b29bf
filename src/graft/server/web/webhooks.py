"""Pages of the account's webhooks: all of them, and what was sent to one."""

import json
from typing import Annotated

from fastapi import Form
from fastapi.responses import RedirectResponse, Response

from graft.server.community import webhooks
from graft.server.community.webhooks import Domain, Watched, WatchedType
from graft.server.errors import BadRequestError, RefusedError
from graft.server.web.routing import page_router
from graft.server.web.visit import OwnVisit, Visit

router = page_router()

LIST = "/settings/webhooks"
ONE = f"{LIST}/{{key}}"

Text = Annotated[str, Form(max_length=20_000)]

_PREFIXES: tuple[tuple[str, WatchedType], ...] = (
    ("models/", "model"),
    ("datasets/", "dataset"),
    ("organizations/", "org"),
)


@router.get(LIST)
def list_page(visit: OwnVisit) -> Response:
    """The account's webhooks, and the form to make one."""
    return _list(visit)


@router.post(LIST)
def create(
    visit: OwnVisit,
    url: Text = "",
    watched: Text = "",
    secret: Text = "",
    repo: Annotated[bool, Form()] = False,
    discussion: Annotated[bool, Form()] = False,
) -> Response:
    """Makes a webhook, and shows it."""
    domains: list[Domain] = []
    if repo:
        domains.append("repo")
    if discussion:
        domains.append("discussion")
    try:
        made = webhooks.create(
            visit.hub,
            visit.user,
            url=url.strip(),
            watched=[_read_watched(line) for line in watched.split()],
            domains=domains,
            secret=secret or None,
        )
    except RefusedError as error:
        values = {"url": url, "watched": watched, "wrong": str(error)}
        return _list(visit, status=error.status, **values)
    return RedirectResponse(f"{LIST}/{made.key}", status_code=303)


@router.get(ONE)
def webhook_page(visit: OwnVisit, key: str) -> Response:
    """One webhook, and what was sent to it of late."""
    sent = webhooks.deliveries(visit.hub, visit.user, key)
    shown = [(delivery, json.dumps(json.loads(delivery.body), indent=2)) for delivery in sent]
    return visit.page(
        "webhook.html", webhook=webhooks.find(visit.hub, visit.user, key), deliveries=shown
    )


@router.post(f"{ONE}/state")
def set_state(visit: OwnVisit, key: str, state: Text = "") -> Response:
    """Turns a webhook on or off, or deletes it."""
    if state == "deleted":
        webhooks.delete(visit.hub, visit.user, key)
        return RedirectResponse(LIST, status_code=303)
    webhooks.set_disabled(visit.hub, visit.user, key, state == "off")
    return RedirectResponse(f"{LIST}/{key}", status_code=303)


@router.post(f"{ONE}/deliveries/{{delivery}}")
def send_again(visit: OwnVisit, key: str, delivery: str) -> Response:
    """Sends a message once more."""
    webhooks.send_again(visit.hub, visit.user, key, delivery)
    return RedirectResponse(f"{LIST}/{key}", status_code=303)


def _read_watched(text: str) -> Watched:
    """`owner`, `owner/model`, `datasets/owner/name` or `organizations/name` as what to watch."""
    for prefix, kind in _PREFIXES:
        if text.startswith(prefix):
            return Watched(kind, text.removeprefix(prefix))
    slashes = text.count("/")
    if slashes > 1:
        raise BadRequestError(f"{text!r} names neither an owner nor a repository.")
    return Watched("model" if slashes else "user", text)


def _list(
    visit: Visit, *, url: str = "", watched: str = "", wrong: str = "", status: int = 200
) -> Response:
    return visit.page(
        "webhooks.html",
        status=status,
        webhooks=webhooks.find_all(visit.hub, visit.user),
        url=url,
        watched=watched,
        wrong=wrong,
    )
