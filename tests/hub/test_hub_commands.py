"""`graft login`, `graft whoami` and `graft search`, as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from people import User

from graft.hub.client import push_folder

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the installed command with a home of its own, logged out, and no hub set."""
    home = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "COLUMNS": "120",
    }
    left_out = ("HF_", "HUGGING", "GRAFT_")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}

    def run(
        *arguments: str, typed: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("graft"), *arguments],
            input=typed,
            capture_output=True,
            text=True,
            env=rest | home | environment,
            timeout=60,
        )

    return run


def test_logging_in_lasts(run: Run, stranger: User) -> None:
    ran = run("login", "--endpoint", stranger.url, typed=f"{stranger.token}\n")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"Logged in to {stranger.url} as {stranger.name}.\n"
    assert f"export HF_ENDPOINT={stranger.url}" in ran.stderr
    assert stranger.token not in ran.stdout + ran.stderr
    then = run("whoami", HF_ENDPOINT=stranger.url)
    assert then.stdout.splitlines()[0] == f"{stranger.name} on {stranger.url}"


def test_login_and_whoami_for_programs(run: Run, stranger: User) -> None:
    ran = run("login", "--token", stranger.token, "--json", HF_ENDPOINT=stranger.url)
    account = json.loads(ran.stdout)
    assert (account["name"], account["endpoint"]) == (stranger.name, stranger.url)
    assert account["role"] == "write"
    assert ran.stderr == ""
    assert json.loads(run("whoami", "--json", HF_ENDPOINT=stranger.url).stdout) == account


def test_a_refused_token_is_not_kept(run: Run, stranger: User) -> None:
    ran = run("login", "--token", "hf_nonsense", HF_ENDPOINT=stranger.url)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error: cannot log in to {stranger.url}")

    then = run("whoami", HF_ENDPOINT=stranger.url)
    assert then.returncode == 2
    assert "you are not logged in" in then.stderr


def test_without_a_hub_the_address_is_named(run: Run) -> None:
    for command in (["whoami"], ["search", "models"], ["login", "--token", "x"]):
        ran = run(*command, HF_TOKEN="x")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "no hub can be reached at http://127.0.0.1:9" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_search_shows_a_table_or_json(run: Run, user: User, folder: Path) -> None:
    repo = user.repo("sorter")
    push_folder(folder, repo, message="x")
    push_folder(folder, repo, repo_type="dataset", message="x")
    here = {"HF_ENDPOINT": user.url}

    shown = run("search", "models", "sorter", "--author", user.name, **here)
    assert shown.returncode == 0, shown.stderr
    head, row = shown.stdout.splitlines()
    assert head.split()[:3] == ["name", "task", "language"]
    assert row.split()[:4] == [repo, "text-classification", "en", "mit"]

    for kind, page in (("models", f"/{repo}"), ("datasets", f"/datasets/{repo}")):
        ran = run("search", kind, "--author", user.name, "--json", **here)
        (item,) = json.loads(ran.stdout)
        assert (item["id"], item["url"]) == (repo, user.url + page)


def test_a_search_that_finds_nothing_says_so(run: Run, user: User) -> None:
    words = ("search", "models", "nothing-has-this-name")
    ran = run(*words, HF_ENDPOINT=user.url)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "No models found" in ran.stderr
    assert json.loads(run(*words, "--json", HF_ENDPOINT=user.url).stdout) == []
