"""What the client's own tests ask of pytest: copied as `tests/conftest.py` beside them by
`conformance.py`, which sets the environment, and written from what the tests take and return.

Every test's outcome goes to the file `GRAFT_CONFORMANCE_RESULTS` as a line of JSON; a test is
*live* when it, or a fixture that it uses, sends a request or starts a program.
"""

import fnmatch
import json
import os
import socket
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from httpx2 import AsyncHTTPTransport, HTTPTransport
from huggingface_hub import HfApi, RepoUrl, constants
from huggingface_hub.utils import logging
from tests.testing_constants import ENDPOINT_PRODUCTION, ENDPOINT_STAGING, TOKEN
from tests.testing_utils import repo_name

_RESULTS = Path(os.environ["GRAFT_CONFORMANCE_RESULTS"])
_EXCLUDED = json.loads(os.environ["GRAFT_CONFORMANCE_EXCLUDED"])
_CHOSEN = json.loads(os.environ.get("GRAFT_CONFORMANCE_CHOSEN", "null"))
_SHARD, _SHARDS = map(int, os.environ["GRAFT_CONFORMANCE_SHARD"].split("/"))

_sent = 0
"""How many requests were sent and programs started so far."""

_live_fixtures: set[int] = set()
_outcomes: dict[str, dict[str, Any]] = {}


def _count(*_: object) -> None:
    global _sent
    _sent += 1


def _counting(handle: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        _count()
        return handle(*arguments)

    return counted


HTTPTransport.handle_request = _counting(HTTPTransport.handle_request)
AsyncHTTPTransport.handle_async_request = _counting(AsyncHTTPTransport.handle_async_request)
sys.addaudithook(lambda event, _: _count() if event == "subprocess.Popen" else None)

_resolve = socket.getaddrinfo


def _resolve_here(host: Any, *arguments: Any, **options: Any) -> Any:
    if host not in ("127.0.0.1", "localhost", "::1", None):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is outside: these tests have one hub")
    return _resolve(host, *arguments, **options)


socket.getaddrinfo = _resolve_here


def short_name(item: pytest.Item) -> str:
    """The name that lists of tests use: without the folder."""
    return item.nodeid.removeprefix("tests/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the tests of this process: whole classes, so that their fixtures are made once."""
    kept = []
    for item in items:
        name = short_name(item)
        marks = {f"@{mark.name}" for mark in item.iter_markers()}
        if any(fnmatch.fnmatchcase(name, p) or p in marks for p in _EXCLUDED):
            continue
        if _CHOSEN is not None and not any(fnmatch.fnmatchcase(name, c) for c in _CHOSEN):
            continue
        if zlib.crc32(name.rpartition("::")[0].encode()) % _SHARDS == _SHARD:
            kept.append(item)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    """Remembers the fixtures that talk to the hub."""
    before = _sent
    try:
        return (yield)
    finally:
        if _sent > before:
            _live_fixtures.add(id(fixturedef))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Writes the test's outcome down."""
    before = _sent
    result = yield
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
    uses = any(id(fixture) in _live_fixtures for known in fixtures for fixture in known)
    outcome = _outcomes.pop(item.nodeid, {"outcome": "unknown"})
    outcome |= {"test": short_name(item), "live": _sent > before or uses}
    with _RESULTS.open("a") as file:
        file.write(json.dumps(outcome) + "\n")
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test is as bad as the worst of its setup, call and teardown."""
    known = _outcomes.get(report.nodeid)
    if report.when == "setup" or (known and known["outcome"] == "passed"):
        reason = ""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = crash.message if crash else str(report.longrepr)
        elif report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2]
        where = "" if report.when == "call" else f"{report.when}: "
        _outcomes[report.nodeid] = {"outcome": report.outcome, "reason": where + reason}


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test finds files or tokens of another."""
    home = tmp_path_factory.mktemp("hf-home")
    for name, place in [
        ("HF_HOME", home),
        ("HF_HUB_CACHE", home / "hub"),
        ("HUGGINGFACE_HUB_CACHE", home / "hub"),
        ("HF_ASSETS_CACHE", home / "assets"),
        ("HUGGINGFACE_ASSETS_CACHE", home / "assets"),
        ("HF_TOKEN_PATH", home / "token"),
        ("HF_STORED_TOKENS_PATH", home / "stored_tokens"),
    ]:
        monkeypatch.setattr(constants, name, str(place), raising=False)
    logging.enable_propagation()
    yield
    logging.disable_propagation()


@pytest.fixture(scope="session")
def api() -> HfApi:
    """The client of the user whom the constants name."""
    return HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN)


@pytest.fixture(scope="session")
def api_prod() -> HfApi:
    """A client without a token."""
    return HfApi(endpoint=ENDPOINT_PRODUCTION, token=False)


class RepoFactory(Protocol):
    """Makes repositories that go with the test."""

    def __call__(
        self,
        repo_type: str = "model",
        *,
        repo_id: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> RepoUrl: ...


@pytest.fixture
def repo_factory(api: HfApi) -> Iterator[RepoFactory]:
    """Makes repositories that go with the test."""
    made: list[tuple[str, str, str | None]] = []

    def make(
        repo_type: str = "model",
        *,
        repo_id: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> RepoUrl:
        name = repo_id or repo_name(prefix=repo_type)
        url = api.create_repo(name, repo_type=repo_type, token=token, **options)
        made.append((url.repo_id, repo_type, token))
        return url

    yield make
    for repo, repo_type, token in made:
        api.delete_repo(repo, repo_type=repo_type, token=token, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi) -> Iterator[str]:
    """The id of a repository that is still to be made."""
    repo = f"{api.whoami()['name']}/{repo_name()}"
    yield repo
    api.delete_repo(repo, missing_ok=True)
