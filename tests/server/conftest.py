"""People who use the Hub, and what with; each test gets its own, so that tests do not meet."""

import itertools
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from person import PASSWORD, Person

from backends import S3Server
from graft.server.people import accounts
from graft.server.running import RunningHub

_numbers = itertools.count()


@pytest.fixture
def anyone(hub: RunningHub) -> Iterator[httpx.Client]:
    """Somebody whom the Hub does not know."""
    with httpx.Client(base_url=hub.url, timeout=30) as client:
        yield client


@pytest.fixture
def new_person(hub: RunningHub) -> Iterator[Callable[[], Person]]:
    """Makes people."""
    clients = []

    def make() -> Person:
        name = f"person-{next(_numbers)}"
        token = hub.add_user(name)
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(httpx.Client(base_url=hub.url, headers=headers, timeout=30))
        return Person(name, token, clients[-1])

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ada(new_person: Callable[[], Person]) -> Person:
    """Somebody with an account."""
    return new_person()


@pytest.fixture
def bob(new_person: Callable[[], Person]) -> Person:
    """Somebody else with an account."""
    return new_person()


@pytest.fixture
def browser(hub: RunningHub, ada: Person) -> Iterator[httpx.Client]:
    """Ada's browser, logged in."""
    accounts.set_password(hub.hub, accounts.find_account(hub.hub, ada.name), PASSWORD)
    with httpx.Client(base_url=hub.url, timeout=60) as client:
        assert client.post("/login", data={"name": ada.name, "password": PASSWORD}).is_redirect
        yield client


@pytest.fixture
def hf(hub: RunningHub, ada: Person, tmp_path: Path) -> Callable[[str], str]:
    """The stock client's command line in Ada's name: `hf("repos ls")` is what that prints."""
    programs = Path(sys.executable).parent
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": ada.token,
        "HF_HOME": str(tmp_path),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PATH": str(programs),
    }

    def run(line: str) -> str:
        command = [str(programs / "hf"), *shlex.split(line)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """An S3 of the module's own, with a bucket `hub`."""
    server = S3Server()
    server.create("hub")
    try:
        yield server
    finally:
        server.close()
