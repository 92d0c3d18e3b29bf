"""What every answer has in common: an id, and errors that programs and people can read."""

import json
from typing import NoReturn
from urllib.parse import urlsplit

import httpx
import pytest
from person import Person, file
from sqlalchemy.exc import OperationalError

from graft.server.running import RunningHub


def test_every_answer_has_a_request_id(anyone: httpx.Client) -> None:
    for path in ("/api/models", "/api/nothing/here", "/static/none", "/no/repo"):
        assert anyone.get(path).headers["X-Request-Id"]
    given = anyone.get("/api/models", headers={"X-Request-Id": "my-own-id.1"})
    assert given.headers["X-Request-Id"] == "my-own-id.1"
    strange = anyone.get("/api/models", headers={"X-Request-Id": "<script>"})
    assert strange.headers["X-Request-Id"] != "<script>"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/buckets", 404),
        ("GET", "/api/spaces/a/b", 404),
        ("GET", "/api/models/a/b", 404),
        ("GET", "/api/nothing/here/at/all", 404),
        ("PATCH", "/api/whoami-v2", 405),
        ("POST", "/api/repos/create", 401),
        ("POST", "/api/validate-yaml", 400),
    ],
)
def test_errors_are_json(anyone: httpx.Client, method: str, path: str, status: int) -> None:
    answer = anyone.request(method, path)
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": 3}', b'{"name": "a", "type": "x"}'])
def test_bodies_that_make_no_sense_name_the_field(ada: Person, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused = ada.http.post("/api/repos/create", content=body, headers=headers)
    assert refused.status_code == 400
    assert "body" in refused.json()["error"]


def test_people_get_pages_and_programs_get_json(anyone: httpx.Client) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    page = anyone.get("/nobody/nothing", headers=browser)
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    for path in ("/api/models/nobody/nothing", "/nobody/nothing/resolve/main/a.txt"):
        assert anyone.get(path, headers=browser).json()["error"]


def test_a_commit_over_the_limit_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("narrow")
    with RunningHub(folder, max_commit_bytes=1000) as narrow:
        headers = {"Authorization": f"Bearer {narrow.add_user('ada')}"}
        with httpx.Client(base_url=narrow.url, headers=headers) as client:
            client.post("/api/repos/create", json={"name": "small"})
            lines = [{"key": "header", "value": {"summary": "s"}}, file("a.txt", b"x" * 2000)]
            body = "\n".join(json.dumps(line) for line in lines)
            refused = client.post("/api/models/ada/small/commit/main", content=body)
            assert refused.status_code == 413
            assert "1000 bytes" in refused.json()["error"]


def test_a_long_request_is_not_taken_into_memory(anyone: httpx.Client) -> None:
    body = b'{"content": "' + b"x" * 33 * 1024**2 + b'"}'
    headers = {"Content-Type": "application/json"}
    for path in ("/api/validate-yaml", "/api/models/nobody/commit/preupload/main"):
        refused = anyone.post(path, content=body, headers=headers)
        assert refused.status_code == 413
        assert "bytes allowed" in refused.json()["error"]


def test_a_card_to_check_may_be_as_long_as_cards_may(anyone: httpx.Client) -> None:
    card = {"content": "x" * (2 * 1024**2 + 1)}
    assert anyone.post("/api/validate-yaml", json=card).status_code == 400
    card["content"] = card["content"][1:]
    assert anyone.post("/api/validate-yaml", json=card).status_code == 200


def commit_of(value: str) -> bytes:
    return b'{"key": "header", "value": {"summary": "s"}}\n' + value.encode()


FILE = '{"key": "file", "value": {"path": "%s", "content": "%s", "encoding": "%s"}}'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("commit/main", commit_of(FILE % ("a.txt", "é", "base64"))),
        ("commit/main", commit_of(FILE % ("a.txt", "\\ud800", "utf-8"))),
        ("commit/main", commit_of(FILE % ("\\udc00.txt", "YQ==", "base64"))),
        ("commit/main", b'{"key": "header", "value": {"summary": "\\ud800"}}'),
        ("commit/main", b'{"key": "header", "value": {"summary": "\xed\xa0\x80"}}'),
        ("commit/main", commit_of('{"key": "deletedFile", "value": {"path": "\\uD800"}}')),
        ("preupload/main", b'{"files": [{"path": "a", "size": 1, "sample": "\xc3\xa9"}]}'),
        ("preupload/main", b'{"files": [{"path": "\\ud800", "size": 1}]}'),
        ("paths-info/main", b'["a"]'),
        ("paths-info/main", b'{"paths": [3]}'),
        ("paths-info/main", b'{"paths": ["\\ud800"]}'),
        ("paths-info/main", b'{"paths": '),
        ("paths-info/main", b"\xff"),
        ("paths-info/main", b"[" * 100_000),
    ],
)
def test_input_that_makes_no_sense_is_the_askers_to_mend(
    ada: Person, path: str, body: bytes
) -> None:
    repo = ada.create("careful")
    before = ada.head(repo)
    headers = {"Content-Type": "application/json"}
    refused = ada.http.post(f"/api/models/{repo}/{path}", content=body, headers=headers)
    assert refused.status_code in (400, 422), refused.text
    assert refused.json()["error"]
    assert ada.head(repo) == before


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"inputs": "\\ud800"}', b"\xff"])
def test_questions_that_make_no_sense(ada: Person, body: bytes) -> None:
    refused = ada.http.post(f"/infer/models/{ada.create('asked')}", content=body)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_paths_may_be_asked_for_in_json(ada: Person) -> None:
    repo = ada.create("in-json")
    for paths in (".gitattributes", [".gitattributes", "none"]):
        found = ada.http.post(f"/api/models/{repo}/paths-info/main", json={"paths": paths})
        assert [entry["path"] for entry in found.json()] == [".gitattributes"]


def test_a_pair_of_surrogates_is_one_character(ada: Person) -> None:
    repo = ada.create("smiling")
    body = commit_of(FILE % ("a.txt", "\\ud83d\\ude00", "utf-8"))
    made = ada.http.post(f"/api/models/{repo}/commit/main", content=body)
    assert made.status_code == 200
    assert ada.read(repo, "a.txt").decode() == "\U0001f600"
    address = urlsplit(made.json()["commitUrl"]).path
    assert ada.http.get(address, headers={"Accept": "text/html"}).status_code == 200


def test_reading_goes_on_where_the_database_cannot_be_written_to(
    hub: RunningHub, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = ada.create("readable")
    ada.commit(repo, file("a.txt", "a"))
    reader = httpx.Client(base_url=hub.url)
    token = hub.add_user(f"{ada.name}-reader")

    def refuse() -> NoReturn:
        raise OperationalError("BEGIN IMMEDIATE", None, Exception("readonly database"))

    with monkeypatch.context() as readonly, reader:
        readonly.setattr(hub.hub.database, "writing", refuse)
        headers = {"Authorization": f"Bearer {token}"}
        assert reader.get(f"/{repo}/resolve/main/a.txt", headers=headers).text == "a"
        fetched = reader.get(f"/{repo}/info/refs?service=git-upload-pack", headers=headers)
        assert fetched.status_code == 200


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/api/models/bert"),
        ("GET", "/api/models/bert/revision/main"),
        ("GET", "/api/datasets/squad/tree/main/data"),
        ("POST", "/api/models/bert/commit/main"),
        ("HEAD", "/bert/resolve/main/config.json"),
        ("GET", "/datasets/squad/resolve/main/config.json"),
    ],
)
def test_a_repository_named_without_its_owner_is_a_missing_one(
    anyone: httpx.Client, method: str, address: str
) -> None:
    answer = anyone.request(method, address)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")
