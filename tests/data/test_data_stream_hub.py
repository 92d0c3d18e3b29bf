"""Streams from a real Hub: nothing is downloaded but what is read, whatever the network does."""

import gzip
import itertools
import zipfile
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from graft.data.load import load_dataset
from graft.errors import DataError, HubError
from graft.hub.client import push_folder
from graft.server.running import RunningHub

_numbers = itertools.count()


@pytest.fixture
def repo(hub, tmp_path, monkeypatch):
    """Uploads files by their names, and gives the id of the repository."""
    name = f"stream-{next(_numbers)}"
    return _repository(hub, name, tmp_path, monkeypatch)


def _repository(hub, name, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", hub.add_user(name))
    repo_id = f"{name}/rows"

    def upload(**files: str | bytes):
        folder = tmp_path / "upload"
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            content = content.encode() if isinstance(content, str) else content
            (folder / path).write_bytes(content)
        push_folder(folder, repo_id, repo_type="dataset", message="rows")
        return repo_id

    return upload


def _downloads(tmp_path):
    return [path for path in (tmp_path / "home" / "hub").rglob("*") if path.is_file()]


def _parquet(rows, tmp_path, **options):
    pq.write_table(pa.table({"text": rows}), tmp_path / "file.parquet", **options)
    return (tmp_path / "file.parquet").read_bytes()


def test_files_are_read_on_the_hub(repo, tmp_path):
    texts = [f"text {number}" for number in range(500)]
    repo_id = repo(
        **{
            "README.md": "---\nlicense: mit\n---\n",
            "data/train-00000-of-00002.parquet": _parquet(texts[:300], tmp_path),
            "data/train-00001-of-00002.parquet": _parquet(texts[300:], tmp_path),
            "data/test-00000-of-00001.parquet": _parquet(["a", "b"], tmp_path),
        }
    )
    data = load_dataset(repo_id, streaming=True)
    assert data.metadata == {"license": "mit"}
    assert [row["text"] for row in data["train"]] == texts
    assert [*data] == ["train", "test"]
    assert _downloads(tmp_path) == []
    alone = load_dataset(f"hf://datasets/{repo_id}/data/test-*", streaming=True, split="test")
    assert [row["text"] for row in alone] == ["a", "b"]
    named = {"x": f"hf://datasets/{repo_id}/data/test-00000-of-00001.parquet"}
    assert len([*load_dataset(named, streaming=True)["x"]]) == 2
    assert list(load_dataset(repo_id)["train"]) == list(data["train"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", "text,n\none,1\ntwo,2\n"),
        ("train.jsonl", '{"text": "one", "n": 1}\n{"text": "two", "n": 2}\n'),
        ("train.json", '{"rows": [{"text": "one", "n": 1}, {"text": "two", "n": 2}]}'),
        ("train.csv.gz", gzip.compress(b"text,n\none,1\ntwo,2\n")),
    ],
    ids=["csv", "jsonl", "json", "csv.gz"],
)
def test_every_kind_of_file(repo, tmp_path, name, content):
    repo_id = repo(**{name: content})
    data = load_dataset(repo_id, streaming=True, split="train")
    assert list(data) == [{"text": "one", "n": 1}, {"text": "two", "n": 2}]
    assert _downloads(tmp_path) == []


def test_archives_are_downloaded(repo, tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.writestr("train.csv", "text,n\none,1\n")
        archive.writestr("test.csv", "text,n\ntwo,2\n")
    card = "---\nconfigs:\n- config_name: default\n  data_files: rows.zip\n---\n"
    repo_id = repo(**{"rows.zip": (tmp_path / "rows.zip").read_bytes(), "README.md": card})
    data = load_dataset(repo_id, streaming=True)
    assert {name: list(rows) for name, rows in data.items()} == {
        "train": [{"text": "one", "n": 1}],
        "test": [{"text": "two", "n": 2}],
    }


def test_what_is_not_there(repo):
    repo_id = repo(**{"train.csv": "text,n\none,1\n"})
    with pytest.raises(HubError, match="no such repository"):
        load_dataset("nobody/nothing", streaming=True)
    with pytest.raises(DataError, match=r"names the data file 'x/\*', but no file matches"):
        load_dataset(repo_id, data_files="x/*", streaming=True)
    with pytest.raises(HubError, match="no branch, tag or commit"):
        load_dataset(repo_id, revision="nowhere", streaming=True)


def test_a_stream_outlives_a_restart_of_its_hub(tmp_path, monkeypatch):
    from huggingface_hub.utils import _http

    waits = []
    monkeypatch.setattr(_http.time, "sleep", waits.append)
    folder = tmp_path / "hub"
    lines = [f'{{"text": "{number:07}"}}' for number in range(700_000)]
    running = RunningHub(folder).start()
    port = running.port
    upload = _repository(running, "ada", tmp_path, monkeypatch)
    repo_id = upload(**{"train.jsonl": "\n".join(lines)})
    data = load_dataset(repo_id, streaming=True, split="train")
    rows = iter(data)
    found = [row["text"] for row in islice(rows, 1000)]
    running.stop()

    again = []

    def restart(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            again.append(RunningHub(folder, port=port).start())

    monkeypatch.setattr(_http.time, "sleep", restart)
    found += [row["text"] for row in rows]
    assert found == [f"{number:07}" for number in range(700_000)]
    assert again
    again[0].stop()
    monkeypatch.setattr(_http.time, "sleep", waits.append)
    with pytest.raises(HubError, match="no hub can be reached"):
        list(load_dataset(repo_id, streaming=True, split="train"))
