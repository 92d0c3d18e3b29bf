"""What users of pandas and `datasets` try first."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Value
from graft.data.load import load_dataset
from graft.data.loader import BatchLoader
from graft.errors import DataError

TABLE = pa.table({"text": ["b", "a", "d", "c"], "n": [2, 1, 2, None], "x": [0.5, 0.25, 0.25, 1.0]})


@pytest.fixture
def data():
    return Dataset(TABLE)


def test_sorting_by_several_columns(data):
    assert data.sort(["n", "text"])["text"] == ["a", "b", "d", "c"]
    assert data.sort(["n", "text"], descending=[True, False])["text"] == ["b", "d", "a", "c"]
    assert data.sort(["x", "n"], descending=True)["text"] == ["c", "b", "d", "a"]
    assert data.sort(["n"])["text"] == data.sort("n")["text"]
    frame = data.to_pandas().sort_values(["x", "text"], ascending=[False, True])
    assert data.sort(["x", "text"], descending=[True, False])["text"] == frame["text"].tolist()
    for columns, descending, told in [
        ([], False, "at least one column"),
        (["n"], [True, False], "1 columns were given and 2 directions"),
        (["n", "m"], False, "no column 'm'"),
    ]:
        with pytest.raises(DataError, match=told):
            data.sort(columns, descending=descending)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, None],
        pa.array([1, 2, 3, None]),
        pa.chunked_array([[1, 2], [3, None]]),
        pd.Series([1, 2, 3, None], dtype="Int64"),
    ],
)
def test_a_column_of_any_kind(data, values):
    new = data.with_column("m", values)
    assert new["m"] == [1, 2, 3, None]
    assert new.features["m"] == Value("int64")
    assert data.with_column("m", values, Value("float32")).features["m"] == Value("float32")


def test_a_column_of_classes_by_number_or_name(data):
    classes = ClassLabel(["no", "yes"])
    for values in (np.array([1, 0, 0, 1]), ["yes", "no", "no", "yes"]):
        new = data.with_column("y", values, classes)
        assert new["y"] == [1, 0, 0, 1]
        assert new.features["y"] == classes
    for values, told in (([0, 1, 2, 0], "2 is none"), (["no", "maybe", "no", "no"], "'maybe'")):
        with pytest.raises(DataError, match=rf"row \d.*column 'y': {told}"):
            data.with_column("y", values, classes)
    with pytest.raises(DataError, match=r"row 2, column 'y': 'b' does not go"):
        data.with_column("y", [1, "b", 2, 3])
    with pytest.raises(DataError, match=r"column 'y': string cannot become int64"):
        data.with_column("y", ["1", "b", "2", "3"], Value("int64"))


def test_a_share_of_everything_is_none(data):
    for size in (1.0, 1.5, np.float64(1.0)):
        with pytest.raises(DataError, match="leaves a part empty"):
            data.train_test_split(size)
    assert len(data.train_test_split(1)["test"]) == 1


def test_choosing_columns_like_rows(data):
    with pytest.raises(DataError, match=r"'text' is no row.*remove\('<column>'"):
        data[["text", "n"]]


def test_a_column_that_one_of_two_lacks(data):
    with pytest.raises(DataError, match=r"the column 'n' is .*int64.* but is not in memory"):
        data.concatenate(data.remove("n"))


def test_what_is_no_tokenizer(data):
    with pytest.raises(DataError, match=r"'bert-base' is no tokenizer.*from_pretrained"):
        DatasetDict({"train": data}).tokenize("bert-base")


def test_one_class_is_one_class():
    data = Dataset(pa.table({"text": ["a", "b"], "label": ["x", "x"]})).class_encode("label")
    assert "1 class  " in repr(data).replace("\n", "  ")


def test_another_order_each_time(data):
    many = Dataset(pa.table({"text": [str(n) for n in range(1000)]}))
    first, second = many.shuffle(None), many.shuffle(None)
    assert first["text"] != second["text"]
    assert first.fingerprint != second.fingerprint
    mixed = [many.interleave(many, weights=[1, 1], seed=None) for _ in range(2)]
    assert mixed[0].fingerprint != mixed[1].fingerprint
    assert many.sample(5, seed=np.int64(3))["text"] == many.sample(5, seed=3)["text"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda data, seed: data.shuffle(seed),
        lambda data, seed: data.sample(2, seed),
        lambda data, seed: data.subset(0.5, seed),
        lambda data, seed: data.train_test_split(0.5, seed),
        lambda data, seed: data.k_fold(2, seed),
        lambda data, seed: data.balance("x", seed=seed),
        lambda data, seed: data.interleave(data, weights=[1, 1], seed=seed),
    ],
)
@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_what_is_no_seed(data, draw, seed):
    with pytest.raises(DataError, match=r"is no seed\. Give a whole number"):
        draw(data, seed)


@pytest.mark.parametrize("verb", ["save", "save_to_disk", "to_csv", "to_json", "to_parquet"])
def test_a_place_that_cannot_be_written_to(data, tmp_path, verb):
    (tmp_path / "file").write_text("mine")
    writer = DatasetDict({"train": data}) if verb == "save_to_disk" else data
    for target in (tmp_path / "file" / "below", "/proc/nowhere"):
        with pytest.raises(DataError, match=r"cannot be written.*Give another place"):
            getattr(writer, verb)(target)
    if verb.startswith("save"):
        with pytest.raises(DataError, match=r"cannot be written.*File exists"):
            getattr(writer, verb)(tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_no_function_and_no_feature(data):
    with pytest.raises(DataError, match=r"filter: 'n > 1' is no function.*sql\("):
        data.filter("n > 1")
    with pytest.raises(DataError, match="map: None is no function"):
        data.map(None)
    with pytest.raises(DataError, match=r"'int32' is no feature. Give one such as Value"):
        data.cast("n", "int32")


def test_a_loader_of_one_split_with_one_seed(data):
    with pytest.raises(DataError, match=r"one split of train, test: data\['<split>'\]"):
        BatchLoader(DatasetDict({"train": data, "test": data}), tokens=10)
    rows = Dataset.from_dict({"input_ids": [[1, 2]] * 10})
    with pytest.raises(DataError, match="All ranks need one seed"):
        BatchLoader(rows, tokens=4, seed=None, world_size=2)
    assert sum(len(batch.lengths) for batch in BatchLoader(rows, tokens=4, seed=None)) == 10


def test_a_role_is_one_column():
    with pytest.raises(DataError, match=r"text=\['a', 'b'\]: give the name of one column"):
        load_dataset({"a": ["x"], "b": ["y"]}, text=["a", "b"])


def test_a_stream_says_what_is_no_function(data, tmp_path):
    data.to_csv(tmp_path / "a.csv")
    stream = load_dataset(tmp_path / "a.csv", streaming=True, split="train")
    with pytest.raises(DataError, match="filter: 'n > 1' is no function"):
        next(iter(stream.filter("n > 1")))
