"""Saving in shards and configurations: sizes, names, cards, what stays and what goes."""

import datetime

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.data.writing.shards import parse_size
from graft.errors import DataError
from graft.hub.card import parse_card

TABLE = pa.table({"text": [f"text {number:04}" for number in range(1000)]})


@pytest.fixture(autouse=True)
def their_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "theirs"))
    datasets.disable_progress_bars()


@pytest.mark.parametrize(
    ("written", "size"),
    [(1, 1), ("500MB", 500_000_000), ("2 GiB", 2 << 30), ("1.5kb", 1500), ("7", 7), ("1T", 10**12)],
)
def test_sizes_are_read(written, size):
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MB", "0", "-1", 0, -5, 1.5, True, None, "5 elephants"])
def test_what_is_no_size(written):
    with pytest.raises(DataError, match="is no size of a file"):
        parse_size(written)


@pytest.mark.parametrize("shuffled", [False, True])
def test_shards_hold_all_rows_in_order_and_no_more_than_asked(tmp_path, shuffled):
    data = Dataset(TABLE)
    data = data.shuffle(1) if shuffled else data
    data.save(tmp_path / "out", max_shard_size=4000)  # bytes: a text and its offset have 13
    files = sorted((tmp_path / "out" / "data").glob("*"))
    assert [path.name for path in files] == [f"train-{i:05}-of-00004.parquet" for i in range(4)]
    tables = [pq.read_table(path) for path in files]
    assert all(table.nbytes <= 4000 for table in tables)
    assert pa.concat_tables(tables)["text"].to_pylist() == data["text"]
    assert load_dataset(tmp_path / "out", split="train")["text"] == data["text"]
    assert datasets.load_dataset(str(tmp_path / "out"), split="train")["text"][:] == data["text"]


def test_a_slice_counts_as_what_it_is(tmp_path):
    Dataset(TABLE)[10:20].save(tmp_path / "out", max_shard_size=1000)
    assert [path.name for path in (tmp_path / "out" / "data").glob("*")] == [
        "train-00000-of-00001.parquet"
    ]
    (split,) = parse_card((tmp_path / "out" / "README.md").read_text())[0]["dataset_info"]["splits"]
    assert split["num_examples"] == 10
    assert split["num_bytes"] < 200


def test_a_row_larger_than_a_shard_has_one_of_its_own(tmp_path):
    texts = ["a", "b" * 5000, "c"]
    Dataset(pa.table({"text": texts})).save(tmp_path / "out", max_shard_size=100)
    assert len(list((tmp_path / "out" / "data").glob("*"))) == 3
    assert load_dataset(tmp_path / "out", split="train")["text"] == texts


def test_a_split_without_rows_can_be_read(tmp_path):
    data = DatasetDict({"train": Dataset(TABLE), "test": Dataset(TABLE)[:0]})
    data.save(tmp_path / "out")
    (path,) = (tmp_path / "out" / "data").glob("test-*")
    assert pq.read_table(path).num_rows == 0
    assert "| test | 0 |" in (tmp_path / "out" / "README.md").read_text()
    assert datasets.load_dataset(str(tmp_path / "out"), split="train").num_rows == 1000


def test_fewer_shards_leave_none_of_the_older(tmp_path):
    Dataset(TABLE).save(tmp_path / "out", max_shard_size=4000)
    (tmp_path / "out" / "data" / "notes.parquet").write_bytes(b"mine")
    Dataset(TABLE)[:5].save(tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out" / "data").glob("*"))
    assert left == ["notes.parquet", "train-00000-of-00001.parquet"]


def test_configurations_stand_side_by_side(tmp_path):
    english = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    german = pa.table({"sentence": ["c", "d", "e"], "kind": ["u", "v", "u"], "other": ["f"] * 3})
    load_dataset(english).save(tmp_path / "out", config="en")
    load_dataset(german, text="other", label="kind").save(tmp_path / "out", config="de")
    assert len(load_dataset(tmp_path / "out", config="en")["train"]) == 2
    again = load_dataset(tmp_path / "out", config="de")
    assert again.roles == Roles("other", label="kind")
    assert again.label_names == ["u", "v"]
    theirs = datasets.load_dataset(str(tmp_path / "out"), "de", split="train")
    assert theirs.features["kind"].names == ["u", "v"]
    assert datasets.get_dataset_config_names(str(tmp_path / "out")) == ["en", "de"]

    load_dataset(english)["train"][:1].save(tmp_path / "out", config="en")
    assert len(load_dataset(tmp_path / "out", config="en")["train"]) == 1
    assert len(load_dataset(tmp_path / "out", config="de")["train"]) == 3
    load_dataset(english).save(tmp_path / "out")
    assert load_dataset(tmp_path / "out").roles == Roles("text", label="label")
    assert load_dataset(tmp_path / "out", config="de").roles == again.roles


def test_what_people_wrote_in_a_card_stays(tmp_path):
    data = load_dataset(pa.table({"text": ["a", "b"], "label": ["x", "y"]}))
    data.save(tmp_path / "out")
    path = tmp_path / "out" / "README.md"
    metadata, body = parse_card(path.read_text())
    written = path.read_text().replace("task_categories:", "license: mit\ntask_categories:")
    path.write_text(written.replace("# out\n", "# My data\n\nFrom the attic.\n"))
    data["train"][:1].save(tmp_path / "out")
    again, body = parse_card(path.read_text())
    assert again["license"] == "mit"
    assert body.startswith("# My data\n\nFrom the attic.\n")
    assert "| train | 1 |" in body
    assert "| train | 2 |" not in body
    assert body.count("## Splits") == 1
    data.save(tmp_path / "out")
    assert parse_card(path.read_text())[0] == {**metadata, "license": "mit"}


def test_the_card_tells_lengths_and_balance(tmp_path):
    table = pa.table(
        {"text": ["a" * n for n in (1, 2, 3, 1000)], "tags": [[0, 1], [], None, [0, None]]}
    )
    features = {"text": Value("string"), "tags": Sequence(ClassLabel(["O", "B-x"]))}
    data = Dataset(table, features=features, roles=Roles("text", tags="tags"))
    data.save(tmp_path / "out")
    metadata, body = parse_card((tmp_path / "out" / "README.md").read_text())
    assert "| split | rows | characters per row (mean) | median | longest |" in body
    assert "| train | 4 | 252 | 2 | 1,000 |" in body
    assert "| O | 2 |\n| B-x | 1 |" in body
    assert metadata["task_categories"] == ["token-classification"]


def test_the_bytes_are_the_same_each_time(tmp_path):
    for name in "ab":
        Dataset(TABLE).save(tmp_path / name, max_shard_size=4000)
    for path in (tmp_path / "a" / "data").glob("*"):
        assert path.read_bytes() == (tmp_path / "b" / "data" / path.name).read_bytes()


@pytest.mark.parametrize("config", ["data", "../x", "a/b", ".x", "a b"])
def test_what_cannot_be_a_configuration(tmp_path, config):
    with pytest.raises(DataError, match="cannot be the name of a configuration"):
        Dataset(TABLE).save(tmp_path / "out", config=config)
    assert not (tmp_path / "out").exists()


def test_values_that_are_not_of_their_feature_name_the_column(tmp_path):
    table = pa.table({"text": ["a", "b"], "pair": [[1, 2], [3]]})
    features = {"text": Value("string"), "pair": Sequence(Value("int64"), length=2)}
    with pytest.raises(
        DataError, match=r"The column 'pair' \(rows 0 to 1\) holds list<.*cast\('pai"
    ):
        Dataset(table, features=features).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_type_that_parquet_does_not_have_names_the_column(tmp_path):
    interval = pa.array([pa.MonthDayNano([1, 2, 3])] * 2)
    table = pa.table({"text": ["a", "b"], "gap": interval})
    with pytest.raises(DataError, match="'gap'"):
        Dataset(table).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_units_that_parquet_does_not_have_come_back(tmp_path):
    table = pa.table(
        {
            "text": ["a", "b"],
            "when": pa.array([datetime.datetime(2020, 1, 2), None], pa.timestamp("s")),
            "time": pa.array([datetime.time(1, 2), None], pa.time32("s")),
            "day": pa.array([datetime.date(2020, 1, 2), None], pa.date64()),
        }
    )
    data = Dataset(table)
    data.save(tmp_path / "out")
    again = load_dataset(tmp_path / "out", split="train")
    assert again.features == data.features
    assert again.table.equals(table)
    theirs = datasets.load_dataset(str(tmp_path / "out"), split="train")
    assert str(theirs.features["when"]) == "Value('timestamp[s]')"
