"""Saving and showing: Graft reads back what it wrote, and so does `datasets`."""

import json

import datasets
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from full_disk import full_disk
from graft.cli.dataset import dataset_app
from graft.data.dataset import DatasetDict
from graft.data.features import ClassLabel, Sequence, Struct, Value
from graft.data.load import load_dataset
from graft.errors import DataError
from graft.hub.card import parse_card


@pytest.fixture
def data() -> DatasetDict:
    train = {
        "text": ["a", "b | c", "ü", "d"],
        "labels": [["no", "1"], ["no"], [], ["a: b"]],
        "answer": [{"start": [1], "text": ["x"]}] * 4,
        "score": [0.5, 1.0, None, 2.0],
    }
    test = {name: values[:2] for name, values in train.items()}
    return load_dataset({"train": pa.table(train), "held_out": pa.table(test)})


@pytest.fixture(autouse=True)
def their_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


def test_what_is_saved_is_loaded(data, tmp_path):
    data.metadata["language"] = ["en"]
    data.save(tmp_path / "out")
    again = load_dataset(tmp_path / "out")
    assert list(again) == ["train", "held_out"]
    assert again.roles == data.roles
    assert again.features == data.features
    assert again.metadata["language"] == ["en"]
    for name in data:
        assert again[name].table.equals(data[name].table)


def test_datasets_reads_it_with_the_same_features(data, tmp_path):
    data.save(tmp_path / "out")
    theirs = datasets.load_dataset(str(tmp_path / "out"))
    assert theirs["held_out"].to_list() == list(data["held_out"])
    names = theirs["train"].features["labels"].feature.names
    assert names == data.label_names == ["1", "a: b", "no"]


def test_a_parquet_file_alone_carries_its_features_both_ways(data, tmp_path):
    data.save(tmp_path / "out")
    (file,) = (tmp_path / "out" / "data").glob("train-*")
    theirs = datasets.Dataset.from_parquet(str(file))
    assert theirs.features["labels"].feature.names == data.label_names

    labels = datasets.ClassLabel(names=["up", "down"])
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    written = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features=features)
    written.to_parquet(str(tmp_path / "theirs.parquet"))
    ours = load_dataset(tmp_path / "theirs.parquet", split="train")
    assert ours.label_names == ["up", "down"]
    assert ours["label"] == [1, None]


def test_features_of_records_and_lists(data):
    assert data.features == {
        "text": Value("string"),
        "labels": Sequence(ClassLabel(["1", "a: b", "no"])),
        "answer": Struct({"start": Sequence(Value("int64")), "text": Sequence(Value("string"))}),
        "score": Value("float64"),
    }


def test_roles_that_nobody_could_guess_are_kept(tmp_path):
    table = pa.table({"one": ["some words"] * 4, "two": ["more words"] * 4, "kind": list("aabb")})
    data = load_dataset(table, text="two", text_pair="one")
    data.save(tmp_path / "out")
    assert load_dataset(tmp_path / "out").roles == data.roles


def test_saving_again_replaces_files_and_card(data, tmp_path):
    data.save(tmp_path / "out")
    data["train"][:1].save(tmp_path / "out")
    assert [list(rows["text"]) for rows in load_dataset(tmp_path / "out").values()] == [["a"]]


def test_the_card_tells_figures(data, tmp_path):
    data.save(tmp_path / "out")
    metadata, body = parse_card((tmp_path / "out" / "README.md").read_text())
    assert metadata["task_categories"] == ["text-classification"]
    assert metadata["size_categories"] == ["n<1K"]
    assert metadata["dataset_info"]["splits"][0]["num_examples"] == 4
    assert "| train | 4 |" in body
    assert "| no | 2 | 2 |" in body


def test_a_split_that_cannot_be_a_file(data, tmp_path):
    with pytest.raises(DataError, match="cannot be the name of a split"):
        data["train"].save(tmp_path / "out", split="../train")
    assert not (tmp_path / "out").exists()


def test_a_failed_save_leaves_nothing_behind(data, tmp_path):
    with full_disk(1000), pytest.raises(DataError, match=r"the disk is full.*File too large"):
        data.save(tmp_path / "out")
    assert list(tmp_path.glob("**/*")) == []


def test_shown_as_text_and_html():
    table = pa.table({"text": ["a", "b"], "label": ["<x>", "[bold]y"]})
    data = load_dataset({"train": table, "test": table})
    text = str(data)
    assert "train      2" in text
    assert "label    label   2 classes" in text
    assert "[bold]y       1      1" in text
    assert "<td>&lt;x&gt;</td><td>1</td>" in data._repr_html_()
    assert "label" in str(data["train"])


def test_many_classes_are_cut_off():
    table = pa.table({"text": ["t"] * 30, "label": [f"c{i:02}" for i in range(30)]})
    assert "(20 more)" in str(load_dataset(table))


def test_the_command_shows_and_prints_json(write):
    path = write("a.csv", "text,label\na,x\nb,y\n")
    shown = CliRunner().invoke(dataset_app, ["show", str(path)])
    assert shown.exit_code == 0
    assert "2 classes" in shown.stdout
    printed = CliRunner().invoke(dataset_app, ["show", str(path), "--json"])
    assert json.loads(printed.stdout)["labels"] == {"train": {"x": 1, "y": 1}}
    refused = CliRunner().invoke(dataset_app, ["show", str(path), "--label", "gone"])
    assert isinstance(refused.exception, DataError)
