"""A client that reads pages as a browser's address bar does."""

from collections.abc import Iterator

import httpx
import pytest

from hub_samples import OWNER, PASSWORD, Garden, garden  # noqa: F401  the fixture


@pytest.fixture
def visitor(garden: Garden) -> Iterator[httpx.Client]:  # noqa: F811
    """Somebody who is not logged in."""
    with httpx.Client(base_url=garden.url, headers={"Accept": "text/html"}, timeout=30) as client:
        yield client


@pytest.fixture
def owner(garden: Garden) -> Iterator[httpx.Client]:  # noqa: F811
    """The owner of the samples, logged in by the form."""
    with httpx.Client(base_url=garden.url, headers={"Accept": "text/html"}, timeout=30) as client:
        reply = client.post("/login", data={"name": OWNER, "password": PASSWORD})
        assert reply.status_code == 303
        yield client
