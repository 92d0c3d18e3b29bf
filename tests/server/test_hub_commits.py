"""Commits over the API: each is made whole, or leaves nothing behind."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from person import CARD, Person, deleted, file, large

from graft.server.running import RunningHub


def lines(*operations: dict[str, Any], **header: Any) -> str:
    """The body of a commit."""
    first = {"key": "header", "value": {"summary": "A change", **header}}
    return "\n".join(json.dumps(line) for line in (first, *operations))


def test_files_come_back_as_they_went(ada: Person) -> None:
    repo = ada.create("round")
    contents = {
        "plain.txt": b"hello",
        "empty.txt": b"",
        "deep/er/file.bin": bytes(range(256)),
        "name with spaces & ünïcode.txt": "ünïcode".encode(),
        "crlf.txt": b"a\r\nb\r\n",
        "100%.txt": b"percent",
    }
    made = ada.commit(repo, *(file(path, data) for path, data in contents.items()))
    assert made.json()["commitOid"] == ada.head(repo)
    for path, data in contents.items():
        assert ada.read(repo, path.replace("%", "%25")) == data


def test_deleting_files_and_folders(ada: Person) -> None:
    repo = ada.create("shrinking")
    ada.commit(repo, *(file(path, "x") for path in ("a.txt", "f/1.txt", "f/g/2.txt", "fg.txt")))
    assert ada.commit(repo, deleted("a.txt"), deleted("f/")).status_code == 200
    assert ada.files(repo) == {"fg.txt"}


def test_deleting_what_is_not_there_changes_nothing(ada: Person) -> None:
    repo = ada.create("kept")
    ada.commit(repo, file("a.txt", "a"))
    for gone in ("b.txt", "a.txt/", "folder/"):
        refused = ada.commit(repo, file("c.txt", "c"), deleted(gone))
        assert refused.status_code == 404
        assert refused.headers["X-Error-Code"] == "EntryNotFound"
        assert "with this name doesn't exist" in refused.json()["error"]
    assert ada.files(repo) == {"a.txt"}


def test_a_file_deleted_and_added_in_one_commit_is_there(ada: Person) -> None:
    repo = ada.create("replaced")
    ada.commit(repo, file("f/a.txt", "old"))
    ada.commit(repo, deleted("f/"), file("f/b.txt", "new"))
    assert ada.files(repo) == {"f/b.txt"}


def test_a_commit_on_top_of_an_old_one_is_refused(ada: Person) -> None:
    repo = ada.create("moved-on")
    old = ada.head(repo)
    assert ada.commit(repo, file("a.txt", "a"), parentCommit=old).status_code == 200
    stale = ada.commit(repo, file("b.txt", "b"), parentCommit=old)
    assert stale.status_code == 412
    assert old in stale.json()["error"]
    assert ada.files(repo) == {"a.txt"}


def test_commits_at_the_same_time_all_arrive(ada: Person) -> None:
    repo = ada.create("busy")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ada.commit(repo, file(f"{n}.txt", "x")), range(16)))
    assert [answer.status_code for answer in answers] == [200] * 16
    assert ada.files(repo) == {f"{n}.txt" for n in range(16)}


def test_a_commit_that_changes_nothing_makes_none(ada: Person) -> None:
    repo = ada.create("still")
    ada.commit(repo, file("a.txt", "a"))
    head = ada.head(repo)
    assert ada.commit(repo, file("a.txt", "a")).json()["commitOid"] == head
    assert ada.head(repo) == head


BROKEN_CARDS = {
    "---\nlicense: mit\ntags: [a, b\n---\n# Hi\n": "line 4",
    "---\nlicense: mit\n  language: en\n---\n": "line 3",
    "---\n- a\n- b\n---\n": "line 2",
    "---\nlicense: mit\n# never closed\n": "line 1",
}


@pytest.mark.parametrize("card", BROKEN_CARDS)
def test_a_card_with_broken_yaml_is_refused_with_its_line(ada: Person, card: str) -> None:
    repo = ada.create("card")
    ada.commit(repo, file("README.md", CARD))
    head = ada.head(repo)
    refused = ada.commit(repo, file("other.txt", "x"), file("README.md", card))
    assert refused.status_code == 400
    assert "README.md" in refused.json()["error"]
    assert BROKEN_CARDS[card] in refused.json()["error"]
    assert ada.head(repo) == head
    assert ada.files(repo) == {"README.md"}


@pytest.mark.parametrize("card", BROKEN_CARDS)
def test_validate_yaml_names_the_same_line(ada: Person, card: str) -> None:
    answer = ada.http.post("/api/validate-yaml", json={"content": card, "repoType": "model"})
    assert answer.status_code == 400
    assert BROKEN_CARDS[card] in answer.json()["errors"][0]["message"]


def test_a_card_may_hold_what_json_cannot(ada: Person) -> None:
    repo = ada.create("odd-card")
    card = "---\nscore: .nan\nbest: .inf\n1: {2: 3}\nwhen: 2024-01-01\nbytes: !!binary aGk=\n---\n"
    assert ada.commit(repo, file("README.md", card)).status_code == 200
    data = ada.http.get(f"/api/models/{repo}").json()["cardData"]
    assert data["score"] == "nan"
    assert data["1"] == {"2": 3}
    assert data["when"] == "2024-01-01"


@pytest.mark.parametrize(
    "path",
    [
        "../up.txt",
        "/root.txt",
        "a//b.txt",
        "a/./b.txt",
        ".git/config",
        "A/.GIT/x",
        "a\\b",
        "a\nb",
        "",
        "x" * 1025,
    ],
)
def test_paths_that_files_cannot_have(ada: Person, path: str) -> None:
    repo = ada.create("paths")
    refused = ada.commit(repo, file("fine.txt", "x"), file(path, "x"))
    assert refused.status_code == 422
    assert "path" in refused.json()["error"]
    assert ada.files(repo) == set()


def test_a_file_cannot_replace_a_folder_nor_lie_below_a_file(ada: Person) -> None:
    repo = ada.create("clash")
    ada.commit(repo, file("folder/a.txt", "a"), file("flat", "f"))
    for path in ("folder", "flat/below.txt"):
        refused = ada.commit(repo, file(path, "x"))
        assert refused.status_code == 400
        assert path in refused.json()["error"]
    both = ada.commit(repo, file("new/a.txt", "a"), file("new", "x"))
    assert both.status_code == 400
    assert ada.files(repo) == {"folder/a.txt", "flat"}
    assert ada.commit(repo, deleted("folder/"), file("folder", "f")).status_code == 200
    assert ada.files(repo) == {"folder", "flat"}


LINES = {
    "not json": "Line 1",
    '["a", "list"]': "Line 1",
    '{"key": "file", "value": {"path": "a", "content": ""}}': "must be the header",
    '{"key": "header", "value": {}}': "summary",
    "": "empty",
    "{header}\n" + json.dumps({"key": "rename", "value": {"path": "a"}}): "Line 2",
    "{header}\n" + json.dumps({"key": "file", "value": {"content": "eA=="}}): "path",
    "{header}\n" + json.dumps({"key": "file", "value": {"path": "a"}}): "content",
    "{header}\n"
    + json.dumps(
        {"key": "file", "value": {"path": "a", "content": "%", "encoding": "base64"}}
    ): "base64",
    "{header}\n"
    + json.dumps(
        {"key": "file", "value": {"path": "a", "content": "x", "encoding": "rot13"}}
    ): "rot13",
    "{header}\n" + json.dumps({"key": "lfsFile", "value": {"path": "a", "algo": "md5"}}): "sha256",
}


@pytest.mark.parametrize("lines", LINES)
def test_lines_that_make_no_commit(ada: Person, lines: str) -> None:
    repo = ada.create("lines")
    body = lines.replace("{header}", '{"key": "header", "value": {"summary": "s"}}')
    refused = ada.http.post(f"/api/models/{repo}/commit/main", content=body)
    assert refused.status_code == 400
    assert LINES[lines] in refused.json()["error"]
    assert ada.files(repo) == set()


def test_commits_go_to_branches_only(ada: Person) -> None:
    repo = ada.create("heads")
    ada.http.post(f"/api/models/{repo}/tag/main", json={"tag": "v1"})
    body = '{"key": "header", "value": {"summary": "s"}}'
    for revision in ("nowhere", "v1", ada.head(repo)):
        refused = ada.http.post(f"/api/models/{repo}/commit/{revision}", content=body)
        assert refused.status_code == 404
        assert refused.headers["X-Error-Code"] == "RevisionNotFound"


def test_a_large_file_must_have_been_uploaded(ada: Person) -> None:
    repo = ada.create("unsent")
    refused = ada.commit(repo, large("w.bin", "0" * 64, 10))
    assert refused.status_code == 400
    assert "was not uploaded" in refused.json()["error"]
    sha256 = ada.upload(repo, b"ten bytes!")
    wrong = ada.commit(repo, large("w.bin", sha256, 11))
    assert wrong.status_code == 400
    assert "announces 11 bytes" in wrong.json()["error"]
    assert ada.files(repo) == set()


def test_a_pointer_does_not_open_anothers_private_file(ada: Person, bob: Person) -> None:
    hidden = b"private weights" * 10
    secret = ada.create("vault", private=True)
    sha256 = ada.upload(secret, hidden)
    ada.commit(secret, large("w.bin", sha256, len(hidden)))
    repo = bob.create("thief")
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(hidden)}\n"
    )
    for operation in (file("w.bin", pointer), large("w.bin", sha256, len(hidden))):
        refused = bob.commit(repo, operation)
        assert refused.status_code == 400
        assert "was not uploaded" in refused.json()["error"]
    assert "upload" in bob.lfs(repo, "upload", sha256, len(hidden))["actions"]
    assert bob.lfs(repo, "download", sha256, len(hidden))["error"]["code"] == 404


def test_a_large_file_with_an_unruled_name_gets_a_rule(ada: Person) -> None:
    repo = ada.create("unruled")
    data = b"no suffix" * 100
    sha256 = ada.upload(repo, data)
    ada.commit(repo, large("weights [v1] *", sha256, len(data)))
    rules = ada.read(repo, ".gitattributes").decode().splitlines()
    assert (
        rules[-1] == r"/weights[[:space:]]\[v1\][[:space:]]\* filter=lfs diff=lfs merge=lfs -text"
    )
    ada.commit(repo, large("weights [v1] *", sha256, len(data)), file("a.txt", "a"))
    assert ada.read(repo, ".gitattributes").decode().splitlines() == rules


def test_preupload_sends_large_and_binary_files_to_the_store(ada: Person) -> None:
    repo = ada.create("planned")
    ada.commit(repo, file("same.txt", "x"))
    files = [
        {"path": "model.safetensors", "size": 10, "sample": "e30="},
        {"path": "config.json", "size": 10, "sample": "e30="},
        {"path": "huge.txt", "size": 100_000_000, "sample": "e30="},
        {"path": "data", "size": 4, "sample": "AAAA"},
        {"path": "empty.bin", "size": 0, "sample": ""},
        {"path": "same.txt", "size": 1, "sample": "eA=="},
        {"path": "ignored/x.txt", "size": 1, "sample": "eA=="},
    ]
    body = {"files": files, "gitIgnore": "ignored/\n!same.txt\n"}
    answer = ada.http.post(f"/api/models/{repo}/preupload/main", json=body).json()["files"]
    assert [f["uploadMode"] for f in answer] == [
        "lfs",
        "regular",
        "lfs",
        "lfs",
        "regular",
        "regular",
        "regular",
    ]
    assert [f["path"] for f in answer if f["shouldIgnore"]] == ["ignored/x.txt"]
    assert answer[5]["oid"] == "c1b0730e0133447badcfd47fd144e254807b06e1"


def test_a_file_too_long_for_git_is_refused_inline(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("stuffed")
    refused = ada.commit(repo, file("big.txt", b"x" * (hub.settings.max_inline_bytes + 1)))
    assert refused.status_code == 400
    assert "upload it as a large file" in refused.json()["error"]


def test_a_commit_may_open_a_pull_request(ada: Person, bob: Person) -> None:
    repo = ada.create("open-to-all")
    head = ada.head(repo)
    for number, person in enumerate((ada, bob), start=1):
        answer = person.http.post(
            f"/api/models/{repo}/commit/main?create_pr=1", content=lines(file("new.txt", "x"))
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["pullRequestUrl"].endswith(f"/{repo}/discussions/{number}")
        assert ada.read(repo, "new.txt", f"refs%2Fpr%2F{number}") == b"x"
    assert ada.head(repo) == head
    assert ada.files(repo) == set()


def test_who_opened_a_pull_request_may_commit_to_it(
    ada: Person, bob: Person, new_person: Callable[[], Person]
) -> None:
    repo = ada.create("followed-up")
    bob.http.post(f"/api/models/{repo}/commit/main?create_pr=1", content=lines(file("a", "a")))
    address = f"/api/models/{repo}/commit/refs%2Fpr%2F1"
    for person, status in ((bob, 200), (ada, 200), (new_person(), 403)):
        answer = person.http.post(address, content=lines(file(f"{person.name}", "x")))
        assert answer.status_code == status
    assert (
        bob.http.post(f"/api/models/{repo}/commit/main", content=lines(file("a", "a"))).status_code
        == 403
    )
    missing = ada.http.post(address.replace("2F1", "2F2"), content=lines(file("a", "a")))
    assert missing.headers["X-Error-Code"] == "RevisionNotFound"


def test_what_is_deleted_as_a_file_may_be_a_folder(ada: Person) -> None:
    repo = ada.create("thing")
    ada.commit(repo, file("a/1.txt", "1"), file("a/b/2.txt", "2"), file("c.txt", "3"))
    deleted_file = {"key": "deletedFile", "value": {"path": "a"}}
    assert ada.commit(repo, deleted_file).status_code == 200
    assert ada.files(repo) == {"c.txt"}


def test_a_commit_says_where_it_can_be_seen(ada: Person) -> None:
    repo = ada.create("thing")
    made = ada.commit(repo, file("a.txt", "1")).json()
    assert made["commitUrl"].endswith(f"/{repo}/commit/{made['commitOid']}")
