"""What every answer has in common: an id, and errors that programs and people can read."""

import json

import httpx
import pytest
from person import Person, file

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
        ("GET", "/api/spaces", 404),
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
    refused = anyone.post("/api/validate-yaml", content=body, headers=headers)
    assert 400 <= refused.status_code < 500


def test_xet_is_refused_with_the_way_around_it(ada: Person) -> None:
    repo = ada.create("no-xet")
    for kind in ("read", "write"):
        refused = ada.http.get(f"/api/models/{repo}/xet-{kind}-token/main")
        assert refused.status_code == 404
        assert "HF_HUB_DISABLE_XET=1" in refused.json()["error"]
