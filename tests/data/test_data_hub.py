"""Data sets on a real Hub: pushed, found under their id by Graft and by `datasets`."""

import gzip
import itertools
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from graft.data.load import load_dataset
from graft.errors import DataError, HubError
from graft.hub.client import push_folder

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
        environment = {**os.environ, "HF_HOME": str(tmp_path / "stock")}
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


def test_configurations_stand_side_by_side(repo, hub, stock):
    load_dataset({"train": TABLE, "test": TABLE}).push_to_hub(repo, config="en", max_shard_size=20)
    load_dataset(TABLE.slice(0, 3)).push_to_hub(repo, config="de")
    load_dataset(TABLE.slice(0, 2)).push_to_hub(repo, config="en")
    assert list(load_dataset(repo, config="en")) == ["train"]
    assert len(load_dataset(repo, config="de", split="train")) == 3
    files = HfApi(endpoint=hub.url).list_repo_files(repo, repo_type="dataset")
    parquet = [name for name in files if name.endswith(".parquet")]
    assert parquet == [f"{config}/train-00000-of-00001.parquet" for config in ("de", "en")]
    code = f"names = datasets.get_dataset_config_names({repo!r})\n"
    code += f"rows = datasets.load_dataset({repo!r}, 'en', split='train')\n"
    code += "print(json.dumps([names, rows['text'][:], rows.features['label'].names]))"
    assert stock(code) == [["en", "de"], ["a", "b"], ["no", "yes"]]


def test_a_configuration_beside_what_datasets_pushed(repo, stock):
    push = "datasets.Dataset.from_dict({'text': ['x', 'y', 'z']}).push_to_hub"
    stock(f"{push}({repo!r}, 'old')\n{push}({repo!r}, 'kept')\nprint('null')")
    load_dataset(TABLE).push_to_hub(repo, config="old")
    assert load_dataset(repo, config="old", split="train").label_names == ["no", "yes"]
    assert load_dataset(repo, config="kept", split="train")["text"] == ["x", "y", "z"]
    code = f"print(json.dumps([datasets.load_dataset({repo!r}, c, split='train')['text'][:] "
    assert stock(code + "for c in ('old', 'kept')]))") == [["a", "b", "c", "d"], ["x", "y", "z"]]


def test_shards_are_read_in_order(repo, stock):
    table = pa.table({"text": [f"text {number}" for number in range(100)]})
    load_dataset(table).push_to_hub(repo, max_shard_size=150)
    assert load_dataset(repo, split="train")["text"] == table["text"].to_pylist()
    code = f"print(json.dumps(datasets.load_dataset({repo!r}, split='train')['text'][:]))"
    assert stock(code) == table["text"].to_pylist()


def test_what_people_wrote_in_the_card_stays(repo, hub, tmp_path):
    data = load_dataset(TABLE)
    data.push_to_hub(repo)
    api = HfApi(endpoint=hub.url)
    path = api.hf_hub_download(repo, "README.md", repo_type="dataset", local_dir=tmp_path / "edit")
    text = Path(path).read_text().replace("---\n", "---\nlicense: mit\n", 1)
    Path(path).write_text(text.replace("questions\n", "questions\n\nAsked by many.\n", 1))
    api.upload_file(
        path_or_fileobj=path, path_in_repo="README.md", repo_id=repo, repo_type="dataset"
    )
    data["train"][:1].push_to_hub(repo)
    path = api.hf_hub_download(repo, "README.md", repo_type="dataset", local_dir=tmp_path / "again")
    card = Path(path).read_text()
    assert "license: mit" in card
    assert "Asked by many." in card
    assert "| train | 1 |" in card
    assert card.count("## Splits") == 1


def test_the_same_again_changes_nothing(repo, hub):
    for _ in range(2):
        load_dataset(TABLE).push_to_hub(repo)
    commits = HfApi(endpoint=hub.url).list_repo_commits(repo, repo_type="dataset")
    assert [commit.title for commit in commits].count("Upload train") == 1


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


@pytest.fixture
def files(repo, hub):
    """Uploads files to the repository, by their paths in it; returns the commit's id."""
    api = HfApi(endpoint=hub.url)
    api.create_repo(repo, repo_type="dataset")

    def upload(contents: dict[str, str]) -> str:
        operations = [
            CommitOperationAdd(path_in_repo=path, path_or_fileobj=content.encode())
            for path, content in contents.items()
        ]
        done = api.create_commit(repo, operations, commit_message="Files", repo_type="dataset")
        return str(done.oid)

    return upload


def csv(word, rows=2):
    return "text,label\n" + "".join(f"{word} {n},{'xy'[n % 2]}\n" for n in range(rows))


def downloaded(home):
    """The names of the files in the user's cache."""
    return sorted(path.name for path in home.rglob("snapshots/*/**/*") if path.is_file())


CONFIGS = """---
configs:
- config_name: en
  data_files:
  - split: train
    path: en/train-*.csv
  - split: test
    path: en/test.csv
- config_name: de
  data_dir: de
dataset_info:
- config_name: en
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': x
          '1': y
          '2': z
---
"""


@pytest.fixture
def languages(files, repo):
    files(
        {
            "README.md": CONFIGS,
            "en/train-1.csv": csv("one"),
            "en/train-2.csv": csv("two"),
            "en/test.csv": csv("test"),
            "de/train.csv": csv("eins"),
            "de/test.csv": csv("probe"),
        }
    )
    return repo


def test_only_the_files_of_the_configuration_are_downloaded(languages, tmp_path):
    data = load_dataset(languages, config="en")
    assert {split: len(rows) for split, rows in data.items()} == {"train": 4, "test": 2}
    assert data.label_names == ["x", "y", "z"]
    names = ["README.md", "test.csv", "train-1.csv", "train-2.csv"]
    assert downloaded(tmp_path / "home") == names
    other = load_dataset(languages, config="de")
    assert other["train"]["text"] == ["eins 0", "eins 1"]
    assert other.label_names == ["x", "y"]
    with pytest.raises(DataError, match="several configurations: en, de"):
        load_dataset(languages)


@pytest.mark.parametrize(
    ("data_files", "rows"),
    [
        ("en/train-1.csv", {"train": ["one 0", "one 1"]}),
        (["en/train-1.csv", "en/train-2.csv"], {"train": ["one 0", "one 1", "two 0", "two 1"]}),
        ("**/train-2.csv", {"train": ["two 0", "two 1"]}),
        (
            {"a": "en/test.csv", "b": ["de/t*n.csv"]},
            {"a": ["test 0", "test 1"], "b": ["eins 0", "eins 1"]},
        ),
    ],
)
def test_data_files_name_what_is_wanted(languages, tmp_path, data_files, rows):
    data = load_dataset(languages, data_files=data_files)
    assert {split: own["text"] for split, own in data.items()} == rows
    assert len(downloaded(tmp_path / "home")) == 1 + sum(map(len, rows.values())) // 2


def test_addresses_of_files(languages, files, hub):
    root = f"hf://datasets/{languages}"
    assert load_dataset(f"{root}/de/train.csv")["train"]["text"] == ["eins 0", "eins 1"]
    assert list(load_dataset(f"{root}/de")) == ["train", "test"]
    pattern = load_dataset(f"{root}/en/train-*.csv")
    assert pattern["train"]["text"] == ["one 0", "one 1", "two 0", "two 1"]
    assert pattern.source == f"{root}/en/train-*.csv"
    before = HfApi(endpoint=hub.url).list_repo_commits(languages, repo_type="dataset")[0]
    files({"de/train.csv": csv("zwei")})
    assert load_dataset(f"{root}@main/de/train.csv")["train"]["text"] == ["zwei 0", "zwei 1"]
    old = f"{root}@{before.commit_id}/de/train.csv"
    assert load_dataset(old)["train"]["text"] == ["eins 0", "eins 1"]
    assert load_dataset(root, config="de")["train"]["text"] == ["zwei 0", "zwei 1"]


def test_addresses_for_each_split(languages):
    root = f"hf://datasets/{languages}"
    data = load_dataset({"train": f"{root}/en/train-*.csv", "test": [f"{root}/de/test.csv"]})
    assert data["train"]["text"] == ["one 0", "one 1", "two 0", "two 1"]
    assert data["test"]["text"] == ["probe 0", "probe 1"]


def test_addresses_that_name_nothing(languages):
    with pytest.raises(DataError, match=r"names the data file 'de/gone\.csv', but no file matches"):
        load_dataset(f"hf://datasets/{languages}/de/gone.csv")
    with pytest.raises(HubError):
        load_dataset(f"hf://datasets/{languages}@gone/de/train.csv")
    with pytest.raises(HubError):
        load_dataset(f"hf://datasets/{languages}-gone/de/train.csv")
    for address in ("hf://models/a/b", "hf://datasets/a", "hf://datasets/"):
        with pytest.raises(DataError, match="hf://datasets/owner/name"):
            load_dataset(address)


def test_what_was_downloaded_is_loaded_without_a_hub(languages, monkeypatch):
    online = load_dataset(languages, config="en")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_dataset(languages, config="en")["train"]["text"] == online["train"]["text"]


def test_archives_and_compressed_files_in_a_repository(repo, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        archive.writestr("one.csv", csv("zip"))
    (folder / "test.csv.gz").write_bytes(gzip.compress(csv("gz").encode()))
    push_folder(folder, repo, repo_type="dataset", message="Compressed")
    data = load_dataset(repo)
    assert {split: rows["text"][0] for split, rows in data.items()} == {
        "train": "zip 0",
        "test": "gz 0",
    }
