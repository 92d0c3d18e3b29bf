"""Work that takes long: it ends, is told of, and nobody else waits for it."""

import pygit2
import pytest
from person import Person, file

from graft.server.events import RefUpdate
from graft.server.git import diffs, durable, program
from graft.server.records import Kind
from graft.server.repositories import refchanges, repos
from graft.server.running import RunningHub


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
    monkeypatch.setattr(program, "QUESTION_SECONDS", 0.0)
    entries = ada.http.get(f"/api/models/{repo}/tree/main", params={"expand": True}).json()
    assert {entry["path"] for entry in entries} == {".gitattributes", "a.txt"}
    assert "a.txt" in ada.http.get(f"/{repo}/tree/main").text


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
