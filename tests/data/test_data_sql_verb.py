"""SQL over data sets: classes are names, features and roles stay where columns do."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Sequence, Struct, Value
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

FEATURES = {
    "text": Value("large_string"),
    "label": ClassLabel(["neg", "pos", "never"]),
    "topics": Sequence(ClassLabel(["u", "v"])),
    "tokens": Sequence(Value("string")),
    "place": Struct({"x": Value("int8"), "names": Sequence(Value("string"))}),
    "half": Value("float16"),
    "day": Value("date64"),
    "at": Value("timestamp[ms, tz=Europe/Berlin]"),
    "id": Value("int32"),
}
BERLIN = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def data() -> Dataset:
    columns = {
        "text": ["a", 'b "q"\n', "", "ü 😀"],
        "label": [0, 1, None, 1],
        "topics": [[0, 1], [], None, [1]],
        "tokens": [["a"], [None, "b"], None, []],
        "place": [
            {"x": 1, "names": ["p"]},
            None,
            {"x": None, "names": None},
            {"x": 2, "names": []},
        ],
        "half": [np.float16(1.5), None, np.float16("nan"), np.float16(-2)],
        "day": [datetime.date(2020, 1, 2), None, None, None],
        "at": [BERLIN, None, None, None],
        "id": [1, 2, 3, 4],
    }
    kinds = {
        "label": pa.int64(),
        "topics": pa.list_(pa.int64()),
        "place": pa.struct({"x": pa.int8(), "names": pa.list_(pa.string())}),
        "half": pa.float16(),
        "day": pa.date64(),
        "at": pa.timestamp("ms", "Europe/Berlin"),
        "id": pa.int32(),
    }
    table = pa.table({name: pa.array(values, kinds.get(name)) for name, values in columns.items()})
    return Dataset(table, features=FEATURES, roles=Roles("text", label="label", tokens="tokens"))


def test_all_columns_pass_through_as_they_are(data):
    found = data.sql("select * from self")
    assert found.features == FEATURES
    assert found.roles == data.roles
    assert str(found.table.to_pylist()) == str(data.table.to_pylist())  # nan equals none
    assert found.table.schema == data.table.schema


def test_classes_are_their_names(data):
    found = data.sql("select label, text, id from self where label = 'pos' order by id desc")
    assert found["id"] == [4, 2]
    assert found.features["label"] == FEATURES["label"]
    assert found["label"] == [1, 1]
    assert found.roles == Roles("text", label="label")
    several = data.sql("select * from self where list_contains(topics, 'v')")
    assert several["topics"] == [[0, 1], [1]]
    words = data.sql("select upper(label) as label, topics[1] as topic from self")
    assert words.features == {"label": Value("string"), "topic": Value("string")}
    assert words["label"] == ["NEG", "POS", None, "POS"]
    assert words.roles == Roles()
    counted = data.sql("select count(*) as label from self")
    assert (counted.features, counted.roles) == ({"label": Value("int64")}, Roles())


def test_figures_are_whole_numbers(data):
    query = "select label, count(*) n, sum(id) s, avg(id) a from self group by label order by label"
    found = data.sql(query)
    assert found.features["s"] == Value("int64")
    assert found["s"] == [1, 6, 3]
    assert found["a"] == [1.0, 3.0, 3.0]
    with pytest.raises(DataError, match="'s' of the result is too large"):
        data.sql("select sum(id::hugeint * 9223372036854775807) s from self")


def test_other_data_sets_are_tables(data):
    other = Dataset(pa.table({"id": [2, 3], "note": ["x", "y"]}), roles=Roles())
    found = data.sql("select self.*, note from self join other using (id) order by id", other=other)
    assert found["note"] == ["x", "y"]
    assert found.features == {**FEATURES, "note": Value("string")}
    with pytest.raises(DataError, match="other is list"):
        data.sql("select 1 from other", other=[1])


def test_rows_come_in_the_order_of_the_data_set(data):
    turned = data.select([3, 1, 1, 0])
    assert turned.sql("select id from self")["id"] == [4, 2, 2, 1]
    assert turned.sql("select id from self where id < 4 limit 2")["id"] == [2, 2]
    long = Dataset(pa.table({"n": np.arange(300_000)}), roles=Roles()).shuffle(3)
    assert long.sql("select n from self")["n"] == long["n"]


def test_the_result_of_nothing_is_a_data_set(data):
    none = data.sql("select * from self where id > 9")
    assert len(none) == 0
    assert none.features == FEATURES
    assert data[:0].sql("select * from self").features == FEATURES


def test_a_result_is_found_again(data):
    first, again = (data.sql("select text, id * 2 as twice from self") for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != data.sql("select text, id * 3 as twice from self").fingerprint
    assert first.fingerprint != data[1:].sql("select text, id * 2 as twice from self").fingerprint
    drawn = {tuple(data.sql("select random() as r from self")["r"]) for _ in range(2)}
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select gone from self", 'column "gone" not found'),
        ("selec 1", "syntax error"),
        ("select * from nobody", "nobody does not exist"),
        ("", "give a query"),
        (" ", "give a query"),
        (None, "give a query"),
        ("-- nothing", "this is: nothing"),
        ("select 1; select 2", "this is: select, select"),
        ("delete from self", "this is: delete"),
        ("copy self to 'x.csv'", "this is: copy"),
        ("select * from read_csv('/etc/passwd')", "disabled by configuration"),
        ("select * from '/etc/passwd'", "/etc/passwd"),
        ("select cast(text as int) from self", "Could not convert string 'a'"),
        ("select text, text from self", "two columns have the name 'text'"),
        ("select interval 1 day as i", "'i' of the result is INTERVAL"),
        ("select data from data", "data does not exist"),
    ],
)
def test_a_refused_query_says_why(data, query, said):
    with pytest.raises(DataError, match=said):
        data.sql(query)


def test_names_that_differ_by_case_are_one_in_sql(data):
    both = Dataset(pa.table({"a": [1], "A": [2]}), roles=Roles())
    for do in (lambda: both.sql("from self"), lambda: data.sql("from other", other=both)):
        with pytest.raises(DataError, match="has the columns 'a' and 'A', which are one name"):
            do()


def test_names_are_kept_as_they_are_written():
    odd = Dataset(pa.table({'say "x"': [1], "Two words": ["a"], "ü": [None]}), roles=Roles())
    assert odd.sql("from self").to_list() == odd.to_list()
    assert odd.sql("from self").column_names == odd.column_names


def test_real_files_are_queried_where_they_lie(real_data):
    data = load_dataset(real_data / "imdb", split="train")
    found = data.sql(
        "select label, count(*) as n, max(length(text)) as most from self group by all"
    )
    assert dict(zip(found["label"], found["n"], strict=True)) == dict(
        enumerate(data.label_counts().values())
    )
    assert found.label_names == data.label_names
    assert max(found["most"]) == max(map(len, data["text"]))
