"""`graft hub org`, `graft hub user password`, fine-grained tokens, as whoever runs a Hub does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from graft.server.running import RunningHub

Graft = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path, graft: Graft) -> str:
    """The data folder of a hub with two accounts, ada and bob."""
    folder = str(tmp_path / "hub")
    for name in ("ada", "bob"):
        assert graft("hub", "user", "add", name, "--data", folder).code == 0
    return folder


def test_an_organization_from_its_making_to_its_end(graft: Graft, data: str) -> None:
    def org(*arguments: str) -> Any:
        return graft("hub", "org", *arguments, "--data", data)

    assert org("create", "lab", "--admin", "ada", "--full-name", "The Lab").code == 0
    assert org("create", "LAB", "--admin", "ada").code == 2
    assert org("add", "lab", "bob", "--role", "contribute").code == 0
    listed = json.loads(org("members", "lab", "--json").out)
    assert listed == [{"name": "ada", "role": "admin"}, {"name": "bob", "role": "contribute"}]
    assert json.loads(org("list", "--json").out)[0]["members"] == 2
    assert "The Lab" in org("list").out
    last = org("remove", "lab", "ada")
    assert last.code == 2
    assert "without an admin" in last.err
    assert org("remove", "lab", "bob").code == 0
    assert "bob" not in org("members", "lab").out
    assert org("delete", "lab").code == 0
    assert org("delete", "lab").code == 2


def test_organizations_are_no_users(graft: Graft, data: str) -> None:
    graft("hub", "org", "create", "lab", "--admin", "ada", "--data", data)
    users = json.loads(graft("hub", "user", "list", "--data", data, "--json").out)
    assert [user["name"] for user in users] == ["ada", "bob"]
    for command in (["user", "password", "lab"], ["token", "create", "lab"]):
        ran = graft("hub", *command, "--data", data)
        assert ran.code == 2
        assert "organization" in ran.err


def test_a_forgotten_password_is_replaced(graft: Graft, data: str) -> None:
    made = graft("hub", "user", "password", "ada", "--data", data)
    assert made.code == 0
    assert "logged out" in made.err
    with RunningHub(Path(data)) as hub:
        form = {"name": "ada", "password": made.out.strip()}
        assert httpx.post(f"{hub.url}/login", data=form).status_code == 303
    assert graft("hub", "user", "password", "nobody", "--data", data).code == 2


def test_a_fine_grained_token_is_made_and_described(graft: Graft, data: str) -> None:
    def token(*arguments: str) -> Any:
        return graft("hub", "token", *arguments, "--data", data)

    graft("hub", "org", "create", "lab", "--admin", "ada", "--data", data)
    allowed = ["--allow", "lab: repo.write", "--allow", "*: discussion.write, gated"]
    made = json.loads(token("create", "ada", *allowed, "--json").out)
    assert made["role"] == "fine-grained"
    listed = json.loads(token("list", "ada", "--json").out)
    assert listed[0]["scopes"] == ["*: discussion.write, gated", "lab: repo.write"]
    for wrong, said in (
        ("lab", "cannot be read"),
        ("bob: repo.write", "neither you nor"),
        ("lab: repo.fly", "no permission 'repo.fly'"),
        ("*: repo.write", "everywhere"),
        ("ada/none: repo.write", "no model"),
    ):
        ran = token("create", "ada", "--allow", wrong)
        assert ran.code == 2
        assert said in ran.err
