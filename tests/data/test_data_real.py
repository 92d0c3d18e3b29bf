"""Real data sets load right by their folder's path alone."""

import datasets
import pyarrow.compute as pc
import pytest

from graft.data.load import load_dataset
from graft.data.roles import Roles

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("name", "rows", "roles", "classes"),
    [
        ("trec", {"train": 5452, "test": 500}, ("text", None, "label"), 6),
        ("sst2", {"train": 67349, "validation": 872}, ("sentence", None, "label"), 2),
        (
            "imdb",
            {"train": 25000, "test": 10000, "unsupervised": 8000},
            ("text", None, "label"),
            2,
        ),
        ("banking77", {"train": 10003, "test": 3080}, ("text", None, "category"), 77),
        (
            "snli",
            {"validation": 9842, "test": 9824},
            ("premise", "hypothesis", "label"),
            3,
        ),
        (
            "snips",
            {"train": 13084, "validation": 700, "test": 700},
            ("text", None, "intent", "tokens", "tags"),
            7,
        ),
    ],
)
def test_rows_roles_and_classes(real_data, name, rows, roles, classes):
    data = load_dataset(real_data / name)
    assert {split: len(dataset) for split, dataset in data.items()} == rows
    assert data.roles == Roles(*roles)
    assert len(data.label_names) == classes
    for split, dataset in data.items():
        counts = sum(dataset.label_counts().values())
        assert counts == (0 if split == "unsupervised" else rows[split])
    assert data.metadata["task_categories"][0] == "text-classification"


def test_names_come_from_the_card(real_data):
    assert load_dataset(real_data / "sst2").label_names == ["negative", "positive"]
    assert load_dataset(real_data / "imdb").label_names == ["neg", "pos"]


def test_another_label_column(real_data):
    data = load_dataset(real_data / "trec", label="fine_label")
    assert len(data.label_names) == 50


@pytest.mark.parametrize("name", ["trec", "banking77"])
def test_same_texts_as_datasets_reads(real_data, tmp_path, name):
    theirs = datasets.load_dataset(
        "csv", data_files=str(real_data / name / "train.csv"), cache_dir=str(tmp_path)
    )["train"]
    ours = load_dataset(real_data / name, split="train")
    assert ours["text"] == theirs["text"][:]
    label = ours.roles.label
    assert [ours.label_names[number] for number in ours[label]] == theirs[label][:]


def test_subset_of_real_classes(real_data):
    tenth = load_dataset(real_data / "banking77", split="train").subset(0.1)
    assert len(tenth) == pytest.approx(1000, abs=40)
    assert min(tenth.label_counts().values()) >= 1


def test_tokens_are_joined_by_spaces(real_data):
    data = load_dataset(real_data / "snips", split="test")
    joined = pc.binary_join(data.column("tokens").combine_chunks(), " ")
    assert data.column("text").combine_chunks().equals(joined)
    assert data["text"][0] == "add sabrina salerno to the grime instrumentals playlist"
