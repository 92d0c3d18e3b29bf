"""Clients that read pages as a browser's address bar does, and a Hub where people do things."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from huggingface_hub import HfApi

from graft.server.people import accounts, organizations
from graft.server.running import RunningHub
from hub_samples import OWNER, PASSWORD, Garden, garden  # noqa: F401  the fixture

_HTML = {"Accept": "text/html"}


@pytest.fixture
def visitor(garden: Garden) -> Iterator[httpx.Client]:  # noqa: F811
    """Somebody who is not logged in."""
    with httpx.Client(base_url=garden.url, headers=_HTML, timeout=30) as client:
        yield client


@pytest.fixture
def owner(garden: Garden) -> Iterator[httpx.Client]:  # noqa: F811
    """The owner of the samples, logged in by the form."""
    with httpx.Client(base_url=garden.url, headers=_HTML, timeout=30) as client:
        reply = client.post("/login", data={"name": OWNER, "password": PASSWORD})
        assert reply.status_code == 303
        yield client


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub with Ada, who looks after the organization `lab`, and Bob; modules make what they
    need under names of their own."""
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        ada = accounts.create_account(running.hub, "ada", password=PASSWORD)
        accounts.create_account(running.hub, "bob", password=PASSWORD)
        organizations.create(running.hub, "lab", founder=ada)
        yield running


@pytest.fixture(scope="session")
def api(hub: RunningHub) -> HfApi:
    """The stock client in Ada's name."""
    account = accounts.find_account(hub.hub, "ada")
    _, token = accounts.create_token(hub.hub, account, name="a test")
    return HfApi(endpoint=hub.url, token=token)


@pytest.fixture
def browser(hub: RunningHub) -> Iterator[Callable[[str], httpx.Client]]:
    """Logs somebody in by the form; an empty name is nobody."""
    opened = []

    def open_for(name: str) -> httpx.Client:
        client = httpx.Client(base_url=hub.url, headers=_HTML, timeout=30, follow_redirects=True)
        opened.append(client)
        if name:
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 200
        return client

    yield open_for
    for client in opened:
        client.close()
