"""Every address refuses the methods that it does not know, and says which it does."""

import re
from collections import defaultdict

import httpx

from graft.server.names import RESERVED
from graft.server.running import RunningHub
from graft.server.runtime.shortcuts import plain_routes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

OPEN = re.compile(r"\{(\w+)(?::path)?\}")
PARTS = {"kind": "models", "owner": "ada", "name": "plums", "revision": "main", "number": "1"}


def addresses(hub: RunningHub) -> dict[str, set[str]]:
    """The methods of an address of every form that there is."""
    found: dict[str, set[str]] = defaultdict(set)
    for route in plain_routes(hub.app.routes):
        path = OPEN.sub(lambda part: PARTS.get(part[1], "anything"), route.path)
        # Addresses of the same form are one: `/tag/{revision}` and `/tag/{tag}`.
        found[path.replace("/main", "/anything")] |= route.methods or set()
    return found


def test_every_address_refuses_methods_that_are_not_its_own(hub: RunningHub) -> None:
    token = hub.add_user("ada")
    wrong = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as client:
        for kind in ("model", "dataset"):
            client.post("/api/repos/create", json={"name": "plums", "type": kind})
        for path, own in addresses(hub).items():
            for method in METHODS:
                if method in own:
                    continue
                answer = client.request(method, path)
                allowed = set(answer.headers.get("Allow", "").split(", "))
                if answer.status_code != 405 or allowed != own:
                    wrong.append((method, path, answer.status_code, allowed, own))
    assert wrong == []


def test_nobody_can_be_called_like_an_address(hub: RunningHub) -> None:
    first = {route.path.split("/")[1] for route in plain_routes(hub.app.routes)}
    assert {part for part in first if part and "{" not in part} <= RESERVED


def test_a_repository_that_is_called_like_a_part_of_an_address_is_found(
    hub: RunningHub,
) -> None:
    """Only where its owner could not be called so does an address hide another."""
    token = hub.add_user("eve")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as client:
        for name in ("settings", "discussions", "like", "tree", "new", "login"):
            for kind, place in (("model", ""), ("dataset", "/datasets")):
                made = client.post("/api/repos/create", json={"name": name, "type": kind})
                assert made.status_code == 200
                assert client.get(f"/api/{kind}s/eve/{name}").json()["id"] == f"eve/{name}"
                assert client.get(f"{place}/eve/{name}").status_code == 200
                assert client.get(f"{place}/eve/{name}/settings").status_code == 303
