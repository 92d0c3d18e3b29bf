"""Data sets on a real Hub: pushed, found under their id by Graft and by `datasets`."""

import itertools
import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from graft.data.load import load_dataset
from graft.errors import DataError, HubError

_numbers = itertools.count()
TABLE = pa.table({"text": ["a", "b", "c", "d"], "label": ["no", "yes", "no", "yes"]})


@pytest.fixture
def repo(hub, tmp_path, monkeypatch):
    """The id of a repository that a logged-in user may make; cache and tokens are the test's."""
    name = f"data-{next(_numbers)}"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", hub.add_user(name))
    disable_progress_bars()
    yield f"{name}/questions"
    enable_progress_bars()


@pytest.fixture
def stock(tmp_path):
    """Runs Python code as a user without Graft would, against the same Hub; returns its JSON."""

    def run(code: str) -> object:
        environment = {**os.environ, "HF_HOME": str(tmp_path / "stock"), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", f"import datasets, json\n{code}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_pushed_and_loaded_by_id(repo, hub):
    data = load_dataset({"train": TABLE, "test": TABLE.slice(0, 2)})
    address = data.push_to_hub(repo)
    assert address == f"{hub.url}/datasets/{repo}"
    again = load_dataset(repo)
    assert again.features == data.features
    assert again.roles == data.roles
    assert {name: len(rows) for name, rows in again.items()} == {"train": 4, "test": 2}
    assert again.source == repo
    assert again["train"].source == f"{repo}/data/train-00000-of-00001.parquet"


def test_datasets_loads_what_was_pushed(repo, stock):
    load_dataset(TABLE).push_to_hub(repo, private=True)
    code = f"rows = datasets.load_dataset({repo!r}, split='train')\n"
    code += "print(json.dumps([rows.features['label'].names, rows['text'][:], rows['label'][:]]))"
    assert stock(code) == [["no", "yes"], ["a", "b", "c", "d"], [0, 1, 0, 1]]


def test_graft_loads_what_datasets_pushed(repo, stock):
    code = (
        "features = datasets.Features({'text': datasets.Value('string'), "
        "'label': datasets.ClassLabel(names=['up', 'down'])})\n"
        "rows = {'text': ['a', 'b'], 'label': [1, 0]}\n"
        f"datasets.Dataset.from_dict(rows, features=features).push_to_hub({repo!r})\n"
        "print('null')"
    )
    stock(code)
    data = load_dataset(repo, split="train")
    assert data.label_names == ["up", "down"]
    assert data["label"] == [1, 0]


def test_a_second_push_replaces_all_files(repo, hub):
    data = load_dataset({"train": TABLE, "test": TABLE})
    data.push_to_hub(repo)
    data["train"][:2].push_to_hub(repo, message="Only two rows")
    again = load_dataset(repo)
    assert {name: len(rows) for name, rows in again.items()} == {"train": 2}
    commits = HfApi(endpoint=hub.url).list_repo_commits(repo, repo_type="dataset")
    assert commits[0].title == "Only two rows"
    assert len(load_dataset(repo, revision=commits[1].commit_id)["train"]) == 4


def test_an_unknown_id_says_so(repo):
    with pytest.raises(HubError, match=repo):
        load_dataset(repo)


def test_a_repository_without_data_says_so(repo, hub):
    HfApi(endpoint=hub.url).create_repo(repo, repo_type="dataset")
    with pytest.raises(DataError, match=f"{repo} has no data files"):
        load_dataset(repo)


def test_a_folder_of_that_name_wins(repo, tmp_path, monkeypatch):
    load_dataset(TABLE).push_to_hub(repo)
    monkeypatch.chdir(tmp_path)
    load_dataset(TABLE.slice(0, 3)).save(repo)
    assert len(load_dataset(repo, split="train")) == 3
