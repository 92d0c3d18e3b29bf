"""What a user can do with a data set: every method gives a new one and loses nothing."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.data.sampling import groups_of, stratified_sample
from graft.errors import DataError

NAMES = ["x", "y", "z"]


@pytest.fixture
def data() -> Dataset:
    labels = ["x"] * 60 + ["y"] * 36 + ["z"] * 4
    table = pa.table({"text": [f"t{i}" for i in range(100)], "label": labels, "n": range(100)})
    return load_dataset(table, split="train")


@pytest.fixture
def several() -> Dataset:
    labels = [["x"]] * 60 + [["x", "y"]] * 38 + [["x", "y", "z"], []]
    return load_dataset(pa.table({"text": ["t"] * 100, "labels": labels}), split="train")


def test_rows_columns_and_slices(data):
    assert len(data) == 100
    assert data[3] == {"text": "t3", "label": 0, "n": 3}
    assert data[-1] == {"text": "t99", "label": 2, "n": 99}
    assert data["n"] == list(range(100))
    assert data[10:13]["n"] == [10, 11, 12]
    assert data[90::-30]["n"] == [90, 60, 30, 0]
    assert data[5:2]["n"] == []
    assert [row["n"] for row in data] == list(range(100))
    assert data.column("label").type == pa.int64()
    with pytest.raises(IndexError):
        data[100]


def test_a_missing_column_lists_those_there_are(data):
    with pytest.raises(DataError, match=r"no column 'txt'\. Its columns are: text, label, n"):
        data["txt"]


def test_select_filter_sort_shuffle(data):
    assert data.select([3, -1, 3])["n"] == [3, 99, 3]
    assert data.select(np.array([7]))["n"] == [7]
    assert data.filter(lambda row: row["label"] == 2)["n"] == [96, 97, 98, 99]
    assert data.sort("n", descending=True)["n"] == list(range(99, -1, -1))
    shuffled = data.shuffle(seed=3)
    assert shuffled["n"] != data["n"]
    assert sorted(shuffled["n"]) == data["n"]
    assert shuffled["n"] == data.shuffle(seed=3)["n"] != data.shuffle(seed=4)["n"]
    with pytest.raises(DataError, match="no row 100; there are 100"):
        data.select([100])


def test_map_adds_and_replaces_columns(data):
    new = data.map(lambda row: {"length": len(row["text"]), "label": NAMES[row["n"] % 3]})
    assert new["length"][:2] == [2, 2]
    assert new["label"][:4] == [0, 1, 2, 0]
    assert new.features["label"] == ClassLabel(NAMES)
    assert new.roles == data.roles
    assert data["label"][:4] == [0, 0, 0, 0]
    upper = data.map(lambda c: {"text": [t.upper() for t in c["text"]]}, batched=True, batch_size=7)
    assert upper["text"][98:] == ["T98", "T99"]


@pytest.mark.parametrize(
    ("fn", "batched", "said"),
    [
        (lambda _: None, False, "row 0 the function returned NoneType"),
        (lambda row: {"a": 1} if row["n"] < 50 else {"b": 1}, False, "for row 50 .* columns b"),
        (lambda _: {"a": [1]}, True, "returned 1 values of 'a' for 100 rows"),
        (lambda row: {"a": row["n"] or "zero"}, False, "'a' are of several kinds"),
        (lambda _: {"label": "w"}, False, "row 0 .*'w' is none of the declared classes"),
    ],
)
def test_map_says_what_was_wrong_with_the_function(data, fn, batched, said):
    with pytest.raises(DataError, match=said):
        data.map(fn, batched=batched)


def test_rename_and_remove_keep_roles(data):
    renamed = data.rename({"text": "body", "label": "kind"})
    assert renamed.roles == Roles("body", None, "kind")
    assert renamed.label_names == NAMES
    assert data.remove("label", "n").roles == Roles("text")
    with pytest.raises(DataError, match=r"'text' is the text.*with_roles"):
        data.remove("text")
    with pytest.raises(DataError, match="two columns would have one name"):
        data.rename({"text": "label"})


def test_cast_and_class_encode(data):
    as_text = data.cast("label", Value("string"))
    assert as_text["label"][95:97] == ["y", "z"]
    back = as_text.cast("label", ClassLabel(["z", "y", "x"]))
    assert back["label"][95:97] == [1, 0]
    assert as_text.class_encode("label")["label"] == data["label"]
    assert data.cast("n", Value("float32")).table.schema.field("n").type == pa.float32()
    with pytest.raises(DataError, match=r"column 'text': .* cannot become int64.*'t\d+'"):
        data.cast("text", Value("int64"))
    with pytest.raises(DataError, match="no column type 'number'"):
        data.cast("n", Value("number"))


def test_several_labels_cast_to_their_names(several):
    named = several.cast("labels", Sequence(Value("string")))
    assert named["labels"][97:] == [["x", "y"], ["x", "y", "z"], []]


def test_with_roles_makes_classes(data):
    new = data.map(lambda row: {"mood": "uv"[row["n"] % 2]}).with_roles(label="mood")
    assert new.roles == Roles("text", None, "mood")
    assert new.label_names == ["u", "v"]
    with pytest.raises(DataError, match="no column 'gone'"):
        data.with_roles(text="gone")


def test_train_test_split(data):
    parts = data.train_test_split(0.25, seed=1)
    assert (len(parts["train"]), len(parts["test"])) == (75, 25)
    assert sorted(parts["train"]["n"] + parts["test"]["n"]) == data["n"]
    assert parts["test"]["n"] == data.train_test_split(0.25, seed=1)["test"]["n"]
    assert parts["test"]["n"] != data.train_test_split(0.25, seed=2)["test"]["n"]
    even = data.train_test_split(25, stratify_by="label")
    assert even["test"].label_counts() == {"x": 15, "y": 9, "z": 1}
    with pytest.raises(DataError, match="leaves a part empty"):
        data.train_test_split(100)


def test_stratified_split_leaves_every_class_in_train():
    table = pa.table({"text": list("abcdef"), "label": ["x", "x", "x", "y", "y", "z"]})
    parts = load_dataset(table, split="train").train_test_split(0.5, stratify_by="label")
    assert min(parts["train"].label_counts().values()) >= 1


def test_subset_is_stratified_and_keeps_every_class(data, several):
    tenth = data.subset(0.1, seed=0)
    assert tenth.label_counts() == {"x": 6, "y": 4, "z": 1} or len(tenth) in (10, 11)
    assert min(tenth.label_counts().values()) >= 1
    assert tenth["n"] == sorted(tenth["n"])
    assert tenth["n"] == data.subset(0.1, seed=0)["n"] != data.subset(0.1, seed=1)["n"]
    assert len(data.remove("label").subset(0.1)) == 10
    assert min(several.subset(0.05).label_counts().values()) >= 1
    assert data.subset(1)["n"] == data["n"]
    with pytest.raises(DataError, match="no share"):
        data.subset(2)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=80),
    st.floats(0.01, 1),
    st.integers(0, 5),
)
def test_stratified_sample_keeps_every_group_and_its_share(labels, fraction, seed):
    groups = groups_of(pa.chunked_array([pa.array(labels)]))
    size = max(round(fraction * len(groups)), 1)
    rows = stratified_sample(groups, size, seed, keep=1)
    assert len(set(rows.tolist())) == len(rows) >= size
    drawn, counts = np.bincount(groups[rows], minlength=groups.max() + 1), np.bincount(groups)
    assert (drawn >= 1).all()
    assert (np.abs(drawn - counts * size / len(groups)) <= 1).all()


def test_concatenate(data):
    whole = data[:50].concatenate(data[50:], data[:1])
    assert whole["n"] == [*range(100), 0]
    with pytest.raises(DataError, match="the column 'label' is ClassLabel"):
        data.concatenate(data.cast("label", Value("string")))


def test_label_counts_and_weights(data, several):
    assert data.label_counts() == {"x": 60, "y": 36, "z": 4}
    assert data.class_weights() == pytest.approx([100 / 180, 100 / 108, 100 / 12])
    assert data.class_weights().dtype == np.float32
    assert data[:60].class_weights() == pytest.approx([1, 0, 0])
    assert several.label_counts() == {"x": 99, "y": 39, "z": 1}
    assert several.class_weights() == pytest.approx([1 / 99, 61 / 39, 99])
    everywhere = load_dataset(pa.table({"text": ["t"] * 4, "label": [["a"], ["a", "b"]] * 2}))
    assert everywhere["train"].class_weights() == pytest.approx([1 / 4, 1]), "none is left out"
    with pytest.raises(DataError, match=r"no class labels.*with_roles"):
        data.remove("label").label_counts()


def test_missing_labels_count_nowhere():
    data = load_dataset(pa.table({"text": list("abc"), "label": ["x", None, "y"]}), split="train")
    assert data.label_counts() == {"x": 1, "y": 1}
    assert "1 row without a label" in str(data)


def test_one_class_only_is_told():
    data = load_dataset(pa.table({"text": ["a", "b"], "label": ["x", "x"]}))
    assert data["train"].label_names == ["x"]
    assert "train: one class only (x)" in str(data)


def test_pandas_and_back(data):
    frame = data.to_pandas()
    assert frame["label"].tolist() == [NAMES[number] for number in data["label"]]
    again = load_dataset(frame, split="train")
    assert again.features == data.features
    assert again.table.equals(data.table)


def test_splits_must_agree(data):
    with pytest.raises(DataError, match=r"'train' and 'test' differ.*3 classes.*string"):
        DatasetDict({"train": data, "test": data.cast("label", Value("string"))})


def test_a_dict_of_splits_does_to_each_what_a_split_does(data):
    both = DatasetDict({"train": data, "test": data[:10]})
    assert both.filter(lambda row: row["n"] < 5)["test"]["n"] == [0, 1, 2, 3, 4]
    assert both.map(lambda row: {"n": -row["n"]})["test"]["n"][1] == -1
    assert both.rename({"n": "m"}).remove("m").roles == both.roles
    assert both.cast("label", Value("string")).class_encode("label").label_names == NAMES
    assert both.with_roles(label="n").label_names[:2] == ["0", "1"]
    with pytest.raises(DataError, match=r"no split 'dev'\. Its splits are: train, test"):
        both["dev"]


def test_a_data_set_by_hand_infers_its_roles():
    data = Dataset(pa.table({"review": ["a", "b"], "stars": [1, 2]}))
    assert data.roles == Roles("review", None, "stars")
    with pytest.raises(DataError, match="no column 'x'"):
        Dataset(pa.table({"text": ["a"]}), roles=Roles("x"))
