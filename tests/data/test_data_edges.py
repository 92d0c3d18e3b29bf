"""Rows at the edges of what Arrow holds: no columns, nulls among ids, types that are not ours."""

import numpy as np
import pyarrow as pa
import pytest

from graft.data.arrow_types import plain_type
from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.labels import encode_labels
from graft.data.roles import Roles
from graft.data.rows import Rows
from graft.data.writing.card import configs_of
from graft.errors import DataError


def test_rows_without_columns_are_still_rows() -> None:
    data = Dataset(pa.table({"a": [1, 2, 3]}), roles=Roles()).remove("a")
    assert len(data.shuffle(1).table) == 3
    assert Rows(data.table, np.array([2, 0])).take([1]).num_rows == 1
    assert data.shuffle(1).map(lambda row: {"b": len(row)})["b"] == [0, 0, 0]


def test_blocks_name_the_row_that_lacks_a_token_id() -> None:
    ids = pa.array([[0], [1, None, 3], [4]], pa.list_(pa.int32())).slice(1)
    data = Dataset(pa.table({"input_ids": ids}), roles=Roles())
    with pytest.raises(DataError, match="row 0 of a part lacks a token id"):
        data.blocks(2)


@pytest.mark.parametrize(
    "texts",
    [
        pa.array(["a", " ", "a", None]).dictionary_encode(),
        pa.array(["a", " ", "a", None], pa.large_string()),
        pa.array(["a", " ", "a", None], pa.string_view()),
    ],
)
def test_tables_of_any_type_become_tables_of_ours(texts: pa.Array, tmp_path) -> None:
    data = Dataset(pa.table({"text": texts}), roles=Roles(text="text"))
    assert data.table.schema.field("text").type == plain_type(texts.type) == pa.string()
    assert data.empty_texts() == [1, 3]
    assert data.shuffle(3).sort("text")["text"] == [" ", "a", "a", None]
    data.save(tmp_path / "saved")


def test_features_keep_what_a_table_of_other_types_was() -> None:
    pairs = pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2))
    data = Dataset(pa.table({"pair": pairs}), roles=Roles())
    assert data.features == {"pair": Sequence(Value("int32"), length=2)}
    assert data.table.schema.field("pair").type == pa.list_(pa.int32())
    assert data.shuffle(1).features == data.features


def test_texts_beyond_2_gb_in_one_chunk_are_cut_into_several() -> None:
    # Only the last bytes of the memory are touched: the offsets alone go beyond.
    size = 2**31 + 4
    content = np.zeros(size, np.uint8)
    content[-4:] = [97, 98, 99, 100]
    ends = pa.py_buffer(np.array([0, 2, 2**31, 2**31 + 1, size], np.int64))
    texts = pa.Array.from_buffers(pa.large_string(), 4, [None, ends, pa.py_buffer(content)])
    table = pa.table({"text": texts.slice(2), "label": [0, 1]})
    for data in (Dataset(table, roles=Roles(text="text")), Dataset.from_arrow(table)):
        assert data["text"] == ["a", "bcd"]
        assert data.table.schema.field("text").type == pa.string()


def test_labels_in_lists_stay_in_the_chunks_that_they_were_in() -> None:
    chunks = [
        pa.array([["a"], None, ["b", "a"]]),
        pa.array([[], ["c"], ["a"]]).slice(1),
        pa.array([], pa.list_(pa.string())),
    ]
    numbers, feature = encode_labels({"train": pa.chunked_array(chunks)}, None, lambda *_: "")
    assert feature == Sequence(ClassLabel(["a", "b", "c"]))
    assert numbers["train"].to_pylist() == [[0], None, [1, 0], [2], [0]]
    assert [len(chunk) for chunk in numbers["train"].chunks] == [3, 2, 0]


def test_a_card_may_say_anything_under_configs() -> None:
    for written in (5, "all", None, ["all"], {"config_name": "a"}):
        assert configs_of({"configs": written}) == {}


@pytest.mark.parametrize("stray", [-1, -100, 2])
def test_numbers_of_no_class_are_missing_labels(stray: int) -> None:
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array([0, stray, None], pa.int64())})
    features = {"text": Value("string"), "label": ClassLabel(["x", "y"])}
    data = Dataset(table, features=features, roles=Roles(text="text", label="label"))
    assert data.label_counts() == {"x": 1, "y": 0}
    assert data.class_weights().tolist() == [1, 0]
    assert data.to_polars()["label"].to_list() == ["x", None, None]
    assert data.to_pandas()["label"].isna().tolist() == [False, True, True]
    assert data.sql("select * from self")["label"] == [0, None, None]
    assert data.cast("label", Value("string"))["label"] == ["x", None, None]


def test_ignored_labels_in_lists_count_nowhere(tmp_path) -> None:
    table = pa.table({"text": ["a", "b"], "label": pa.array([[0, -100], [1, 0]])})
    features = {"text": Value("string"), "label": Sequence(ClassLabel(["x", "y"]))}
    data = Dataset(table, features=features, roles=Roles(text="text", label="label"))
    assert data.label_counts() == {"x": 2, "y": 1}
    data.to_json(tmp_path / "rows.jsonl")
    assert '["x",null]' in (tmp_path / "rows.jsonl").read_text().replace(" ", "")


def test_every_role_can_be_given_later_and_nothing_is_copied_for_it() -> None:
    table = pa.table(
        {"a": ["x y", "z"], "b": [["x", "y"], ["z"]], "c": [["N", "V"], ["N"]], "d": ["x", "z"]}
    )
    data = Dataset(table, roles=Roles(text="a")).shuffle(1)
    given = data.with_roles(tokens="b", tags="c", target="d")
    assert given.roles == Roles(text="a", tokens="b", tags="c", target="d")
    assert data.rows.order is not None
    assert given.rows.table["a"].chunk(0).buffers()[2].address == (
        table["a"].chunk(0).buffers()[2].address
    )
    with pytest.raises(DataError, match="lists of words were expected"):
        data.with_roles(tokens="d")
