"""What all tests share."""

from collections.abc import Iterator

import pytest

from graft.server.running import RunningHub


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub that all tests share: each makes users of its own, `hub.add_user(name) -> token`."""
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        yield running
