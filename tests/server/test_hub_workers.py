"""`graft hub serve --workers N`: several processes at one port, and how they end."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import httpx
import pytest

from backends import environment_of
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.runtime.accepting import Counts
from graft.server.runtime.workers import _Worker
from graft.server.settings import Settings
from waiting import wait_until

START_SECONDS = 60.0


class Served:
    """A Hub that `graft hub serve` runs."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.log = (folder / "log").open("w+")
        script = "from graft.cli import main; main()"
        command = [sys.executable, "-c", script, "hub", "serve", "--data", str(folder / "hub")]
        kept_in = environment_of(Settings(data_folder=folder / "hub"))
        self.process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | kept_in | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        found = re.search(r"http://[\d.:]+", self.process.stdout.readline())
        assert found is not None
        self.url = found[0]
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.told()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def is_closed(self) -> bool:
        address = httpx.URL(self.url)
        try:
            socket.create_connection((address.host, address.port or 0), START_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    def told(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def workers(self) -> set[int]:
        """The processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def sockets(self) -> dict[int, int]:
        """How many sockets each of them has."""
        folders = {pid: Path(f"/proc/{pid}/fd") for pid in self.workers()}
        return {
            pid: sum(str(link.readlink()).startswith("socket:") for link in folder.iterdir())
            for pid, folder in folders.items()
        }

    def metric(self, name: str) -> int:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)
        self.log.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Hub of two workers, each a process that has much to import: the tests share it."""
    served = Served(tmp_path_factory.mktemp("served"), "--workers", "2")
    yield served
    served.stop()


def test_a_worker_that_dies_is_replaced(served: Served) -> None:
    before = served.workers()
    assert len(before) == 2
    wait_until(lambda: served.metric("graft_processes ") == 2)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(served.workers() - {victim}) == 2)
    wait_until(lambda: served.metric("graft_processes ") == 2)
    assert f"The worker {victim} ended with status -9" in served.told()
    assert httpx.get(f"{served.url}/api/models").status_code == 200


def test_what_keeps_a_hub_from_opening_is_told_once(tmp_path: Path) -> None:
    script = "from graft.cli import main; main()"
    command = [sys.executable, "-c", script, "hub", "serve", "--data", str(tmp_path)]
    refused = subprocess.run(
        [*command, "--port", "0", "--workers", "2"],
        capture_output=True,
        text=True,
        env=os.environ | {"GRAFT_DATABASE_URL": "mysql://me:hidden@host/name"},
        timeout=START_SECONDS,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: The Hub cannot use the database 'mysql'")
    assert refused.stderr.count("\n") == 1


def test_connections_are_shared_out_evenly(served: Served) -> None:
    address = httpx.URL(served.url)

    def connect() -> socket.socket:
        connection = socket.create_connection((address.host, address.port or 0))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        return connection

    wait_until(lambda: served.metric("graft_processes ") == 2)
    before = served.sockets()
    opened = [connect() for _ in range(48)]
    after = served.sockets()
    for connection in opened:
        connection.close()
    shares = [after[pid] - before[pid] for pid in before]
    assert max(shares) <= 28


def test_no_connection_is_left_to_a_worker_that_does_not_serve(tmp_path: Path) -> None:
    shared = RawArray("i", 2)
    mine = Counts(shared, 0)
    mine.tell(5)
    assert mine.ahead == 5
    with socket.socket() as listening:
        _Worker(Settings(data_folder=tmp_path), listening, shared, 1)
    assert mine.ahead <= 0


def test_counts_are_those_of_all_workers(served: Served) -> None:
    for _ in range(20):  # of an address that no other test asks for
        assert httpx.get(f"{served.url}/api/models-tags-by-type").status_code == 200
    asked = 'graft_requests_total{method="GET",route="/api/{kind}-tags-by-type"'
    wait_until(lambda: served.metric(asked) == 20)


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    served = Served(tmp_path, "--workers", "2")
    workers = served.workers()
    served.process.kill()
    served.stop()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.parametrize(
    ("options", "stop", "number"),
    [
        ((), os.kill, signal.SIGTERM),
        (("--workers", "2"), os.kill, signal.SIGTERM),
        (("--workers", "2"), os.killpg, signal.SIGTERM),  # who stops all processes of a service
        (("--workers", "2"), os.killpg, signal.SIGINT),  # Ctrl-C on a terminal
    ],
)
def test_a_running_request_may_end_before_the_hub_does(
    tmp_path: Path, options: tuple[str, ...], stop: Callable[[int, int], None], number: int
) -> None:
    hub = Hub(Settings(data_folder=tmp_path / "hub"))
    ada = accounts.create_account(hub, "ada")
    _, token = accounts.create_token(hub, ada, name="first")
    hub.close()
    served = Served(tmp_path, *options)
    headers = {"Authorization": f"Bearer {token}"}

    def body() -> Iterator[bytes]:
        yield b'{"name": '
        stop(served.process.pid, number)
        wait_until(lambda: "Stopping" in served.told())
        wait_until(served.is_closed)  # whoever comes now must not wait for nobody
        yield b'"slow"}'

    made = httpx.post(
        f"{served.url}/api/repos/create",
        content=body(),
        headers=headers | {"Content-Type": "application/json"},
        timeout=30,
    )
    assert made.status_code == 200
    assert served.process.wait(START_SECONDS) == 0
    assert "Stopped." in served.told()
    assert "Traceback" not in served.told()
    processes = served.told().count("Started server process")
    assert served.told().count("Application shutdown complete") == processes
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{served.url}/healthz", timeout=5)
    served.log.close()


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_hub_that_stops_answers_until_a_proxy_looks_elsewhere(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_DRAIN_SECONDS", "600")
    served = Served(tmp_path, *options)
    with httpx.Client(base_url=served.url) as proxy:
        assert "connection" not in proxy.get("/healthz").headers
        os.kill(served.process.pid, signal.SIGTERM)
        wait_until(lambda: proxy.get("/readyz").status_code == 503)
        wait_until(lambda: proxy.get("/api/models").headers.get("connection") == "close")
        assert proxy.get("/api/models").status_code == 200
    os.kill(served.process.pid, signal.SIGTERM)
    assert served.process.wait(START_SECONDS) == 0
    assert "Traceback" not in served.told()
    served.log.close()
