"""The values of columns and how often they come."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

columns = st.one_of(
    st.lists(st.sampled_from(["a", "b", "", None])),
    st.lists(st.sampled_from([3, -1, None])),
    st.lists(st.booleans()),
)


@settings(max_examples=30)
@given(columns, st.integers(0, 5))
def test_distinct_values_and_their_counts(values, seed):
    data = Dataset(pa.table({"x": values}), roles=Roles()).shuffle(seed)
    assert data.unique("x") == list(dict.fromkeys(data["x"]))
    expected = Counter(value for value in data["x"] if value is not None)
    assert data.class_counts("x") == expected
    assert list(data.class_counts("x")) == list(expected)


def test_classes_come_by_name():
    features = {"one": ClassLabel(["u", "v", "w"]), "many": Sequence(ClassLabel(["p", "q"]))}
    table = pa.table({"one": [2, None, 2, 0], "many": [[0, 1], [], None, [1]]})
    data = Dataset(table, features=features, roles=Roles(label="one"))
    assert list(data.class_counts().items()) == [("u", 1), ("v", 0), ("w", 2)]
    assert data.class_counts() == data.label_counts()
    assert data.class_counts("many") == {"p": 1, "q": 2}
    assert data.unique("one") == [2, None, 0]
    assert data.unique("many") == [0, 1]
    assert data[:0].class_counts() == {"u": 0, "v": 0, "w": 0}


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda d: d.unique("gone"), "no column 'gone'"),
        (lambda d: d.unique("place"), r"unique: .*'place' holds struct.*sql\("),
        (lambda d: d.class_counts("place"), r"class_counts: .*'place' holds struct"),
        (lambda d: d.class_counts(), "class_counts: memory has no label"),
    ],
)
def test_what_cannot_be_counted_says_why(do, said):
    with pytest.raises(DataError, match=said):
        do(Dataset(pa.table({"place": [{"x": 1}]}), roles=Roles()))


def test_real_columns(real_data):
    data = load_dataset(real_data / "trec", split="train")
    assert data.class_counts() == data.label_counts()
    assert sum(data.class_counts("text").values()) == len(data)
    assert data.features["text"] == Value("string")
    assert data.unique("text") == list(dict.fromkeys(data["text"]))
