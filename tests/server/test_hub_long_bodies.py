"""Long bodies, which are taken off their connections: what comes before, behind and in between."""

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from select import select
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from person import Person
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graft.server.api import bodies
from graft.server.api.bodies import blocks
from graft.server.running import RunningHub
from graft.server.runtime.connections import configuration
from graft.server.runtime.serving import listen
from graft.server.settings import Settings
from waiting import wait_until

LENGTH = 5_000_000


held, released = threading.Event(), threading.Event()


async def hashing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the SHA-256 of what it is sent, and whether any of it came past the parser; at
    `/held` only once that is released."""
    digest, past = hashlib.sha256(), False
    if scope["path"] == "/held":
        held.set()
    async for block in blocks(Request(scope, receive)):
        digest.update(block)
        past = past or isinstance(block, memoryview)
    while scope["path"] == "/held" and not released.is_set():
        await asyncio.sleep(0.01)
    await Response(f"{digest.hexdigest()} {past}")(scope, receive, send)


def hashed(data: bytes, *, past: bool) -> bytes:
    """What `hashing` answers."""
    return f"{hashlib.sha256(data).hexdigest()} {past}".encode()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where `hashing` is served, as a Hub is."""
    config = configuration(hashing, Settings(data_folder=tmp_path_factory.mktemp("data")))
    config.lifespan = "off"
    server = uvicorn.Server(config)
    with closing(listen("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as made:
        yield made


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def put(data: bytes, *headers: str) -> bytes:
    return head("PUT /", f"Content-Length: {len(data)}", *headers) + data


def wait_for(connection: socket.socket, expected: bytes) -> bytes:
    """What comes, until that does."""
    received = b""
    while expected not in received:
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {received!r}"
        received += piece
    return received


def test_a_connection_goes_on_behind_a_long_body(connection: socket.socket) -> None:
    for _ in range(3):
        data = os.urandom(LENGTH)
        connection.sendall(put(data))
        wait_for(connection, hashed(data, past=True))


def test_what_is_sent_right_behind_a_long_body_is_another_request(
    connection: socket.socket,
) -> None:
    data = os.urandom(LENGTH)
    connection.sendall(put(data) + put(b"short"))
    received = wait_for(connection, hashed(b"short", past=False))
    assert hashed(data, past=True) in received


def test_a_request_does_not_take_the_body_of_the_one_behind_it(connection: socket.socket) -> None:
    data = os.urandom(LENGTH)
    sent = put(data)
    connection.sendall(put(b"short") + sent[: -len(data)])
    wait_for(connection, hashed(b"short", past=False))
    connection.sendall(data)
    wait_for(connection, hashed(data, past=True))


def test_what_is_sent_behind_a_long_body_waits_outside(connection: socket.socket) -> None:
    data, behind = os.urandom(LENGTH), os.urandom(10 * LENGTH)
    held.clear()
    released.clear()
    connection.sendall(head("PUT /held", f"Content-Length: {LENGTH}"))
    assert held.wait(60)  # now the body is waited for
    connection.sendall(data)
    waiting = memoryview(put(behind))
    while select([], [connection], [], 1)[1]:  # as long as the server takes it
        waiting = waiting[connection.send(waiting) :]
    held_back = len(waiting)
    released.set()
    connection.sendall(waiting)
    received = wait_for(connection, hashed(behind, past=True))
    assert hashed(data, past=True) in received
    assert held_back > len(behind) // 5  # buffers of the system take some


def test_a_long_body_may_come_in_pieces(connection: socket.socket) -> None:
    data = os.urandom(LENGTH)
    sent = put(data)
    for start in range(0, len(sent), LENGTH // 7):
        connection.sendall(sent[start : start + LENGTH // 7])
        time.sleep(0.01)
    wait_for(connection, hashed(data, past=True))


def test_a_body_of_unknown_length_comes_through_the_parser(connection: socket.socket) -> None:
    data = os.urandom(LENGTH)
    for _ in range(2):
        connection.sendall(head("PUT /", "Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n")
        wait_for(connection, hashed(data, past=False))


def test_a_long_body_is_asked_for(connection: socket.socket) -> None:
    data = os.urandom(LENGTH)
    sent = put(data, "Expect: 100-continue")
    connection.sendall(sent[: -len(data)])
    assert wait_for(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(data)
    wait_for(connection, hashed(data, past=True))


def upload_address(person: Person, repo: str, data: bytes) -> tuple[str, int, str]:
    """Where an object is sent to: host, port and the rest."""
    found = person.lfs(repo, "upload", hashlib.sha256(data).hexdigest(), len(data))
    parts = urlsplit(found["actions"]["upload"]["href"])
    return str(parts.hostname), int(parts.port or 80), f"{parts.path}?{parts.query}"


def test_a_long_body_that_breaks_off_leaves_nothing(hub: RunningHub, ada: Person) -> None:
    repo, data = ada.create("breaks-off"), os.urandom(LENGTH)
    host, port, path = upload_address(ada, repo, data)
    incoming = hub.settings.data_folder / "objects" / "incoming"
    with socket.create_connection((host, port)) as sender:
        sender.sendall(head(f"PUT {path}", f"Content-Length: {LENGTH}") + data[:-1])
        wait_until(lambda: written(incoming), "the Hub keeps nothing of what comes")
    wait_until(lambda: not written(incoming), "the Hub keeps what broke off")
    assert "actions" in ada.lfs(repo, "upload", hashlib.sha256(data).hexdigest(), LENGTH)
    assert ada.upload(repo, data)


def written(folder: Path) -> int:
    """The bytes of the files in a folder, from which they may go meanwhile."""
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@pytest.fixture
def eve(tmp_path: Path) -> Iterator[Person]:
    """Somebody at a Hub that waits for half a second."""
    with RunningHub(tmp_path, body_seconds=0.5) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('eve')}"}
        with httpx.Client(base_url=hub.url, headers=headers) as client:
            yield Person("eve", "", client)


def test_a_long_body_that_stops_is_given_up_with_an_answer(eve: Person) -> None:
    data = os.urandom(LENGTH)
    host, port, path = upload_address(eve, eve.create("stops"), data)
    with socket.create_connection((host, port), timeout=30) as sender:
        sender.sendall(head(f"PUT {path}", f"Content-Length: {LENGTH}") + data[:-1])
        received = wait_for(sender, b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 408 ")
        while sender.recv(65536):  # until the Hub closes the connection
            pass


def test_a_long_body_that_trickles_is_waited_for(eve: Person) -> None:
    data = os.urandom(LENGTH)
    host, port, path = upload_address(eve, eve.create("trickles"), data)
    with socket.create_connection((host, port), timeout=30) as sender:
        sender.sendall(head(f"PUT {path}", f"Content-Length: {LENGTH}") + data[:-6])
        for end in range(LENGTH - 6, LENGTH):
            time.sleep(0.3)
            sender.sendall(data[end : end + 1])
        assert wait_for(sender, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_long_body_that_is_refused_gets_its_answer(ada: Person) -> None:
    data = os.urandom(LENGTH)
    host, port, path = upload_address(ada, ada.create("wrong"), data)
    other = data[:-1] + bytes([data[-1] ^ 1])
    with socket.create_connection((host, port), timeout=30) as sender:
        for _ in range(2):
            sender.sendall(head(f"PUT {path}", f"Content-Length: {LENGTH}") + other)
            assert b"was announced" in wait_for(sender, b"send the file again")


def test_what_is_left_of_a_refused_body_takes_the_connection_along(
    ada: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bodies, "MAX_UNREAD_BYTES", LENGTH)
    data = os.urandom(LENGTH)
    host, port, path = upload_address(ada, ada.create("endless"), data)
    with socket.create_connection((host, port), timeout=30) as sender:
        with suppress(ConnectionError):  # the Hub may have closed it before all was sent
            sender.sendall(head(f"PUT {path}", f"Content-Length: {10 * LENGTH}") + 3 * data)
        assert b"422" in wait_for(sender, b"bytes announced")
        with suppress(ConnectionError):  # not after the time for a next request
            while sender.recv(65536):
                pass
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
