"""Class labels: their names, their order, one space over all splits."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Sequence, Struct, Value
from graft.data.labels import encode_labels
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError


def where(split: str, row: int) -> str:
    return f"{split}, row {row}"


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def encode(declared=None, **splits):
    columns = {name: column(values) for name, values in splits.items()}
    encoded, feature = encode_labels(columns, declared, where)
    return {name: values.to_pylist() for name, values in encoded.items()}, feature


def test_strings_are_sorted():
    assert encode(train=["b", "a", None, "b"]) == (
        {"train": [1, 0, None, 1]},
        ClassLabel(["a", "b"]),
    )


def test_numbers_keep_their_form_and_are_sorted_by_value():
    assert encode(train=[10, 2, 2])[1] == ClassLabel(["2", "10"])
    assert encode(train=["10", "2", "-1"])[1] == ClassLabel(["-1", "2", "10"])
    assert encode(train=[3.0, 1.0, None])[1] == ClassLabel(["1", "3"])


def test_splits_share_one_space():
    encoded, feature = encode(train=["a", "b", "c"], test=["c", None])
    assert encoded["test"] == [2, None]
    assert feature == ClassLabel(["a", "b", "c"])


def test_without_a_train_split_all_splits_count():
    assert encode(validation=["b"], test=["a"])[1] == ClassLabel(["a", "b"])


def test_a_label_that_train_lacks_is_an_error():
    with pytest.raises(DataError, match=r"test, row 1: the label 'z' does not occur.*a, b"):
        encode(train=["a", "b"], test=["a", "z"])
    with pytest.raises(DataError, match=r"test, row 2: the label 'z'"):
        encode(train=[["a"], ["b"]], test=[["a", "b"], None, ["a", "z"]])


def test_declared_names_count_and_may_exceed_train():
    declared = ClassLabel(["x", "y", "z"])
    encoded, feature = encode(declared, train=["y", "x", ""], test=["z", None, "x"])
    assert (encoded, feature) == ({"train": [1, 0, None], "test": [2, None, 0]}, declared)
    assert encode(declared, train=[2, -1, 0])[0]["train"] == [2, None, 0]
    assert encode(declared, train=["2", "-1", "y"])[0]["train"] == [2, None, 1]


def test_declared_names_that_are_numbers_are_names():
    assert encode(ClassLabel(["1", "0"]), train=["1", "0"])[0]["train"] == [0, 1]


@pytest.mark.parametrize("values", [[0, 3], ["x", "w"], [0, -2]])
def test_a_value_outside_the_declared_classes_is_an_error(values):
    with pytest.raises(DataError, match=r"train, row 1: .* none of the declared classes: x, y, z"):
        encode(ClassLabel(["x", "y", "z"]), train=values)


def test_minus_one_is_missing_where_nothing_else_is():
    encoded, feature = encode(train=[0, 1, 1], unsupervised=[-1, -1])
    assert encoded["unsupervised"] == [None, None]
    assert feature == ClassLabel(["0", "1"])
    assert encode(train=[-1, 0, 1])[1] == ClassLabel(["-1", "0", "1"])


def test_several_labels_a_row():
    encoded, feature = encode(train=[["b", "a"], [], None, ["b"]])
    assert encoded["train"] == [[1, 0], [], None, [1]]
    assert feature == Sequence(ClassLabel(["a", "b"]))


def test_several_labels_in_slices_and_chunks():
    values = pa.chunked_array([pa.array([["a"], ["b", "c"], None]), pa.array([["c"], []])])
    encoded, _ = encode_labels({"train": values.slice(1)}, ClassLabel(["a", "b", "c"]), where)
    assert encoded["train"].to_pylist() == [[1, 2], None, [2], []]
    assert encoded["train"].type == pa.list_(pa.int64())


def test_a_null_among_several_labels_is_an_error():
    with pytest.raises(DataError, match="train, row 1: a null stands among the labels"):
        encode(train=[["a"], ["b", None], None])


def test_decimal_fractions_are_a_measure():
    assert encode(train=[0.5, 1.25])[1] == Value("float64")
    scores = [f"{number / 7:.3f}" for number in range(50)]
    encoded, feature = encode(train=scores)
    assert feature == Value("float64")
    assert encoded["train"][1] == 0.143
    assert encode(train=["1.1", "2.0"])[1] == ClassLabel(["1.1", "2.0"])


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(DataError, match="Two classes have the same name: 'a'"):
        ClassLabel(["a", "b", "a"])


@given(st.lists(st.sampled_from(["a", "b", "ö", "1", "01"]) | st.none(), min_size=1))
def test_names_of_numbers_give_the_labels_back(labels):
    encoded, feature = encode(train=labels or [None])
    names = [None if number is None else feature.names[number] for number in encoded["train"]]
    assert names == labels


def test_the_error_names_the_file_and_its_row(write, tmp_path):
    write("train.csv", "text,label\na,x\nb,y\n")
    write("test-0.csv", "text,label\na,x\nb,y\n")
    write("test-1.csv", "text,label\na,x\nb,z\n")
    with pytest.raises(DataError, match=r"test-1\.csv, row 2, column 'label': the label 'z'"):
        load_dataset(tmp_path)


def test_a_split_without_the_label_column_is_unlabelled(write, tmp_path):
    write("train.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}')
    write("test.jsonl", '{"text": "a"}')
    data = load_dataset(tmp_path)
    assert data["test"]["label"] == [None]
    assert data["test"].features == data["train"].features


SPANS = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: spans
    list:
    - name: start
      dtype: int64
    - name: label
      dtype:
        class_label:
          names:
            '0': person
            '1': place
---
"""


def spans(*labels: object) -> str:
    rows = [{"text": "some words", "spans": [{"start": 1, "label": label}]} for label in labels]
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize(
    ("written", "numbers"),
    [(["place", "person", ""], [1, 0, None]), ([1, 0, -1, None], [1, 0, None, None])],
)
def test_labels_of_spans_are_classes_by_name_or_number(write, tmp_path, written, numbers):
    write("README.md", SPANS)
    write("train.jsonl", spans(*written))
    data = load_dataset(tmp_path, split="train")
    labels = data.features["spans"].feature.fields["label"]
    assert labels == ClassLabel(["person", "place"])
    assert [row[0]["label"] for row in data["spans"]] == numbers


def test_a_span_whose_label_is_no_class(write, tmp_path):
    write("README.md", SPANS)
    write("train.jsonl", spans("place", "river", "person", "sea"))
    told = r"train\.jsonl, row 2, column 'spans': 'river' is none of the .* classes: person, place"
    with pytest.raises(DataError, match=told):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, on_bad_rows="collect")
    assert [row[0]["label"] for row in data["train"]["spans"]] == [1, 0]
    assert data.bad_rows["raw"].to_pylist() == ["'river'", "'sea'"]


def test_cast_reaches_into_records():
    table = pa.table({"text": ["a", "b"], "spans": [[{"start": 0, "label": "x"}], None]})
    data = Dataset(table, roles=Roles("text"))
    place, names = Value("int64"), ClassLabel(["y", "x"])
    classes = data.cast("spans", Sequence(Struct({"start": place, "label": names})))
    assert classes["spans"] == [[{"start": 0, "label": 1}], None]
    back = classes.cast("spans", Sequence(Struct({"start": place, "label": Value("string")})))
    assert back["spans"] == data["spans"]
    other = Sequence(Struct({"start": place, "label": ClassLabel(["x"])}))
    assert classes.cast("spans", other)["spans"] == [[{"start": 0, "label": 0}], None]
    none = Sequence(Struct({"start": place, "label": ClassLabel(["y"])}))
    with pytest.raises(DataError, match=r"row 0 .*'x' is none of the declared classes: y"):
        classes.cast("spans", none)


def test_cast_to_lists_of_one_length():
    data = Dataset(pa.table({"text": ["a", "b"], "pair": [[1, 2], [3]]}), roles=Roles("text"))
    with pytest.raises(DataError, match=r"'pair': list<.* cannot become"):
        data.cast("pair", Sequence(Value("int64"), length=2))
    assert data[:1].cast("pair", Sequence(Value("int8"), length=2))["pair"] == [[1, 2]]
