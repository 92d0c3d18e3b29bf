"""The frame of the command line: help, exit codes, and what an error looks like."""

import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import graft as package
from graft.cli.app import app
from graft.errors import GraftError

Graft = Callable[..., Any]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `graft whoami` fail in a given way."""

    def arrange(error: BaseException) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setattr("graft.hub.client.whoami", fail)

    return arrange


def test_the_version(graft: Graft) -> None:
    ran = graft("--version")
    assert (ran.code, ran.out) == (0, f"graft {package.__version__}\n")


def test_the_installed_command_runs() -> None:
    command = Path(sys.executable).with_name("graft")
    ran = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "Transfer learning for text" in ran.stdout
    assert "login" in ran.stdout
    assert ran.stderr == ""


def leaves(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command that does something, as its words."""
    found = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found += leaves(command, (*path, name)) if inner else [(*path, name)]
    return found


@pytest.mark.parametrize("command", leaves(get_command(app)), ids=" ".join)
def test_help_shows_an_example(graft: Graft, command: tuple[str, ...]) -> None:
    ran = graft(*command, "--help")
    assert ran.code == 0
    assert f"graft {' '.join(command)}" in re.split("Examples?:", ran.out, maxsplit=1)[1]


def test_no_arguments_show_the_help(graft: Graft) -> None:
    for arguments in ([], ["search"]):
        ran = graft(*arguments)
        assert ran.code == 2
        assert "Usage: graft" in ran.out
        assert "error" not in ran.err


def test_wrong_arguments_are_refused_with_where_to_look(graft: Graft) -> None:
    ran = graft("search", "models", "--limit", "many")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: Invalid value for '--limit'")
    assert "See: graft search models --help" in ran.err

    assert "No such command 'serach'" in graft("serach").err


def test_wrong_arguments_are_json_for_a_program(graft: Graft) -> None:
    ran = graft("search", "models", "--limit", "many", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "--limit" in json.loads(ran.err)["error"]


def test_a_refusal_is_one_message_and_exit_code_2(graft: Graft, failing: Graft) -> None:
    failing(GraftError("train.csv, row 3: [label] is [missing]"))

    ran = graft("whoami")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: train.csv, row 3: [label] is [missing]\n"

    ran = graft("whoami", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert json.loads(ran.err) == {"error": "train.csv, row 3: [label] is [missing]"}


def test_a_bug_says_so_and_how_to_see_more(
    graft: Graft, failing: Graft, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(RuntimeError("boom"))
    monkeypatch.delenv("GRAFT_DEBUG", raising=False)

    ran = graft("whoami")
    assert ran.code == 1
    assert ran.err.startswith("error: RuntimeError: boom\nThis is a bug in Graft.")
    assert "Traceback" not in ran.err

    monkeypatch.setenv("GRAFT_DEBUG", "1")
    assert "Traceback" in graft("whoami").err


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interruption_exits_with_130(graft: Graft, failing: Graft, as_json: bool) -> None:
    failing(KeyboardInterrupt())
    ran = graft("whoami", *(["--json"] if as_json else []))
    assert ran.code == 130
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_cannot_be_written_is_the_users_to_put_right(
    graft: Graft, failing: Graft, number: int
) -> None:
    failing(OSError(number, "cannot write", "/data/model.safetensors"))
    ran = graft("whoami")
    assert ran.code == 2
    assert ran.err.startswith("error: /data/model.safetensors: cannot write")


def test_other_failures_of_the_system_are_not_hidden(graft: Graft, failing: Graft) -> None:
    failing(OSError(errno.EBADF, "bad file descriptor"))
    assert graft("whoami").code == 1
