"""A Hub's people and repositories, one for everything that somebody can be to a repository."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from person import Person, file, large

from graft.server.people import accounts
from graft.server.records import Account, Grant, Scopes
from graft.server.running import RunningHub

ROLES = (
    "anonymous",
    "stranger",
    "reader",
    "contributor",
    "creator",
    "writer",
    "admin",
    "owner",
    "read token",
    "fine-grained",
    "fine-grained elsewhere",
    "expired",
    "revoked",
)
VISIBILITIES = ("public", "private", "gated")

INVALID = frozenset({"expired", "revoked"})
SEE_PRIVATE = frozenset(ROLES) - {"anonymous", "stranger", "fine-grained elsewhere"} - INVALID
WRITE = frozenset({"creator", "writer", "admin", "owner", "fine-grained"})
ADMIN_TOKENS = frozenset({"admin", "read token", "fine-grained", "fine-grained elsewhere"})
WHOLE = frozenset({"stranger", "reader", "contributor", "creator", "writer", "admin", "owner"})
"""Those whose token may do all that their account may."""
DISCUSS = WHOLE | {"fine-grained"}
LOGGED_IN = frozenset(ROLES) - {"anonymous"} - INVALID

BIG = b"\0 a large file" * 100


@dataclass
class World:
    """Clients by role, and the repositories that each role is asked about."""

    url: str
    lab: str
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The account behind each role; the anonymous one has none."""
    owner_name: str = ""
    ids: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Numbers of repositories, by kind, owner and name."""
    made: int = 0

    def place(self, role: str, visibility: str) -> tuple[str, str]:
        """Owner and name of the repository that a role is asked about."""
        if role == "owner":
            return self.owner_name, visibility
        return self.lab, f"theirs-{visibility}" if role == "creator" else visibility

    def fresh_name(self) -> str:
        """A name that nothing has yet."""
        self.made += 1
        return f"made-{self.made}"

    def maker(self, role: str) -> httpx.Client:
        """Somebody who may change the repository that the role is asked about."""
        return self.clients[role if role in ("owner", "creator") else "admin"]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def build(hub: RunningHub) -> World:
    """Makes everybody and everything."""
    world = World(hub.url, "table-lab", owner_name="table-owner")
    people = {}
    for role in ("stranger", "reader", "contributor", "writer", "admin", "owner"):
        name = f"table-{role}"
        token = hub.add_user(name)
        people[role] = Person(name, token, _client(hub, token))
        world.clients[role], world.names[role] = people[role].http, name
    admin = people["admin"]
    assert admin.http.post("/api/organizations/create", json={"name": world.lab}).is_success
    for person, role in (("reader", "read"), ("contributor", "contribute"), ("writer", "write")):
        address = f"/api/organizations/{world.lab}/members/{people[person].name}"
        assert admin.http.put(address, json={"role": role}).is_success
    for kind in ("model", "dataset"):
        for visibility in VISIBILITIES:
            _make(world, admin, kind, world.lab, visibility, visibility)
            theirs = f"theirs-{visibility}"
            _make(world, people["contributor"], kind, world.lab, theirs, visibility)
            _make(world, people["owner"], kind, world.owner_name, visibility, visibility)
        _make(world, admin, kind, world.lab, "other", "private")
    world.clients["anonymous"] = httpx.Client(base_url=hub.url, timeout=60)
    world.clients["creator"] = _client(hub, people["contributor"].token)
    world.names["creator"] = people["contributor"].name
    _add_tokens(hub, world, accounts.find_account(hub.hub, admin.name))
    return world


def _client(hub: RunningHub, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=hub.url, headers=headers, timeout=60)


def _make(world: World, person: Person, kind: str, owner: str, name: str, visibility: str) -> None:
    http, path = person.http, f"{owner}/{name}"
    body = {"name": name, "organization": owner, "type": kind, "private": visibility == "private"}
    made = http.post("/api/repos/create", json=body)
    assert made.status_code == 200, made.text
    world.ids[kind, owner, name] = int(made.json()["id"], 16)
    content = path.encode() + BIG
    prefix = "datasets/" if kind == "dataset" else ""
    sha256 = person.upload(path, content, prefix=prefix)
    assert sha256 == hashlib.sha256(content).hexdigest()
    plural = f"{kind}s"
    sent = person.commit(
        path, file("a.txt", "a"), large("b.bin", sha256, len(content)), kind=plural
    )
    assert sent.status_code == 200, sent.text
    said = {"title": "The first", "description": "Hello"}
    assert http.post(f"/api/{plural}/{path}/discussions", json=said).is_success
    if visibility == "gated":
        settings = {"gated": "manual"}
        assert http.put(f"/api/{plural}/{path}/settings", json=settings).is_success


def _add_tokens(hub: RunningHub, world: World, admin: Account) -> None:
    """The admin's other tokens: each may do less than they, or nothing any more."""
    every = frozenset({"repo.content.read", "repo.write", "discussion.write"})

    def on(*names: str) -> Scopes:
        grants = [
            Grant(kind, world.ids[kind, world.lab, name], every)
            for kind in ("model", "dataset")
            for name in names
        ]
        return Scopes(grants=tuple(grants))

    def make(who: str, **given: object) -> int:
        token, secret = accounts.create_token(hub.hub, admin, name=who, **given)  # type: ignore[arg-type]
        world.clients[who], world.names[who] = _client(hub, secret), admin.name
        return token.id

    make("read token", role="read")
    make("fine-grained", role="fine-grained", scopes=on(*VISIBILITIES))
    make("fine-grained elsewhere", role="fine-grained", scopes=on("other"))
    make("expired", expires_at=datetime.now(UTC) - timedelta(minutes=1))
    accounts.delete_token(hub.hub, admin, make("revoked"))
