"""Every address of the Hub, asked by everybody: nobody gets in who may not.

A new route without a row in `access_rows` fails here, and so does a row without its route.
"""

import json
import re
from collections.abc import Iterator

import access_world
import httpx
import pytest
from access_rows import ROWS, ZEROS, Needs, Row
from access_world import (
    DISCUSS,
    INVALID,
    LOGGED_IN,
    ROLES,
    SEE_PRIVATE,
    VISIBILITIES,
    WHOLE,
    WRITE,
    World,
)

from graft.server.running import RunningHub
from graft.server.runtime.shortcuts import plain_routes

ALLOWED = frozenset({-1})
"""Whatever the answer is, it is not that one may not."""
OF_REPOSITORIES = frozenset(
    {"see", "files", "see, token", "see, account", "discuss", "write", "copy", "see, login"}
)


@pytest.fixture(scope="module")
def world(hub: RunningHub) -> Iterator[World]:
    """Everybody, and everything that they ask for."""
    built = access_world.build(hub)
    yield built
    built.close()


def named(hub: RunningHub, *, nameless: bool) -> set[tuple[str, str]]:
    """Method and address of every route; those for repositories without an owner apart."""
    found = set()
    for route in plain_routes(hub.app.routes):
        module = getattr(route.endpoint, "__module__", "")
        if module.endswith(".nameless") == nameless:
            methods = route.methods or set()
            found |= {(m, route.path) for m in methods if m != "HEAD" or methods == {"HEAD"}}
            if "HEAD" in methods and module.endswith(".resolve"):
                found.add(("HEAD", route.path))
    return found


def test_the_table_has_every_route_and_no_other(hub: RunningHub) -> None:
    rows = [(row.method, row.path) for row in ROWS]
    assert len(rows) == len(set(rows))
    routes = named(hub, nameless=False)
    assert routes - set(rows) == set(), "routes without a row in access_rows.ROWS"
    assert set(rows) - routes == set(), "rows whose routes are gone"


def expected(row: Row, role: str, visibility: str) -> frozenset[int]:
    """The statuses that the role may be answered with; `ALLOWED` where it may."""
    needs: Needs = row.needs
    if needs == "nothing":
        return ALLOWED
    if needs == "signature":
        return frozenset({403})
    if needs == "xet token":
        return frozenset({401})
    if needs == "password":
        return frozenset({401, 429})  # so many were wrong by now
    if needs in ("login", "see, login"):  # a token counts for nothing here: all are strangers
        return frozenset({303})
    if role in INVALID:
        return frozenset({401})
    if needs in OF_REPOSITORIES:
        return _of_repository(row, role, visibility)
    if needs == "public" or role in _MAY[needs]:
        return ALLOWED
    return frozenset({(303 if row.page else 401) if role == "anonymous" else 403})


_MAY: dict[Needs, frozenset[str]] = {
    "token": LOGGED_IN,
    "account": WHOLE,
    "account read": WHOLE | {"read token"},
    "organization": frozenset({"admin"}),
}


_MAY_HERE: dict[Needs, frozenset[str]] = {
    "see, token": LOGGED_IN,
    "see, account": WHOLE,
    "discuss": DISCUSS,
    "write": WRITE,
    "copy": WHOLE,
}


def _of_repository(row: Row, role: str, visibility: str) -> frozenset[int]:
    stranger = role == "anonymous"
    if visibility == "private" and role not in SEE_PRIVATE:
        if stranger:
            if row.page:  # whether there is such a repository is told after the login
                return frozenset({303})
            return frozenset({401} if row.git else {401, 404})
        return frozenset({404})
    refused = frozenset({(303 if row.page else 401) if stranger else 403})
    if row.needs in ("files", "copy") and visibility == "gated" and role not in SEE_PRIVATE:
        return refused
    if row.needs in ("see", "files"):
        return ALLOWED
    may = _MAY_HERE[row.needs]
    return ALLOWED if role in may else refused


def ask(
    world: World, row: Row, role: str, visibility: str, name: str | None = None
) -> httpx.Response:
    """Asks for what the row says, in the role's name."""
    kind = "dataset" if row.path.startswith("/datasets/{") else "model"
    owner, standing = world.place(role, visibility)
    values = {
        "kind": f"{kind}s",
        "one": kind,
        "owner": owner,
        "name": name or standing,
        "rest": "main/a.txt",
        "revision": "main",
        "revisions": "main..main",
        "branch": "main",
        "tag": "none",
        "number": "1",
        "status": "pending",
        "key": "0" * 24,
        "delivery": "0" * 24,
        "repository_id": str(world.ids[kind, owner, standing]),
        "sha256": ZEROS,
        "lock_id": "1",
        "token_id": "1",
        "login_id": "1",
        "username": "nobody-else" if "/members/" in row.path else world.owner_name,
        "organization": world.lab,
        "mine": world.names.get(role, "nobody"),
        "fresh": world.fresh_name(),
        "store": "0",
    }
    path = row.path
    if path.startswith(("/xet/", "/avatars/", "/static/", "/organizations/")):
        values["name"] = ZEROS if path.startswith("/xet/") else "style.css"
    address = re.sub(r"\{(\w+)(:path)?\}", lambda m: values[m[1]], path)
    body = row.json
    if body is not None:
        text = json.dumps(body)
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        body = json.loads(text)
    if row.query:
        address += f"?{row.query}"
    client = world.clients[role]
    return client.request(row.method, address, json=body, content=row.content, data=row.data)


def visibilities(row: Row) -> tuple[str, ...]:
    if row.needs not in OF_REPOSITORIES:
        return ("public",)
    return VISIBILITIES if row.needs in ("files", "copy") else VISIBILITIES[:2]


def check(row: Row, role: str, answer: httpx.Response, wanted: frozenset[int]) -> str:
    """What is wrong with the answer; empty where it is right."""
    status, code = answer.status_code, answer.headers.get("x-error-code", "")
    told = f"{row.method} {row.path} as {role}: {status} {code} {answer.text[:150]}"
    if status >= 500:
        return told
    if wanted == ALLOWED:
        lets = status not in (401, 403) and code != "RepoNotFound"
        leads_to_login = answer.headers.get("location", "").startswith("/login")
        return "" if lets and not leads_to_login else f"{told}, but they may"
    if status not in wanted:
        return f"{told}, not {sorted(wanted)}"
    if status == 303 and not answer.headers["location"].startswith("/login"):
        return f"{told}: leads to {answer.headers['location']}"
    return ""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_everybody_may_what_the_table_says(world: World, row: Row) -> None:
    wrong = []
    for visibility in visibilities(row):
        for role in ROLES:
            wanted, name = expected(row, role, visibility), None
            if row.fresh and wanted == ALLOWED:
                if role == "fine-grained":
                    continue  # its token names the repositories that all others need
                name = _made_for(world, role, visibility)
            if row.needs == "organization" and wanted == ALLOWED:
                continue  # tests/server/test_hub_organizations.py: here it would end the world
            problem = check(row, role, ask(world, row, role, visibility, name), wanted)
            wrong += [f"{visibility}: {problem}"] if problem else []
    assert wrong == []


def _made_for(world: World, role: str, visibility: str) -> str:
    """A repository that may go."""
    owner, _ = world.place(role, visibility)
    name = world.fresh_name()
    body = {"name": name, "organization": owner, "private": visibility == "private"}
    assert world.maker(role).post("/api/repos/create", json=body).is_success
    return name


def test_repositories_without_an_owner_are_nobodys(hub: RunningHub, world: World) -> None:
    for method, path in sorted(named(hub, nameless=True)):
        address = path.replace("{name}", "public").replace("{rest:path}", "main/a.txt")
        for role in ("anonymous", "admin"):
            answer = world.clients[role].request(method, address)
            assert answer.status_code == 404, (method, path, answer.text)
