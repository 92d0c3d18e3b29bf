"""What can be loaded: Parquet, data frames, dicts, folders with and without a card."""

import logging

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data.features import ClassLabel, Value
from graft.data.load import load_dataset
from graft.data.reading.splits import find_splits
from graft.errors import CardError, DataError

ROWS = "text,label\na,x\nb,y\n"


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": [1, 0]}), path)
    return path


def test_parquet(parquet):
    data = load_dataset(parquet, split="train")
    assert data["text"] == ["a", "b"]
    assert data.label_names == ["0", "1"]


@pytest.mark.parametrize("keep", [3, -20])
def test_truncated_parquet(parquet, keep):
    parquet.write_bytes(parquet.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.parquet: not a whole Parquet file"):
        load_dataset(parquet)


def test_parquet_with_damaged_pages(parquet):
    content = bytearray(parquet.read_bytes())
    content[10:60] = bytes(50)
    parquet.write_bytes(content)
    with pytest.raises(DataError, match="not a whole Parquet file"):
        load_dataset(parquet)


def test_large_strings_categories_and_pandas_indexes_are_plain_columns(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": ["y", "x", "y"]}, index=[5, 6, 7])
    table = pa.Table.from_pandas(frame.astype({"label": "category"}))
    table = table.set_column(0, "text", table["text"].cast(pa.large_string()))
    pq.write_table(table, tmp_path / "a.parquet")
    data = load_dataset(tmp_path / "a.parquet", split="train")
    assert data.column_names == ["text", "label"]
    assert data.table.schema.types == [pa.string(), pa.int64()]
    assert data.label_names == ["x", "y"]


def test_data_frame(tmp_path):
    frame = pd.DataFrame({"text": ["a", None, "c"], "label": [1.0, float("nan"), 0.0]})
    data = load_dataset(frame)["train"]
    assert data["text"] == ["a", "", "c"]
    assert data.label_names == ["0", "1"]
    assert data["label"] == [1, None, 0]


def test_data_frame_categories_keep_their_order():
    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["bad", "good"])})
    frame["label"] = frame["label"].cat.reorder_categories(["good", "bad"])
    assert load_dataset(frame)["train"].label_names == ["good", "bad"]


def test_data_frame_of_mixed_values_names_the_column():
    with pytest.raises(DataError, match="column 'label': values of several kinds"):
        load_dataset(pd.DataFrame({"text": ["a", "b"], "label": ["x", 3]}))


def test_data_frame_with_two_columns_of_one_name():
    frame = pd.DataFrame([["a", "b", "x"]], columns=["text", "text", "label"])
    with pytest.raises(DataError, match="two columns have the name 'text'"):
        load_dataset(frame)


def test_dict_of_sources(write):
    train = [write("one.csv", ROWS), write("two.csv", "label,text\nx,c\n")]
    test = pd.DataFrame({"text": ["d"], "label": ["y"]})
    data = load_dataset({"train": train, "test": test})
    assert data["train"]["text"] == ["a", "b", "c"]
    assert data["train"]["label"] == [0, 1, 0]
    assert data["test"]["label"] == [1]


@pytest.mark.parametrize("source", [5, {"train": {"text": ["a"]}}, {}, {"train": []}])
def test_what_is_no_data_set(source):
    with pytest.raises(DataError):
        load_dataset(source)


def test_missing_paths_say_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"):
        load_dataset(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="neither a file or folder that exists nor a possible rep"):
        load_dataset(tmp_path / "gone")


def test_unknown_kind_of_file_lists_those_that_are_read(write):
    with pytest.raises(DataError, match=r"does not read \.xlsx files.*Parquet"):
        load_dataset(write("a.xlsx", "x"))


def test_folder_without_data_lists_what_is_there(write):
    folder = write("d/notes.pdf", "x").parent
    with pytest.raises(DataError, match=r"no data files.*CSV.*notes\.pdf"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["train.csv", "dev.csv", "test.csv"], ["train", "validation", "test"]),
        (["test.csv", "val.csv", "Training.csv"], ["train", "validation", "test"]),
        (["data/train.csv", "data/valid.csv"], ["train", "validation"]),
        (["train/a.csv", "train/b.csv", "eval/a.csv"], ["train", "test"]),
        (["train.csv", "unsupervised.csv"], ["train", "unsupervised"]),
        (["train.csv", "dev_matched.csv", "dev_mismatched.csv"],
         ["train", "dev_matched", "dev_mismatched"]),
        (["trec_train.csv", "trec_test.csv"], ["train", "test"]),
        (["eval.csv", "test.csv", "train.csv"], None),
        (["questions.csv"], ["train"]),
        (["a.csv", "b.csv"], ["a", "b"]),
        (["part-0.csv", "part-1.csv"], ["train"]),
        (["train-00001-of-00002.csv", "train-00000-of-00002.csv"], ["train"]),
        (["train-00000-of-00001-a09b74b3ef9c3b56.csv", "test-00000-of-00001.csv"],
         ["train", "test"]),
        (["plain/train/0000.csv", "plain/test/0000.csv"], ["train", "test"]),
        ([".hidden/train.csv", "test.csv"], ["test"]),
        (["train.csv", "info.json"], ["train"]),
    ],
)  # fmt: skip
def test_splits_from_the_names_of_files(write, tmp_path, files, splits):
    for name in files:
        write(name, ROWS)
    if splits is None:
        with pytest.raises(DataError, match="both the split 'test'"):
            find_splits(tmp_path, {}, "here")
    else:
        assert list(find_splits(tmp_path, {}, "here")) == splits


def test_shards_are_joined_by_number(write, tmp_path):
    for number in (10, 2, 1):
        write(f"train-{number}.csv", f"text,label\n{number},x\n{number}.,y\n")
    assert load_dataset(tmp_path, split="train")["text"] == ["1", "1.", "2", "2.", "10", "10."]


def test_shards_with_other_columns_are_refused(write, tmp_path):
    write("train-0.csv", ROWS)
    write("train-1.csv", "text,class\na,x\n")
    with pytest.raises(DataError, match=r"train-0\.csv and .*train-1\.csv.*columns differ"):
        load_dataset(tmp_path)


def test_two_files_for_one_split_are_refused(write, tmp_path):
    write("train.csv", ROWS)
    write("train.jsonl", '{"text": "a", "label": "x"}')
    with pytest.raises(DataError, match=r"train\.csv and train\.jsonl are both the split 'train'"):
        load_dataset(tmp_path)


def test_an_empty_split_is_refused(write, tmp_path):
    write("train.csv", ROWS)
    write("test.csv", "text,label\n")
    with pytest.raises(DataError, match=r"test\.csv: the split 'test' has no rows"):
        load_dataset(tmp_path)


def test_a_split_that_is_not_there(write):
    with pytest.raises(DataError, match=r"no split 'test'\. Its splits are: train"):
        load_dataset(write("a.csv", ROWS), split="test")


def test_columns_of_one_name_and_two_kinds(write, tmp_path):
    write("train.jsonl", '{"text": "a", "n": "1"}')
    write("test.jsonl", '{"text": "a", "n": 1}')
    with pytest.raises(DataError, match=r"test\.jsonl, column 'n': it holds int64, but string in"):
        load_dataset(tmp_path)


def test_the_text_must_be_in_every_split(write, tmp_path):
    write("train.csv", ROWS)
    write("test.csv", "phrase,label\na,x\n")
    with pytest.raises(DataError, match=r"test\.csv has no column 'text'.*phrase, label"):
        load_dataset(tmp_path)


def test_a_slip_in_the_label_columns_name_is_noticed(write, tmp_path):
    write("train.csv", ROWS)
    write("test.csv", "text,lable\na,x\n")
    with pytest.raises(DataError, match=r"test\.csv has no column 'label', but 'lable'"):
        load_dataset(tmp_path)


CARD = """---
language: en
pretty_name: Small
configs:
- config_name: default
  data_files:
  - split: train
    path: raw/first*.csv
  - split: held_out
    path: [raw/last.csv]
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
          '2': mixed
  - name: code
    dtype: string
---
# Small
"""


def test_the_card_names_files_classes_and_types(write, tmp_path):
    write("README.md", CARD)
    write("raw/first-1.csv", "text,label,code\na,1,7\n")
    write("raw/first-2.csv", "text,label,code\nb,-1,8\n")
    write("raw/last.csv", "text,label,code\nc,mixed,9\n")
    data = load_dataset(tmp_path)
    assert list(data) == ["train", "held_out"]
    assert data.features["label"] == ClassLabel(["negative", "positive", "mixed"])
    assert data.features["code"] == Value("string")
    assert data["train"]["label"] == [1, None]
    assert data["held_out"]["label"] == [2]
    assert data.metadata["pretty_name"] == "Small"


def test_a_label_that_the_card_does_not_declare(write, tmp_path):
    write("README.md", CARD)
    write("raw/first-1.csv", "text,label,code\na,1,7\nb,3,7\n")
    write("raw/last.csv", "text,label,code\nc,0,9\n")
    said = r"first-1\.csv, row 2, column 'label': '3' is none of the declared.*negative, positive"
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path)


def test_the_card_names_a_file_that_is_not_there(write, tmp_path):
    write("README.md", CARD)
    write("raw/first-1.csv", ROWS)
    with pytest.raises(DataError, match=r"README\.md.*'raw/last\.csv'.*no file matches"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("pattern", ["../secret.csv", "/etc/*.csv"])
def test_the_card_cannot_point_out_of_the_folder(write, tmp_path, pattern):
    write("README.md", f"---\nconfigs:\n- data_files: {pattern}\n---\n")
    write("train.csv", ROWS)
    with pytest.raises(DataError, match="may not point out of the folder"):
        load_dataset(tmp_path)


def test_configurations(write, tmp_path):
    write(
        "README.md",
        "---\nconfigs:\n- config_name: fine\n  data_files: fine.csv\n"
        "- config_name: coarse\n  data_files: coarse.csv\n---\n",
    )
    write("fine.csv", ROWS)
    write("coarse.csv", "text,label\nc,z\n")
    assert load_dataset(tmp_path, config="coarse")["train"]["text"] == ["c"]
    with pytest.raises(DataError, match=r"several configurations: fine, coarse.*config='fine'"):
        load_dataset(tmp_path)
    with pytest.raises(DataError, match="no configuration 'other'"):
        load_dataset(tmp_path, config="other")


def test_the_card_gives_roles_and_arguments_win(write, tmp_path):
    write("README.md", "---\nroles:\n  text: title\n  label: shelf\n---\n")
    write("train.csv", "title,body,shelf,tone\na,long words,x,u\nb,more words,y,v\n")
    assert load_dataset(tmp_path).roles.text == "title"
    assert load_dataset(tmp_path).roles.label == "shelf"
    assert load_dataset(tmp_path, label="tone").label_names == ["u", "v"]


def test_a_card_with_broken_yaml_names_file_and_line(write, tmp_path):
    write("train.csv", ROWS)
    write("README.md", "---\nlanguage: en\nlicense: [mit\n---\n")
    with pytest.raises(CardError, match=r"README\.md, line 4"):
        load_dataset(tmp_path)


def test_empty_texts_are_counted_with_their_rows(write, tmp_path, caplog):
    write("train-0.csv", "text,label\na,x\n  ,y\n")
    write("train-1.csv", "text,label\n,x\nb,y\n")
    with caplog.at_level(logging.WARNING, "graft.data"):
        data = load_dataset(tmp_path)
    assert data["train"].empty_texts() == [1, 2]
    (record,) = caplog.records
    assert "2 empty texts" in record.getMessage()
    assert "train-0.csv, row 2; " in record.getMessage()
    assert "train-1.csv, row 1" in record.getMessage()
    assert "2 empty texts" in str(data)
