"""Work that takes long: it ends, is told of, and nobody else waits for it."""

import asyncio
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pygit2
import pytest
from person import Person, file, large

from graft.server.events import RefUpdate
from graft.server.git import diffs, durable, history, program
from graft.server.records import Kind
from graft.server.repositories import refchanges, repos
from graft.server.running import RunningHub
from graft.server.runtime.traffic import Traffic
from graft.server.settings import Settings
from graft.server.storage import streams
from graft.server.storage.xorbs import key_of
from graft.server.web import files


@pytest.fixture
def repo(ada: Person) -> str:
    made = ada.create("long")
    ada.commit(made, file("a.txt", "one\n"), summary="First")
    ada.http.post(f"/api/models/{made}/branch/side", json={})
    ada.commit(made, file("a.txt", "two\n"), summary="Second")
    return made


@pytest.mark.parametrize(
    "question",
    [
        "api/models/{}/blame/main/a.txt",
        "api/models/{}/compare/side...main",
        "api/models/{}/compare/side..main?raw=true",
        "api/models/{}/commit/main",
        "api/models/{}/commits/main",
        "{}/blame/main/a.txt",
        "{}/compare/side...main",
        "{}/commits/main",
    ],
)
def test_what_takes_git_too_long_is_given_up(
    ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    monkeypatch.setattr(program, "QUESTION_SECONDS", 0.0)
    answer = ada.http.get(f"/{question.format(repo)}")
    assert answer.status_code == 400
    assert "Clone the repository" in answer.text


def test_a_list_comes_without_last_commits_that_take_too_long(
    ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LAST_COMMITS_SECONDS", 0.0)
    entries = ada.http.get(f"/api/models/{repo}/tree/main", params={"expand": True}).json()
    assert {entry["path"] for entry in entries} == {".gitattributes", "a.txt"}
    assert "a.txt" in ada.http.get(f"/{repo}/tree/main").text


def test_what_takes_git_too_much_memory_is_given_up(
    ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.commit(repo, file("long.txt", "x" * 1_000_000))
    script = program.WITHIN_MEMORY[-1].replace(str(1024**2), "2000")
    monkeypatch.setattr(program, "WITHIN_MEMORY", ("sh", "-c", script))
    answer = ada.http.get(f"/api/models/{repo}/blame/main/long.txt")
    assert answer.status_code == 400
    assert "memory" in answer.text


def test_what_was_said_of_a_pull_request_is_shown_whatever_git_takes(
    ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"title": "Mine", "description": "Look at this.", "pullRequest": True}
    number = ada.http.post(f"/api/models/{repo}/discussions", json=asked).json()["num"]
    monkeypatch.setattr(program, "QUESTION_SECONDS", 0.0)
    page = ada.http.get(f"/{repo}/discussions/{number}")
    assert (page.status_code, "Look at this." in page.text) == (200, True)
    assert "git takes too long" in page.text
    told = ada.http.get(f"/api/models/{repo}/discussions/{number}")
    assert told.status_code == 200
    assert told.json()["events"][0]["data"]["latest"]["raw"] == "Look at this."


def test_a_long_folder_is_shown_in_pages(
    ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ENTRIES_PER_PAGE", 2)
    ada.commit(repo, *(file(f"sub/{number}.txt", "x") for number in range(5)), summary="Many")
    shown = [ada.http.get(f"/{repo}/tree/main/sub?page={page}").text for page in (1, 2, 3)]
    assert [re.findall(r">(\d).txt</a>", page) for page in shown] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
    assert all("Many" in page for page in shown)
    assert ["?page=2" in page for page in shown] == [True, False, True]
    far = ada.http.get(f"/api/models/{repo}/tree/main", params={"cursor": 10**30})
    assert far.json() == []


def test_a_file_that_becomes_a_link_is_one_change(hub: RunningHub, ada: Person, repo: str) -> None:
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    opened = repos.open_git(hub.hub, found)
    old = opened.references["refs/heads/main"].peel(pygit2.Commit)
    builder = opened.TreeBuilder(old.tree)
    builder.insert("a.txt", opened.create_blob(b"z.txt"), pygit2.enums.FileMode.LINK)
    builder.insert("z.txt", opened.create_blob(b"last\n"), pygit2.enums.FileMode.BLOB)
    new = opened.create_commit(None, old.author, old.author, "Link", builder.write(), [old.id])
    link, last = diffs.changed_files(opened, str(old.id), str(new))
    assert (link.path, link.patch.count("diff --git ")) == ("a.txt", 2)
    assert (last.path, last.status, last.added) == ("z.txt", "added", 1)
    assert last.patch.endswith("+last\n")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("v1", "already exists"), ("v1/a", "beside 'v1'"), ("a/b", "beside 'a/b/c'"), ("a", "a/b/c")],
)
def test_a_name_that_another_stands_in_the_way_of(
    ada: Person, repo: str, name: str, wrong: str
) -> None:
    for other in ("v1", "a/b/c", "a/bb", "a-b", "v10"):
        made = ada.http.post(f"/api/models/{repo}/branch/{other}", json={})
        assert made.status_code == 200, made.text
    refused = ada.http.post(f"/api/models/{repo}/branch/{name}", json={})
    assert refused.status_code == 409
    assert wrong in refused.text


def test_the_disk_is_waited_for_once_for_many_refs(
    hub: RunningHub, ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes all other writing requests as long."""
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    waited: list[str] = []
    monkeypatch.setattr(durable, "sync_all", lambda folder: waited.append("all"))
    monkeypatch.setattr(durable, "sync_ref", lambda folder, ref, stays: waited.append(ref))
    updates = [RefUpdate(f"refs/tags/v{number}", None, ada.head(repo)) for number in range(20)]
    with refchanges.locked(hub.hub, found) as opened:
        refchanges.move(hub.hub, found, opened, updates)
    assert waited == ["all", "all"]  # the objects, then the refs
    assert len(ada.http.get(f"/api/models/{repo}/refs").json()["tags"]) == 20


@pytest.mark.parametrize("few", [0, 32])
def test_many_answers_at_once_are_in_memory_in_short_pieces(
    hub: RunningHub, ada: Person, repo: str, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(streams, "FEW", few)
    data = os.urandom(5_000_000)
    ada.commit(repo, large("w.bin", ada.upload(repo, data), len(data)))
    assert ada.read(repo, "w.bin") == data
    part = ada.http.get(f"/{repo}/resolve/main/w.bin", headers={"Range": "bytes=99999-4000000"})
    assert part.content == data[99_999:4_000_001]
    blobs = hub.hub.content.blobs

    async def lengths() -> list[int]:
        sha256 = hashlib.sha256(data).hexdigest()
        [xorb] = {term.xorb for term in hub.hub.content.layout(sha256).terms}
        name = key_of(xorb)
        ranges = [len(piece) async for piece in blobs.stream(name, 0, 4_000_000)]
        return ranges + [len(p) async for p in hub.hub.content.stream(sha256, 0, len(data))]

    longest = max(asyncio.run(lengths()))
    assert (longest > 10**6) == (few > 0)


@pytest.fixture
def held_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """From when it is called, `git` comes to no end before the test does."""
    done = tmp_path / "done"
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    wait = f"while ! [ -e {done} ]; do sleep 0.1; done"
    program.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/asked\n{wait}\nexit 1\n")
    program.chmod(0o755)
    yield lambda: monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done.touch()


def test_questions_that_take_long_leave_threads_to_everybody_else(
    tmp_path: Path, held_git: Callable[[], None]
) -> None:
    with RunningHub(tmp_path / "hub") as hub, ThreadPoolExecutor(100) as people:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as http:
            ada = Person("ada", "", http)
            repo = ada.create("asked")
            ada.commit(repo, file("a.txt", "one\n"))
            held_git()
            address = f"{hub.url}/api/models/{repo}/blame/main/a.txt"
            asked = [people.submit(httpx.get, address, timeout=60) for _ in range(100)]
            traffic = hub.app.state.traffic
            while traffic.questions.waiting < 100 - hub.settings.max_questions:
                assert not any(each.done() for each in asked)
                time.sleep(0.01)
            for _ in range(20):
                assert ada.files(repo) == {"a.txt"}
            assert ada.commit(repo, file("b.txt", "two\n")).status_code == 200
            assert not any(each.done() for each in asked)
            (tmp_path / "done").touch()
            assert {each.result().status_code for each in asked} == {500}


def test_more_questions_than_may_wait_are_told_to_come_back(
    tmp_path: Path, held_git: Callable[[], None]
) -> None:
    with (
        RunningHub(tmp_path / "hub", max_questions=1, max_waiting=0) as hub,
        ThreadPoolExecutor(1) as people,
    ):
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as http:
            repo = Person("ada", "", http).create("asked")
            held_git()
            root = f"/api/models/{repo}"
            asked = people.submit(http.get, f"{root}/commits/main")
            while not hub.app.state.traffic.questions.is_full:
                assert not asked.done()
                time.sleep(0.01)
            refused = httpx.get(f"{hub.url}{root}/tree/main?expand=true")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            assert httpx.get(f"{hub.url}{root}/tree/main").status_code == 200
            (tmp_path / "done").touch()
            asked.result()


def test_who_hangs_up_while_waiting_is_not_worked_for(
    tmp_path: Path, held_git: Callable[[], None]
) -> None:
    with RunningHub(tmp_path / "hub", max_questions=1) as hub, ThreadPoolExecutor(1) as people:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        questions = hub.app.state.traffic.questions
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as http:
            repo = Person("ada", "", http).create("asked")
            held_git()
            asked = people.submit(http.get, f"/api/models/{repo}/commits/main")
            while not questions.is_full:
                time.sleep(0.01)
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", hub.port)) as left:
                    line = f"GET /api/models/{repo}/blame/main/.gitattributes HTTP/1.1"
                    left.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
                    while not questions.waiting:
                        time.sleep(0.01)
            while questions.waiting < 3:
                time.sleep(0.01)
            (tmp_path / "done").touch()
            assert asked.result().status_code == 500
            assert http.get(f"/api/models/{repo}/lfs-files").json() == []
        assert not questions.waiting
    assert "blame" not in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("method", "address", "kind"),
    [
        ("POST", "/a/b.git/git-receive-pack", "changes"),
        ("POST", "/api/models/a/b/commit/main", "changes"),
        ("GET", "/api/models/a/b/commit/main", "questions"),
        ("DELETE", "/api/datasets/a/b/branch/x", "changes"),
        ("POST", "/api/models/a/b/discussions", "changes"),
        ("POST", "/datasets/a/b/discussions/1/merge", "changes"),
        ("GET", "/datasets/a/b/discussions/1/files", "questions"),
        ("GET", "/api/models/a/b/discussions", None),
        ("POST", "/datasets/a/b.git/git-upload-pack", "clones"),
        ("HEAD", "/a/b/tree/main", "questions"),
        ("GET", "/api/models/a/b/tree/main", None),
        ("POST", "/api/models/a/b/paths-info/main", "lookups"),
        ("GET", "/a/b/resolve/main/commits/x", None),
    ],
)
def test_which_gate_stands_before_what(method: str, address: str, kind: str | None) -> None:
    gate = Traffic(Settings()).gate_of(method, address)
    assert (gate.name if gate else None) == kind
