"""A user of a real Hub, with a cache and a token store of the test's own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
from people import User

from graft.server.running import RunningHub

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Keeps cache and tokens in a temporary folder, and starts logged out of every hub."""
    home = tmp_path / "hub-home"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    disable_progress_bars()
    yield home
    enable_progress_bars()


def new_user(hub: RunningHub) -> User:
    name = f"user-{next(_numbers)}"
    return User(name, hub.add_user(name), hub.url)


@pytest.fixture
def user(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> User:
    """A user who is logged in."""
    someone = new_user(hub)
    monkeypatch.setenv("HF_ENDPOINT", someone.url)
    monkeypatch.setenv("HF_TOKEN", someone.token)
    return someone


@pytest.fixture
def stranger(hub: RunningHub) -> User:
    """A second user of the same hub, not logged in."""
    return new_user(hub)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model repository's files: a card, settings, and weights that go by LFS."""
    folder = tmp_path / "to-push"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_text(
        "---\npipeline_tag: text-classification\nlanguage: en\nlicense: mit\n---\n# A thing\n"
    )
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 4096)
    (folder / "sub" / "notes.txt").write_text("notes")
    return folder
