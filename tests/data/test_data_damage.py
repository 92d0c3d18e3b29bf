"""Files whose damage would go unnoticed, or be told of in words that do not help."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graft.data.cache.folder import entries
from graft.data.dataset import Dataset
from graft.data.load import load_dataset
from graft.errors import DataError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.txt", "a.csv.gz"])
def test_a_pointer_in_place_of_a_file(tmp_path, name):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(DataError, match=r"pointer to a file that Git LFS .* git lfs pull"):
        load_dataset(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "<!DOCTYPE html>\n<p>no, no</p>\n", r"line 2.*expected 1 field"),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', r"line 1.*'text' stands there twice"),
        ("a.json", "5\n", r"line 1.*a number stands where an object"),
    ],
)
def test_why_no_row_is_left(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"{name}: no row could be read.*{told}"):
        load_dataset(tmp_path / name, on_bad_rows="collect")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
@pytest.mark.parametrize(
    ("row", "key"), [('{"text": "a", "n": %d}', "n"), ('{"text": "a", "m": {"l": [%d]}}', r"m\.l")]
)
def test_numbers_in_json_that_would_lose_digits(tmp_path, number, row, key):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "b", "n": null}\n' + row % number + "\n")
    with pytest.raises(DataError, match=rf"line 2, column '{key}.*: {number} is more than"):
        load_dataset(path)
    data = load_dataset(path, on_bad_rows="collect")
    assert data["train"]["text"] == ["b"]
    assert data.bad_rows["line"].to_pylist() == [2]


def test_large_numbers_in_json_that_lose_none(tmp_path):
    path = tmp_path / "a.jsonl"
    numbers = [2**63 - 1, -(2**63), 0]
    rows = "".join(f'{{"text": "12345678901234567890 ", "n": {n}, "x": 1e300}}\n' for n in numbers)
    path.write_text(rows)
    assert load_dataset(path, split="train")["n"] == numbers


def test_half_a_character_in_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "whole"}\n{"text": "\\ud800"}\n')
    with pytest.raises(DataError, match=r"line 2: a value cannot be read.*\n.*on_bad_rows"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "path of the data set is empty"),
        ("https://example.com/a.csv", "download the file first"),
        ("texts/*.csv", "data_files='<pattern>'"),
        (pd.Series(["a", "b"]), r"A pandas\.Series is no data set.*\{'text': \.\.\.\}"),
        (np.array(["a", "b"]), r"numpy\.ndarray is no data set.*\{'text': \.\.\.\}"),
        (datasets.Dataset.from_dict({"text": ["a"]}), r"to_pandas\(\)"),
        (Dataset(pa.table({"text": ["a"]})), "use it as it is"),
        ({"train": Dataset(pa.table({"text": ["a"]}))}, r"DatasetDict\(\{\.\.\.\}\)"),
    ],
    ids=["nothing", "web", "pattern", "series", "array", "datasets", "data set", "splits"],
)
def test_what_to_give_in_place_of_what_cannot_be_loaded(source, told):
    with pytest.raises(DataError, match=told):
        load_dataset(source)


def test_an_error_of_a_generator_says_after_how_many_rows_it_came():
    def rows():
        yield {"text": "a"}
        yield {"text": str(1 / 0)}

    for source in (rows, rows()):
        with pytest.raises(
            DataError, match=r"(rows|generator).*: making row 2 failed: ZeroDiv"
        ) as told:
            load_dataset(source)
        assert isinstance(told.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("place", ["a.csv", "/proc/nowhere"])
def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch, place):
    (tmp_path / "a.csv").write_text("text,label\na b,x\n")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / place))
    with pytest.raises(DataError, match=r"cache cannot be written to.*Set GRAFT_CACHE"):
        load_dataset(tmp_path / "a.csv")
    assert entries() == []


def test_a_split_in_another_format_is_not_left_out(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na b,x\nc d,y\n")
    (tmp_path / "test.json").write_text('[{"text": "e f", "label": "x"}]')
    (tmp_path / "~$train.csv").write_bytes(b"\x05owner of the lock")
    (tmp_path / "schema.json").write_text('{"about": "the columns"}')
    data = load_dataset(tmp_path)
    assert {name: len(rows) for name, rows in data.items()} == {"train": 2, "test": 1}
    (tmp_path / "train.json").write_text('[{"text": "g h", "label": "x"}]')
    with pytest.raises(DataError, match=r"train\.csv and train\.json are both the split 'train'"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        '{"text": ["a b", "c d"], "label": ["x", "y"]}',
        '{"text": {"0": "a b", "1": "c d"}, "label": {"0": "x", "1": "y"}}',
    ],
)
def test_json_of_columns(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"one row.*dict of lists.*orient='records'"):
        load_dataset(tmp_path / "a.json")


def test_a_revision_of_a_folder(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na b,x\nc d,y\n")
    with pytest.raises(DataError, match=r"has no revision='v1'"):
        load_dataset(tmp_path, revision="v1")
