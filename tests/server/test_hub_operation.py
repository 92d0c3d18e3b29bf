"""What whoever runs a Hub relies on: health, metrics, limits, and clients that are too slow."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import httpx
import pytest
from huggingface_hub.utils import parse_ratelimit_headers
from person import Person, file

from graft.server.running import RunningHub
from graft.server.runtime import logs
from waiting import wait_until


def test_it_lives_and_is_ready(anyone: httpx.Client) -> None:
    assert anyone.get("/healthz").text == "ok\n"
    ready = anyone.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": {}})


def test_it_says_what_it_is_not_ready_for(tmp_path: Path) -> None:
    with RunningHub(tmp_path, min_free_bytes=2**62) as hub:
        answer = httpx.get(f"{hub.url}/readyz")
        assert answer.status_code == 503
        assert "GRAFT_MIN_FREE_BYTES" in answer.json()["problems"]["disk"]
        assert httpx.get(f"{hub.url}/healthz").status_code == 200
    with RunningHub(tmp_path) as hub:
        hub.hub.database.close()
        hub.app.state.readiness.is_stopping = True
        answer = httpx.get(f"{hub.url}/readyz")
        assert answer.status_code == 503
        assert "process" in answer.json()["problems"]


def test_metrics_count_requests_by_route(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("counted")
    for _ in range(3):
        ada.http.get(f"/api/models/{repo}")
    ada.commit(repo, file("a.txt", "a" * 1000))
    text = anyone.get("/metrics").text
    assert repo not in text
    route = 'method="GET",route="/api/{kind}/{owner}/{name}"'
    assert value(text, f'graft_requests_total{{{route},status="200"}}') >= 3
    assert value(text, f'graft_request_seconds_bucket{{{route},le="+Inf"}}') >= 3
    commit = 'method="POST",route="/api/{kind}/{owner}/{name}/commit/{branch:path}"'
    assert value(text, f"graft_received_bytes_total{{{commit}}}") > 1000
    assert value(text, 'graft_repositories{kind="model"}') >= 1
    assert value(text, "graft_processes") == 1
    assert value(text, 'graft_waiting_requests{kind="changes"}') == 0


def value(text: str, name: str) -> float:
    lines = [line for line in text.splitlines() if line.rpartition(" ")[0] == name]
    assert len(lines) == 1, name
    return float(lines[0].rpartition(" ")[2])


def test_metrics_are_for_those_who_look_after_the_hub(tmp_path: Path) -> None:
    with RunningHub(tmp_path, metrics_token="seen-by-prometheus") as hub:
        assert httpx.get(f"{hub.url}/metrics").status_code == 403
        headers = {"Authorization": "Bearer seen-by-prometheus"}
        assert httpx.get(f"{hub.url}/metrics", headers=headers).status_code == 200
    with RunningHub(tmp_path) as hub:
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": "192.0.2.1"}):
            answer = httpx.get(f"{hub.url}/metrics", headers=headers)
            assert answer.status_code == (403 if headers else 200)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub that takes five requests from a stranger and twenty from somebody known."""
    with RunningHub(tmp_path, rate_limit=20, rate_limit_anonymous=5) as hub:
        yield hub


def test_requests_of_one_address_are_limited(strict: RunningHub) -> None:
    answers = [httpx.get(f"{strict.url}/api/models") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    left = parse_ratelimit_headers(answers[0].headers)
    assert left is not None
    assert (left.remaining, left.limit, left.window_seconds) == (4, 5, 300)
    refused = answers[5]
    told = parse_ratelimit_headers(refused.headers)
    assert told is not None
    assert told.remaining == 0
    assert 0 < told.reset_in_seconds <= 60
    assert int(refused.headers["Retry-After"]) == told.reset_in_seconds
    assert "5 in 300 seconds" in refused.json()["error"]
    assert httpx.get(f"{strict.url}/healthz").status_code == 200


def test_a_known_token_has_a_limit_of_its_own(strict: RunningHub) -> None:
    headers = {"Authorization": f"Bearer {strict.add_user('ada')}"}
    statuses = [
        httpx.get(f"{strict.url}/api/whoami-v2", headers=headers).status_code for _ in range(22)
    ]
    assert statuses == [200] * 21 + [429]  # the first was an unknown one's
    assert httpx.get(f"{strict.url}/api/models").status_code == 200


def test_made_up_tokens_count_for_their_address(strict: RunningHub) -> None:
    statuses = [
        httpx.get(
            f"{strict.url}/api/models", headers={"Authorization": f"Bearer graft_{number}"}
        ).status_code
        for number in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2
    cookies = [httpx.get(f"{strict.url}/static/none", headers={"Cookie": "graft_session=x"})]
    assert cookies[0].status_code == 404


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub that waits for half a second."""
    with RunningHub(tmp_path, header_seconds=0.5, body_seconds=0.5, keep_alive_seconds=1) as hub:
        yield hub


def wait_for_end(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    connection.settimeout(20)
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_headers_that_do_not_come_end_the_connection(impatient: RunningHub, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(sent)
        assert wait_for_end(connection) == b""


def send_until_cut(connection: socket.socket, piece: bytes, times: int, pause: float) -> bool:
    """Sends again and again; whether the other side has cut the connection meanwhile."""
    try:
        for _ in range(times):
            connection.sendall(piece)
            time.sleep(pause)
    except OSError:
        return True
    return False


def test_headers_that_trickle_end_the_connection_too(impatient: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert send_until_cut(connection, b"X-Slow: 1\r\n", times=200, pause=0.1)


def test_endless_headers_end_the_connection(tmp_path: Path) -> None:
    with (
        RunningHub(tmp_path, header_seconds=1000) as hub,
        socket.create_connection(("127.0.0.1", hub.port)) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        long = b"X-Long: " + b"x" * 4000 + b"\r\n"
        assert send_until_cut(connection, long, times=5000, pause=0.001)


def test_a_body_that_does_not_come_is_given_up_with_an_answer(impatient: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        head = b"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
        answer = wait_for_end(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not come in time: 1 bytes arrived" in answer


def test_the_answer_to_a_body_that_nobody_reads_arrives(anyone: httpx.Client) -> None:
    for length in (100_000, 1_000_000, 8_000_000) * 3:
        assert anyone.post("/there/is/nothing/here", content=bytes(length)).status_code == 404


def test_who_takes_no_answer_is_cut_off(
    impatient: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {impatient.add_user('ada')}"}
    with httpx.Client(base_url=impatient.url, headers=headers) as client:
        ada = Person("ada", "", client)
        repo = ada.create("long")
        data = b"x" * 30_000_000
        sha256 = ada.upload(repo, data)
        value = {"path": "w.bin", "algo": "sha256", "oid": sha256, "size": len(data)}
        assert ada.commit(repo, {"key": "lfsFile", "value": value}).status_code == 200
    path = f"/{repo}/resolve/main/w.bin"
    with (
        caplog.at_level(logging.INFO, "graft.access"),
        socket.create_connection(("127.0.0.1", impatient.port)) as connection,
    ):
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for_line(caplog, path)
        assert len(wait_for_end(connection)) < len(data)


def test_idle_connections_end(impatient: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in wait_for_end(connection)


def test_more_changes_than_can_wait_are_told_to_come_back(tmp_path: Path) -> None:
    with RunningHub(tmp_path, max_changes=1, max_waiting=0) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as client:
            ada = Person("ada", "", client)
            repo = ada.create("wanted")

            def commit(number: int) -> httpx.Response:
                return ada.commit(repo, file(f"{number}.txt", "x" * 100_000))

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(commit, range(16)))
            done = [number for number, answer in enumerate(answers) if answer.status_code == 200]
            busy = [answer for answer in answers if answer.status_code == 503]
            assert len(done) + len(busy) == 16
            assert busy
            assert done
            assert all(answer.headers["Retry-After"] for answer in busy)
            assert ada.files(repo) == {f"{number}.txt" for number in done}


def wait_for_line(caplog: pytest.LogCaptureFixture, path: str) -> dict[str, object]:
    """What the log's line says of the request for `path`: it is written when that has ended."""

    def found() -> dict[str, object] | None:
        lines = [record.__dict__.get("fields", {}) for record in list(caplog.records)]
        return next((fields for fields in lines if fields.get("path") == path), None)

    return wait_until(found, f"no line of the log tells of {path}")


def test_lines_of_the_log_are_json_without_secrets() -> None:
    stream = StringIO()
    formatter = logs.JsonFormatter()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("graft.test")
    logger.addHandler(handler)
    secrets = {
        "token": "graft_0123456789abcdef0123456789abcdef01234567",
        "signature": "a0b1c2d3e4",
        "password": "hunter22",
    }
    logger.warning("Authorization: Bearer %s", secrets["token"])
    logger.warning("GET /x?signature=%s&size=3", secrets["signature"])
    logger.warning("postgresql://me:%s@host/db", secrets["password"])
    try:
        raise ValueError(f"password={secrets['password']}")
    except ValueError:
        logger.exception("It failed")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["warning"] * 3 + ["error"]
    assert "ValueError" in lines[3]["error"]
    assert "size=3" in lines[1]["message"]
    assert not [secret for secret in secrets.values() if secret in stream.getvalue()]


def test_each_request_is_a_line(
    hub: RunningHub, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    repo = ada.create("logged")
    with caplog.at_level(logging.INFO, "graft.access"):
        ada.http.get(f"/api/models/{repo}?secret=signature", headers={"X-Request-Id": "mine"})
        fields = wait_for_line(caplog, f"/api/models/{repo}")
    assert fields["route"] == "/api/{kind}/{owner}/{name}"
    assert (fields["status"], fields["user"], fields["address"]) == (200, ada.name, "127.0.0.1")
    assert "signature" not in str(caplog.records[0].__dict__)


def test_nobody_writes_lines_into_the_log() -> None:
    """Addresses are decoded: they may hold line ends, and what terminals take for commands."""
    path = "/a\n12:00:00 GET /forged\x1b[2J\u2028/graft_0123456789abcdef0123456789abcdef01234567"
    fields = {"fields": {"path": path}}
    record = logging.makeLogRecord({"msg": "GET %s", "args": (path,), "levelno": 20, **fields})
    text = logs.TextFormatter().format(record)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert "graft_0123" not in text
    assert "graft_0123" not in logs.JsonFormatter().format(record)
