"""Small data sets written by the tests, and the real ones where they are there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REAL = ("banking77", "imdb", "snips", "snli", "sst2", "trec")

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below the test's own folder and returns its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is missing."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("GRAFT_TEST_DATA") or beside)
    if not all((folder / name).is_dir() for name in REAL):
        pytest.skip(f"no real data in {folder}; set GRAFT_TEST_DATA to their folder")
    return folder
