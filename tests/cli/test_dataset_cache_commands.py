"""`graft dataset cache`: what a user sees of the cache."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from graft.data.cache import EntryWriter, Step, cached

Graft = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two entries, one of which was asked for twice."""
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    monkeypatch.setenv("GRAFT_CACHE_SIZE", "3GB")

    def write(writer: EntryWriter) -> None:
        table = pa.table({"n": range(1234)})
        with writer.table("train", table.schema) as rows:
            rows.write(table)

    for size in ("10", "10", "20"):
        cached(Step("map", {"input": "x", "batch size": size}), write)
    return tmp_path / "datasets"


def test_list(graft: Graft, folder: Path) -> None:
    ran = graft("dataset", "cache", "list")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [["map", "1,234"]] * 2
    assert "2 steps" in ran.err
    assert "3.0 GB" in ran.err
    found = json.loads(graft("dataset", "cache", "list", "--json").out)
    assert [entry["parts"]["batch size"] for entry in found] == ["20", "10"]
    assert found[0]["tables"] == {"train": 1234}
    assert found[0]["bytes"] == sum(
        file.stat().st_size for file in (folder / found[0]["fingerprint"]).iterdir()
    )
    assert json.loads(graft("dataset", "cache", "list", "--step", "sort", "--json").out) == []


def test_explain(graft: Graft) -> None:
    ran = graft("dataset", "cache", "explain")
    assert "batch size changed; everything else as in the entry of" in ran.out
    assert "2 miss, 1 hit" in ran.out
    found = json.loads(graft("dataset", "cache", "explain", "--limit", "2", "--json").out)
    assert [(look["outcome"], look["changed"]) for look in found] == [
        ("miss", ["batch size"]),
        ("hit", []),
    ]


def test_clear(graft: Graft) -> None:
    assert graft("dataset", "cache", "clear", "--older-than", "1d").out.startswith("Removed 0")
    assert graft("dataset", "cache", "clear", "--step", "filter").out.startswith("Removed 0")
    cleared = json.loads(graft("dataset", "cache", "clear", "--json").out)
    assert (cleared["entries"], cleared["in_use"]) == (2, 0)
    assert json.loads(graft("dataset", "cache", "list", "--json").out) == []
    refused = graft("dataset", "cache", "clear", "--older-than", "soon")
    assert (refused.code, refused.out) == (2, "")
    assert "Give one such as 12h" in refused.err
