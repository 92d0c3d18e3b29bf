"""`graft hub fsck`, `gc`, `backup`, `restore` and `stats`, as whoever runs a Hub uses them."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from graft.server.running import RunningHub

Graft = Callable[..., Any]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub that serves, with one repository."""
    with RunningHub(tmp_path / "data") as hub:
        api = HfApi(endpoint=hub.url, token=hub.add_user("ada"))
        api.create_repo("ada/thing")
        weights = io.BytesIO(os.urandom(100_000))
        api.upload_file(path_or_fileobj=weights, path_in_repo="w.bin", repo_id="ada/thing")
        yield hub


@pytest.fixture
def run(graft: Graft, serving: RunningHub) -> Graft:
    """Runs a command of `graft hub` on the Hub that serves."""
    return lambda *arguments: graft("hub", *arguments, "--data", str(serving.settings.data_folder))


def lose_bytes(hub: RunningHub) -> None:
    for blob in list(hub.hub.content.blobs.entries("xorbs")):
        hub.hub.content.blobs.remove(blob.key)


def test_a_sound_hub(run: Graft) -> None:
    ran = run("fsck", "--deep")
    assert ran.code == 0
    assert "1 repositories, 1 pointers, 1 large files and 1 xorbs: all is sound" in ran.out
    found = json.loads(run("fsck", "--json").out)
    assert found["clean"] is True
    assert found["problems"] == []


def test_a_problem_is_told_and_ends_with_2(run: Graft, serving: RunningHub) -> None:
    lose_bytes(serving)
    ran = run("fsck")
    assert ran.code == 2
    assert "not in storage" in ran.out
    assert "ada/thing" in ran.out
    assert "1 problems" in ran.out
    asked = run("fsck", "--json")
    assert asked.code == 2
    assert json.loads(asked.out)["problems"][0]["kind"] == "xorb-damaged"


def test_garbage_is_counted_and_collected(run: Graft, serving: RunningHub) -> None:
    api = HfApi(endpoint=serving.url, token=serving.add_user("eve"))
    api.create_repo("eve/gone")
    data = io.BytesIO(os.urandom(50_000))
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id="eve/gone")
    api.delete_repo("eve/gone")
    assert json.loads(run("gc", "--json").out)["xorbs"] == 0  # not old enough
    planned = json.loads(run("gc", "--unused-days", "0", "--dry-run", "--json").out)
    ran = run("gc", "--unused-days", "0")
    assert ran.code == 0
    assert planned["xorbs"] == 1
    assert "50.1 kB" in ran.out or "50.2 kB" in ran.out
    assert json.loads(run("gc", "--unused-days", "0", "--json").out)["xorbs"] == 0
    assert run("fsck", "--deep").code == 0


def test_a_backup_of_a_serving_hub_and_its_restore(
    run: Graft, graft: Graft, serving: RunningHub, tmp_path: Path
) -> None:
    backup = str(tmp_path / "backup")
    ran = run("backup", backup)
    assert ran.code == 0
    assert "1 repositories" in ran.out
    again = json.loads(run("backup", backup, "--json").out)
    assert (again["new_repositories"], again["new_bytes"]) == (0, 0)
    other = str(tmp_path / "other")
    restored = graft("hub", "restore", backup, "--data", other)
    assert restored.code == 0
    assert "all is sound" in restored.out
    refused = graft("hub", "restore", backup, "--data", other)
    assert refused.code == 2
    assert "not empty" in refused.err
    shutil.rmtree(tmp_path / "backup" / "storage")
    lost = graft("hub", "restore", backup, "--data", str(tmp_path / "third"))
    assert lost.code == 2
    assert "not complete" in lost.err


def test_figures(run: Graft, serving: RunningHub) -> None:
    found = json.loads(run("stats", "--git", "--json").out)
    assert found["repositories"] == {"models": 1, "datasets": 0}
    assert found["unique_bytes"] == 100_000
    assert found["git_bytes"] > 0
    assert found["largest"][0]["name"] == "ada/thing"
    shown = run("stats").out
    assert "100 kB" in shown
    assert "ada/thing" in shown


def test_a_folder_without_a_hub(graft: Graft, tmp_path: Path) -> None:
    for command in (["fsck"], ["gc"], ["stats"], ["backup", str(tmp_path / "b")]):
        ran = graft("hub", *command, "--data", str(tmp_path / "nothing"))
        assert ran.code == 2
        assert "There is no hub in" in ran.err
