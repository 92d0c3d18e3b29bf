"""Stock clients, unmodified, set up as their users would set them up."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from customer import Customer
from git_program import Git
from huggingface_hub import HfApi
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
from watcher import Watcher

from graft.server.running import RunningHub

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    disable_progress_bars()
    yield
    enable_progress_bars()


@pytest.fixture
def new_customer(hub: RunningHub, tmp_path: Path) -> Callable[[], Customer]:
    """Makes customers."""

    def make() -> Customer:
        name = f"customer-{next(_numbers)}"
        token = hub.add_user(name)
        api = HfApi(endpoint=hub.url, token=token)
        return Customer(name, token, api, tmp_path / f"cache-{name}")

    return make


@pytest.fixture
def eve(new_customer: Callable[[], Customer]) -> Customer:
    """Somebody with an account."""
    return new_customer()


@pytest.fixture
def mallory(new_customer: Callable[[], Customer]) -> Customer:
    """Somebody else with an account."""
    return new_customer()


@pytest.fixture
def outside(hub: RunningHub, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a program of its own: this hub, and nothing of the tester's settings.

    Whatever asks for another address fails the test.
    """
    watcher = Watcher(tmp_path)
    kept = {name: os.environ[name] for name in ("LANG", "OMP_NUM_THREADS") if name in os.environ}
    yield (
        kept
        | watcher.environment
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # `datasets` counts what is loaded at its makers'
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Eve",
            "GIT_AUTHOR_EMAIL": "eve@example.org",
            "GIT_COMMITTER_NAME": "Eve",
            "GIT_COMMITTER_EMAIL": "eve@example.org",
        }
    )
    watcher.close()
    # `datasets` looks for Parquet listings at the hub's own name, and goes on without.
    asked = [line for line in watcher.asked() if "datasets-server.127.0.0.1" not in line]
    assert asked == [], "a client asked for an address outside"


@pytest.fixture(params=["xet", "lfs"])
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """How the stock client sends large files: by Xet, as it does by itself, or by LFS."""
    return {"HF_HUB_DISABLE_XET": "0" if request.param == "xet" else "1"}


@pytest.fixture
def run(outside: dict[str, str]) -> Callable[..., str]:
    """Runs a program, which has to succeed, and answers what it prints."""

    def run(*command: str | Path, **variables: str) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            env=outside | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def python(run: Callable[..., str]) -> Callable[..., str]:
    """Runs a script in a fresh Python and answers what it prints."""

    def run_script(script: str, **variables: str) -> str:
        return run(sys.executable, "-c", script, **variables)

    return run_script


@pytest.fixture
def clone(tmp_path: Path, outside: dict[str, str]) -> Callable[..., Git]:
    """Clones an address, with git-lfs set up unless told otherwise."""
    here = Git(tmp_path, outside)
    here("lfs", "install", "--skip-repo")

    def make(address: str, *, lfs: bool = True) -> Git:
        environment = outside if lfs else outside | {"GIT_LFS_SKIP_SMUDGE": "1"}
        folder = tmp_path / f"clone-{len(list(tmp_path.iterdir()))}"
        Git(tmp_path, environment)("clone", "--quiet", address, str(folder))
        return Git(folder, environment)

    return make
