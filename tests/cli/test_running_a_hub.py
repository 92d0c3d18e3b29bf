"""`graft hub`: serving, and looking after accounts, as whoever runs a Hub does it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from graft.server.running import RunningHub

Graft = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path, graft: Graft) -> str:
    """The data folder of a hub with one account, ada."""
    folder = str(tmp_path / "hub")
    assert graft("hub", "user", "add", "ada", "--data", folder).code == 0
    return folder


def test_adding_a_user_prints_a_token_and_nothing_else_on_standard_output(
    graft: Graft, tmp_path: Path
) -> None:
    folder = str(tmp_path / "new")
    ran = graft("hub", "user", "add", "grace", "--data", folder)
    assert ran.code == 0
    assert re.fullmatch(r"graft_[0-9a-f]{40}\n", ran.out)
    assert "begins a new hub" in ran.err
    assert "graft login" in ran.err


def test_a_new_account_can_log_in_on_the_pages(graft: Graft, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    ran = graft("hub", "user", "add", "grace", "--data", str(folder))
    password = re.search(r"log in with on the pages: (\S+)", ran.err)
    assert password is not None
    with RunningHub(folder) as hub:
        form = {"name": "grace", "password": password[1]}
        assert httpx.post(f"{hub.url}/login", data=form).status_code == 303


def test_json_is_for_programs(graft: Graft, data: str) -> None:
    made = json.loads(graft("hub", "user", "add", "bob", "--data", data, "--json").out)
    assert made["name"] == "bob"
    assert made["role"] == "write"
    assert len(made["password"]) >= 12
    users = json.loads(graft("hub", "user", "list", "--data", data, "--json").out)
    assert [user["name"] for user in users] == ["ada", "bob"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("ada", "taken"), ("a/b", "may hold only"), ("a..b", "'..'"), ("api", "reserved")],
)
def test_names_that_cannot_be_had(graft: Graft, data: str, name: str, said: str) -> None:
    ran = graft("hub", "user", "add", name, "--data", data)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


def test_tokens_are_made_listed_and_deleted(graft: Graft, data: str) -> None:
    ran = graft(
        "hub",
        "token",
        "create",
        "ada",
        "--role",
        "read",
        "--expires-in-days",
        "3",
        "--name",
        "reader",
        "--data",
        data,
        "--json",
    )
    made = json.loads(ran.out)
    assert (made["name"], made["role"]) == ("reader", "read")
    listed = json.loads(graft("hub", "token", "list", "ada", "--data", data, "--json").out)
    assert [(t["name"], t["role"]) for t in listed] == [
        ("reader", "read"),
        ("first token", "write"),
    ]
    assert made["token"] not in json.dumps(listed)
    assert graft("hub", "token", "delete", "ada", str(listed[0]["id"]), "--data", data).code == 0
    assert "reader" not in graft("hub", "token", "list", "ada", "--data", data).out
    assert graft("hub", "token", "delete", "ada", "99", "--data", data).code == 2


def test_a_folder_without_a_hub_is_named(graft: Graft, tmp_path: Path) -> None:
    for command in (["user", "list"], ["token", "list", "ada"], ["token", "create", "ada"]):
        ran = graft("hub", *command, "--data", str(tmp_path / "nothing"))
        assert ran.code == 2
        assert "There is no hub in" in ran.err
        assert "--data" in ran.err
    assert not (tmp_path / "nothing").exists()


def test_an_unknown_account_is_named(graft: Graft, data: str) -> None:
    ran = graft("hub", "token", "create", "nobody", "--data", data)
    assert ran.code == 2
    assert "nobody" in ran.err


def test_serve_tells_how_to_begin_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    script = "from graft.cli import main; main()"
    command = [sys.executable, "-c", script, "hub", "serve", "--port", "0", "--data", "data"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as serving:
        try:
            assert serving.stdout is not None
            said = ""
            while "Application startup complete" not in said:
                said += serving.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert address is not None
            assert f"graft hub user add YOUR_NAME --data {tmp_path / 'data'}" in said
            assert f"graft login --endpoint {address[0]}" in said
            assert httpx.get(f"{address[0]}/api/models").json() == []
            serving.send_signal(signal.SIGINT)
            serving.communicate(timeout=20)
        finally:
            serving.kill()  # where an assertion failed, nothing else would end it
    assert serving.returncode == 0


def test_a_port_that_is_taken(graft: Graft, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = graft("hub", "serve", "--port", str(port), "--data", str(tmp_path / "data"))
    assert ran.code == 2
    assert str(port) in ran.err
    assert "--port" in ran.err


def test_a_data_folder_that_cannot_be_used(graft: Graft, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ran = graft("hub", "serve", "--data", str(tmp_path / "file" / "data"))
    assert ran.code == 2
    assert "--data" in ran.err
