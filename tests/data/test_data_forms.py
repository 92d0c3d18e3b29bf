"""Rows in other forms and back: classes, missing values, lists, unicode and no rows at all."""

import datetime
import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
import torch

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Sequence, Struct, Value
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

FEATURES = {
    "text": Value("string"),
    "label": ClassLabel(["neg", "pos", "never"]),
    "n": Value("int64"),
    "score": Value("float64"),
    "flag": Value("bool"),
    "day": Value("date32"),
    "at": Value("timestamp[us]"),
}
NESTED = {
    "topics": Sequence(ClassLabel(["u", "v"])),
    "words": Sequence(Value("string")),
    "place": Struct({"x": Value("int64"), "deep": Sequence(Sequence(Value("float64")))}),
}
TEXTS = ["plain", 'q "uo", ted\nline', "ünï 😀 \u2028 \t", "", "NULL", "\x1f'\\"]
DAY = datetime.date(2020, 2, 29)


def made(features: dict, rows: int = 6) -> Dataset:
    columns = {
        "text": TEXTS,
        "label": [0, 1, None, 1, 0, 0],
        "n": [1, None, 3, 2**62, -5, 0],
        "score": [0.1, None, -2.5, 1e300, 3.0, 5e-324],
        "flag": [True, None, False, True, True, False],
        "day": [DAY, None, DAY, DAY, DAY, DAY],
        "at": [
            datetime.datetime(2020, 1, 1, 2, 3, 4, 5),
            None,
            *[datetime.datetime(1969, 1, 1)] * 4,
        ],
        "topics": [[0, 1], [], None, [1], [0], [0]],
        "words": [["a", ""], [None], None, [], ["😀"], ['"']],
        "place": [
            {"x": 1, "deep": [[1.5], []]},
            None,
            {"x": None, "deep": None},
            *[{"x": 2, "deep": []}] * 3,
        ],
    }
    schema = pa.schema(
        {
            "label": pa.int64(),
            "day": pa.date32(),
            "at": pa.timestamp("us"),
            "topics": pa.list_(pa.int64()),
            "place": pa.struct({"x": pa.int64(), "deep": pa.list_(pa.list_(pa.float64()))}),
        }
    )
    arrays = {
        name: pa.array(columns[name], schema.field(name).type if name in schema.names else None)
        for name in features
    }
    roles = Roles("text", label="label", tokens="words" if "words" in features else None)
    return Dataset(pa.table(arrays), features=features, roles=roles)[:rows]


@pytest.fixture
def flat() -> Dataset:
    return made(FEATURES)


@pytest.fixture
def nested() -> Dataset:
    return made({**FEATURES, **NESTED})


def same(found: Dataset, data: Dataset) -> None:
    assert found.features == data.features
    assert found.roles == data.roles
    assert found.table.equals(data.table)


ROLES = {"text": "text", "label": "label"}


@pytest.mark.parametrize("rows", [6, 1, 0])
def test_there_and_back_in_memory(rows):
    data = made({**FEATURES, **NESTED}, rows)
    features = data.features
    told = {"features": features, **ROLES, "tokens": "words"}
    same(Dataset.from_pandas(data.to_pandas(), **told), data)
    same(Dataset.from_polars(data.to_polars(), **told), data)
    same(Dataset.from_list(data.to_list(), **told), data)
    same(Dataset.from_dict(data.to_dict(), **told), data)
    same(Dataset.from_arrow(data.table, **told), data)
    if rows:
        same(Dataset.from_generator(data.to_list, **told), data)


def test_classes_stay_classes_without_being_told(flat):
    for found in (Dataset.from_pandas(flat.to_pandas()), Dataset.from_polars(flat.to_polars())):
        assert found.features["label"] == FEATURES["label"]
        assert found["label"] == flat["label"]
        assert found.roles == flat.roles
    frame = flat.to_pandas(["label"])
    assert list(frame.columns) == ["label"]
    assert list(frame["label"].cat.categories) == ["neg", "pos", "never"]
    assert frame["label"].isna().tolist() == [False, False, True, False, False, False]
    assert flat.to_polars().schema["label"] == pl.Enum(["neg", "pos", "never"])


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst", ".bz2"])
@pytest.mark.parametrize("rows", [6, 1])
def test_there_and_back_in_a_file(tmp_path, rows, suffix):
    data, whole = made(FEATURES, rows), made({**FEATURES, **NESTED}, rows)
    told = {"split": "train", **ROLES}
    data.to_csv(tmp_path / f"a.csv{suffix}")
    data.to_csv(tmp_path / f"a.tsv{suffix}", delimiter="\t")
    whole.to_json(tmp_path / f"a.jsonl{suffix}")
    for name in (f"a.csv{suffix}", f"a.tsv{suffix}"):
        same(load_dataset(tmp_path / name, features=FEATURES, **told), data)
    found = load_dataset(tmp_path / f"a.jsonl{suffix}", features=whole.features, **told)
    same(found, whole)
    assert len(list(tmp_path.iterdir())) == 3


def test_there_and_back_in_parquet(tmp_path, nested):
    nested.shuffle(1).to_parquet(tmp_path / "new" / "rows.parquet")
    found = load_dataset(tmp_path / "new" / "rows.parquet", split="train", **ROLES)
    same(found, nested.shuffle(1))
    theirs = datasets.Dataset.from_parquet(str(tmp_path / "new" / "rows.parquet"))
    assert theirs.features["label"].names == ["neg", "pos", "never"]
    assert theirs["text"][:] == nested.shuffle(1)["text"]
    none = nested[:0]
    none.to_parquet(tmp_path / "none.parquet")
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rows.parquet"]


def test_others_read_the_files(tmp_path, flat, nested):
    flat.to_csv(tmp_path / "a.csv")
    frame = pd.read_csv(tmp_path / "a.csv", keep_default_na=False, na_values={"label": [""]})
    assert frame["text"].tolist() == TEXTS
    assert frame["label"].tolist()[:2] == ["neg", "pos"]
    nested.to_json(tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_text("utf-8").split("\n")
    assert lines.pop() == ""
    rows = [json.loads(line) for line in lines]
    assert [list(row) for row in rows] == [nested.column_names] * 6
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == ["neg", "pos", None, "pos", "neg", "neg"]
    assert [row["topics"] for row in rows] == [["u", "v"], [], None, ["v"], ["u"], ["u"]]
    for name in ("n", "score", "flag", "words", "place"):
        assert [row[name] for row in rows] == nested[name]


def test_files_of_no_rows_have_columns(tmp_path, flat):
    flat[:0].to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == '"text","label","n","score","flag","day","at"\n'
    flat[:0].to_json(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == ""


def test_names_of_columns_are_kept_in_json(tmp_path):
    names = ["a", "A", "it's", 'say "x"', "{}", "ü", "0", "null"]
    data = Dataset(pa.table({name: [number] for number, name in enumerate(names)}), roles=Roles())
    data.to_json(tmp_path / "a.jsonl")
    read = json.loads((tmp_path / "a.jsonl").read_text("utf-8"))
    assert read == {name: number for number, name in enumerate(names)}


def test_json_has_no_numbers_that_are_none(tmp_path):
    numbers = [1.5, float("nan"), float("inf")]
    table = pa.table({"x": numbers, "lists": [numbers] * 3, "place": [{"y": n} for n in numbers]})
    Dataset(table, roles=Roles()).to_json(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["x"] for row in rows] == [1.5, None, None]
    assert rows[0]["lists"] == [1.5, None, None]
    assert rows[1]["place"] == {"y": None}


def test_large_files_are_written_in_batches(tmp_path):
    count = 20_000
    data = Dataset(pa.table({"text": [f"text {n}" for n in range(count)]}), roles=Roles("text"))
    for rows in (data, data.shuffle(0), data[7:19_000]):
        rows.to_json(tmp_path / "a.jsonl")
        rows.to_csv(tmp_path / "a.csv")
        assert load_dataset(tmp_path / "a.jsonl", split="train")["text"] == rows["text"]
        assert load_dataset(tmp_path / "a.csv", split="train")["text"] == rows["text"]


def test_a_file_that_fails_leaves_the_old_one(tmp_path, nested):
    nested.to_json(tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()
    bytes_ = Dataset(pa.table({"b": [b"x"]}), roles=Roles())
    lists_of_bytes = Dataset(pa.table({"b": [[{"c": b"x"}]]}), roles=Roles())
    for rows in (bytes_, lists_of_bytes):
        with pytest.raises(DataError, match=r"to_json: .*column 'b' holds .* JSON does not have"):
            rows.to_json(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match=r"to_csv: .*column 'topics' holds list.* CSV does not"):
        nested.to_csv(tmp_path / "a.jsonl")
    wrong = Dataset(pa.table({"b": ["x"]}), features={"b": Value("int64")}, roles=Roles())
    with pytest.raises(DataError, match="column 'b'"):
        wrong.to_parquet(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_arrays(nested):
    arrays = nested.to_numpy()
    assert arrays["label"].dtype == np.int64
    assert arrays["label"].tolist() == [0, 1, -1, 1, 0, 0]
    assert arrays["text"].tolist() == TEXTS
    assert np.isnan(arrays["n"][1])
    assert arrays["words"][0].tolist() == ["a", ""]
    assert arrays["words"][2] is None
    assert arrays["place"][0] == {"x": 1, "deep": [[1.5], []]}
    assert arrays["day"].dtype == np.dtype("M8[D]")
    square = Dataset(
        pa.table({"v": [[1, 2], [3, 4], [5, 6]], "d": [[[1.0]], [[2.0]], [[3.0]]]}), roles=Roles()
    )
    assert square.to_numpy()["v"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert square.to_numpy(["d"])["d"].shape == (3, 1, 1)
    assert square[:0].to_numpy()["v"].shape == (0,)
    assert {name: len(array) for name, array in nested[:0].to_numpy().items()} == dict.fromkeys(
        nested.column_names, 0
    )


def test_tensors(nested):
    data = nested.select([0, 2, 3, 4]).remove("topics")
    tensors = data.to_torch()
    assert set(tensors) == {"label", "n", "score", "flag"}
    assert tensors["label"].tolist() == [0, -100, 1, 0]
    assert tensors["n"].dtype == torch.int64
    assert tensors["flag"].dtype == torch.bool
    ragged = Dataset(
        pa.table({"v": pa.array([[1, 2], [3]], pa.list_(pa.int32())), "w": [[1.0, None]] * 2}),
        roles=Roles(),
    ).to_torch()
    assert [row.tolist() for row in ragged["v"]] == [[1, 2], [3]]
    assert ragged["v"][0].dtype == torch.int32
    assert ragged["w"].shape == (2, 2)
    with pytest.raises(DataError, match="column 'text' holds string"):
        nested.to_torch(["text"])
    with pytest.raises(
        DataError, match=r"column 'n': a number is missing \(the first in place 1\)"
    ):
        nested.to_torch(["n"])
    with pytest.raises(DataError, match="column 'topics': a list is missing"):
        nested.to_torch(["topics"])
    with pytest.raises(DataError, match=r"columns='n': give a list"):
        nested.to_torch("n")
    with pytest.raises(DataError, match="no column 'gone'"):
        nested.to_numpy(["gone"])


def test_rows_of_a_database(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table t (text varchar, kind varchar, n int)"))
        connection.execute(sqlalchemy.text("insert into t values ('a', 'x', 1), ('b', 'y', null)"))
    query = "select * from t where n is null or n < :most"
    data = Dataset.from_sql(query, url, parameters={"most": 5}, label="kind")
    assert data.to_list() == [{"text": "a", "kind": 0, "n": 1}, {"text": "b", "kind": 1, "n": None}]


def test_rows_without_texts_are_data_sets():
    data = Dataset.from_dict(
        {"n": [1, 2], "kind": [0, 1]}, features={"kind": ClassLabel(["a", "b"])}
    )
    assert data.roles == Roles()
    assert data.features == {"n": Value("int64"), "kind": ClassLabel(["a", "b"])}
    assert Dataset.from_pandas(data.to_pandas()).features == data.features
    rows = Dataset.from_dict({"place": [{"x": 1}, {"x": 2}]})
    assert rows["place"] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Dataset.from_list([]), "the list is empty"),
        (lambda: Dataset.from_list([1]), "row 1: a int stands where a row was expected"),
        (lambda: Dataset.from_list([{"a": 1}, {"a": "x"}]), "row 2, column 'a': 'x' does not go"),
        (lambda: Dataset.from_dict({"a": [1], "b": []}), "different lengths: a has 1, b has 0"),
        (lambda: Dataset.from_dict({"a": [1]}, features={"b": Value("int8")}), "no column 'b'"),
        (
            lambda: Dataset.from_dict({"a": [7]}, features={"a": ClassLabel(["x"])}),
            "row 0 .*column 'a': 7 is none of the declared classes",
        ),
        (lambda: Dataset.from_pandas([1]), "row 1: a int"),
        (lambda: Dataset.from_pandas(3), "A int is no data set"),
        (lambda: Dataset.from_list([{"text": "a"}], label="gone"), "no column 'gone'"),
        (lambda: Dataset.from_generator(lambda: 3), "returned int"),
        (lambda: Dataset.from_sql("select 1", "sqlite:///nowhere.db"), "there is no such file"),
    ],
)
def test_what_is_no_rows_says_why(make, said):
    with pytest.raises(DataError, match=said):
        make()


def test_real_texts_there_and_back(tmp_path: Path, real_data):
    data = load_dataset(real_data / "snli", split="test")
    data.to_json(tmp_path / "test.jsonl")
    found = load_dataset(tmp_path / "test.jsonl", split="test", features=data.features)
    same(found, data)
    same(Dataset.from_polars(data.to_polars()), data)
