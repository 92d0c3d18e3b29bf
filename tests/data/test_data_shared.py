"""Every real data set by its folder's path alone: splits, roles, classes, and the peer's rows."""

import csv
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from graft.data.features import ClassLabel, Sequence, class_label_in
from graft.data.load import load_dataset
from graft.data.roles import Roles

pytestmark = pytest.mark.data

SETS = {
    "trec": ({"train": 5452, "test": 500}, Roles("text", None, "label")),
    "sst2": ({"train": 67349, "validation": 872}, Roles("sentence", None, "label")),
    "imdb": (
        {"train": 25000, "test": 10000, "unsupervised": 8000},
        Roles("text", None, "label"),
    ),
    "banking77": ({"train": 10003, "test": 3080}, Roles("text", None, "category")),
    "clinc150": (
        {
            "train": 15000,
            "validation": 3000,
            "test": 4500,
            "oos_val": 100,
            "oos_test": 1000,
            "oos_train": 100,
        },
        Roles("text", None, "label"),
    ),
    "snips": (
        {"train": 13084, "validation": 700, "test": 700},
        Roles("text", None, "intent", tokens="tokens", tags="tags"),
    ),
    "snli": ({"validation": 9842, "test": 9824}, Roles("premise", "hypothesis", "label")),
    "wnut17": (
        {"train": 3394, "validation": 1009, "test": 1287},
        Roles("text", tokens="tokens", tags="ner_tags"),
    ),
    "ud-ewt": (
        {"train": 5000, "validation": 2001, "test": 2077},
        Roles("text", tokens="form", tags="upos"),
    ),
    "xquad": (
        {"de": 1190, "en": 1190, "es": 1190},
        Roles("question", "context", answers="answers"),
    ),
    "scitldr": (
        {"train": 1992, "validation": 619, "test": 618},
        Roles("text", target="target"),
    ),
    "wikitext2": ({"validation": 3760, "test": 4358}, Roles("text")),
}


@pytest.mark.parametrize("name", SETS)
def test_splits_and_roles(real_data, name):
    data = load_dataset(real_data / name)
    rows, roles = SETS[name]
    assert {split: len(dataset) for split, dataset in data.items()} == rows
    assert data.roles == roles
    assert data.bad_rows.num_rows == 0


@pytest.mark.parametrize(
    ("name", "column", "count", "first"),
    [
        ("trec", "label", 6, ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]),
        ("sst2", "label", 2, ["negative", "positive"]),
        ("imdb", "label", 2, ["neg", "pos"]),
        ("banking77", "category", 77, ["Refund_not_showing_up", "activate_my_card"]),
        ("clinc150", "label", 151, ["accept_reservations", "account_blocked"]),
        ("snips", "intent", 7, ["AddToPlaylist", "BookRestaurant", "GetWeather"]),
        ("snips", "tags", 72, ["O", "B-album", "I-album"]),
        ("snli", "label", 3, ["contradiction", "entailment", "neutral"]),
        ("wnut17", "ner_tags", 13, ["O", "B-corporation", "I-corporation"]),
        ("ud-ewt", "upos", 17, ["ADJ", "ADP", "ADV", "AUX"]),
    ],
)
def test_names_of_classes(real_data, name, column, count, first):
    feature = load_dataset(real_data / name).features[column]
    label = class_label_in(feature)
    assert isinstance(feature, Sequence) == (column in ("tags", "ner_tags", "upos"))
    assert label is not None
    assert len(label.names) == count
    assert label.names[: len(first)] == first


def test_queries_out_of_scope_have_a_class_of_their_own(real_data):
    data = load_dataset(real_data / "clinc150")
    for split in ("oos_train", "oos_val", "oos_test"):
        assert set(data[split].label_counts().items()) >= {("oos", len(data[split]))}
    content = json.loads((real_data / "clinc150" / "data_full.json").read_text())
    for split, key in (("train", "train"), ("validation", "val"), ("oos_test", "oos_test")):
        names = [data.label_names[number] for number in data[split]["label"]]
        assert list(zip(data[split]["text"], names, strict=True)) == [
            tuple(r) for r in content[key]
        ]


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_questions_are_those_of_the_file(real_data, language):
    data = load_dataset(real_data / "xquad", split=language)
    content = json.loads((real_data / "xquad" / f"{language}.json").read_text())
    expected = [
        {
            "id": question["id"],
            "title": article.get("title"),
            "context": paragraph["context"],
            "question": question["question"],
            "answers": {
                "text": [answer["text"] for answer in question["answers"]],
                "answer_start": [answer["answer_start"] for answer in question["answers"]],
            },
        }
        for article in content["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    assert list(data) == expected
    assert data.table.schema.field("answers").type == pa.struct(
        [("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))]
    )
    row = data[0]
    start = row["answers"]["answer_start"][0]
    assert row["context"][start:].startswith(row["answers"]["text"][0])


def test_sources_are_joined_and_references_stay_lists(real_data):
    data = load_dataset(real_data / "scitldr", split="test")
    assert data["text"][0] == " ".join(data["source"][0])
    assert isinstance(data["target"][0], list)


def _plain(value, feature):
    """A value as the file has it: names in place of class numbers."""
    if isinstance(feature, ClassLabel):
        return None if value is None else feature.names[value]
    if isinstance(feature, Sequence) and class_label_in(feature):
        return [feature.feature.names[number] for number in value]
    return value


FILES = [
    *(
        ("csv", f"{name}/{split}.csv")
        for name in ("trec", "banking77")
        for split in ("train", "test")
    ),
    *(("json", f"snips/{split}.jsonl") for split in ("train", "validation", "test")),
    *(("json", f"snli/{split}.jsonl") for split in ("validation", "test")),
    *(("json", f"scitldr/{split}.jsonl") for split in ("train", "validation", "test")),
    *(("parquet", f"sst2/{split}.parquet") for split in ("train", "validation")),
    *(("parquet", f"imdb/{split}.parquet") for split in ("train", "test", "unsupervised")),
    *(("text", f"wikitext2/{split}.txt") for split in ("validation", "test")),
]


@pytest.mark.parametrize(("builder", "file"), FILES, ids=[file for _, file in FILES])
def test_every_file_has_the_rows_that_datasets_reads(real_data, tmp_path, builder, file):
    path = real_data / file
    theirs = datasets.load_dataset(
        builder, data_files=str(path), cache_dir=str(tmp_path), split="train"
    )
    ours = load_dataset(path, split=_only_split(path))
    assert len(ours) == len(theirs)
    for column in theirs.column_names:
        feature = ours.features[column]
        own = [_plain(value, feature) for value in ours[column]]
        peers = theirs[column][:]
        if class_label_in(feature) is not None and isinstance(peers[0], int):
            names = class_label_in(feature).names
            peers = [None if number == -1 else names[number] for number in peers]
        assert own == peers


def _only_split(path: Path) -> str:
    return next(iter(load_dataset(path)))


def test_csv_has_the_rows_that_the_csv_module_reads(real_data):
    for name in ("trec", "banking77"):
        path = real_data / name / "train.csv"
        with path.open(newline="", encoding="utf-8") as file:
            expected = [row["text"] for row in csv.DictReader(file)]
        assert load_dataset(path)["train"]["text"] == expected
