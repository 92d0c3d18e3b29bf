"""A disk that fills while a data set is loaded, changed or written: told, and nothing is left."""

from collections.abc import Callable
from pathlib import Path

import pytest

import graft
from full_disk import full_disk
from graft.data.cache import cache_folder
from graft.errors import DataError

ROWS = 20_000
ENOUGH_FOR_LITTLE = 200_000

Verb = Callable[[graft.Dataset], object]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def source(cache: Path, tmp_path: Path) -> Path:
    """A file of 1 MB."""
    path = tmp_path / "train.csv"
    lines = [f"some words of the row with the number {row},{row % 3}" for row in range(ROWS)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


@pytest.fixture
def data(source: Path) -> graft.Dataset:
    """Its rows."""
    return graft.load_dataset(source, split="train")


def entries(cache: Path) -> set[str]:
    """What the cache holds, but for its locks and its history."""
    kept = (".locks", ".history", ".files")
    return {path.name for path in cache.iterdir() if not path.name.startswith(kept)}


def longer(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Other texts, larger than the disk."""
    return {"longer": [text * 3 for text in columns["text"]]}


VERBS: dict[str, Verb] = {
    "map": lambda data: data.map(longer, batched=True),
    "map in two processes": lambda data: data.map(longer, batched=True, num_proc=2),
    "map, not kept": lambda data: data.map(longer, batched=True, cache=False),
    "map of rows in an order": lambda data: data.shuffle(1).map(longer, batched=True),
    "materialize": lambda data: data.shuffle(1).materialize(),
    "class_encode": lambda data: data.map(longer, batched=True, cache=False).class_encode("longer"),
}


def test_loading(source: Path, cache: Path) -> None:
    with full_disk(ENOUGH_FOR_LITTLE), pytest.raises(DataError, match="disk of the cache is full"):
        graft.load_dataset(source)
    assert entries(cache) == set()
    assert len(graft.load_dataset(source, split="train")) == ROWS


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb(verb: str, data: graft.Dataset, cache: Path) -> None:
    before = entries(cache)
    with full_disk(ENOUGH_FOR_LITTLE), pytest.raises(DataError, match="disk of the cache is full"):
        VERBS[verb](data)
    assert entries(cache) == before
    assert VERBS[verb](data) is not None


def test_filter(data: graft.Dataset, cache: Path) -> None:
    before = entries(cache)
    with full_disk(1000), pytest.raises(DataError, match="disk of the cache is full"):
        data.filter(lambda row: row["label"] > 0)
    assert entries(cache) == before


def test_tokenize(data: graft.Dataset, cache: Path, base: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    before = entries(cache)
    with full_disk(ENOUGH_FOR_LITTLE), pytest.raises(DataError, match="disk of the cache is full"):
        data.tokenize(tokenizer)
    assert entries(cache) == before
    assert len(data.tokenize(tokenizer)) == ROWS


Write = Callable[[graft.Dataset, Path], None]

WRITES: dict[str, Write] = {
    "saved": lambda data, path: data.save(path),
    "arrow": lambda data, path: graft.DatasetDict({"train": data}).save_to_disk(path),
    "a.csv": lambda data, path: data.to_csv(path),
    "a.csv.gz": lambda data, path: data.to_csv(path),
    "a.jsonl": lambda data, path: data.to_json(path),
    "a.parquet": lambda data, path: data.to_parquet(path),
}


@pytest.mark.parametrize("name", WRITES)
def test_writing(name: str, data: graft.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "written" / name
    with full_disk(10_000), pytest.raises(DataError, match="the disk is full") as failed:
        WRITES[name](data, path)
    assert str(path) in str(failed.value)
    assert [found for found in path.parent.rglob("*") if found.is_file()] == []
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(".")] == []
    WRITES[name](data, path)
    assert len(graft.load_dataset(path, split="train")) == ROWS


@pytest.mark.parametrize("name", WRITES)
def test_writing_over_another(name: str, data: graft.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "written" / name
    WRITES[name](data.select(range(10)), path)
    with full_disk(10_000), pytest.raises(DataError, match="the disk is full"):
        WRITES[name](data, path)
    assert len(graft.load_dataset(path, split="train")) == 10
