"""People who use the Hub; each test gets its own, so that tests do not meet."""

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest
from person import Person

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
