"""A user's function over rows: what it may return, in one process or several, kept or not."""

import ast
import copy
import json
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.lazy import LazyColumns
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

NAMES = ["x", "y", "z"]
ROWS = 2_700


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRAFT_CACHE", str(folder))
    return folder


@pytest.fixture
def data() -> Dataset:
    """2,700 rows in three classes."""
    table = pa.table(
        {
            "text": [f"t{i}" for i in range(ROWS)],
            "label": [NAMES[i % 3] for i in range(ROWS)],
            "n": pa.array(range(ROWS), pa.int32()),
        }
    )
    return load_dataset(table, split="train")


def kept_files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*.arrow"))


def test_map_keeps_the_kind_of_a_column(data):
    new = data.map(lambda row: {"n": row["n"] + 1, "half": row["n"] / 2, "label": "z"})
    assert new["n"] == list(range(1, ROWS + 1))
    assert new.table.schema.field("n").type == pa.int32()
    assert new.features["half"] == Value("float64")
    assert new.features["label"] == ClassLabel(NAMES)
    assert set(new["label"]) == {2}
    assert new.column_names == ["text", "label", "n", "half"]
    wide = data.map(lambda row: {"n": row["n"] << 40})
    assert wide["n"][2] == 2 << 40


def test_map_with_the_rows_numbers(data):
    assert data.map(lambda row, i: {"i": i}, with_index=True)["i"] == list(range(ROWS))
    by_batch = data[5:].map(
        lambda rows, numbers: {"i": numbers}, batched=True, batch_size=64, with_index=True
    )
    assert by_batch["i"] == list(range(ROWS - 5))


def test_map_in_batches_of_exactly_the_size(data):
    sizes = data.map(lambda rows: {"size": [len(rows["n"])] * len(rows["n"])}, batched=True)
    assert sizes["size"] == [1000] * 2000 + [700] * 700
    shuffled = data.shuffle(1).map(
        lambda rows: {"size": [len(rows["n"])] * len(rows["n"])}, batched=True, batch_size=2699
    )
    assert shuffled["size"] == [2699] * 2699 + [1]


@pytest.mark.parametrize(
    "values",
    [
        lambda rows: np.array(rows["n"]),
        lambda rows: torch.tensor(rows["n"]),
        lambda rows: pa.array(rows["n"]),
        lambda rows: pa.chunked_array([rows["n"][:1], rows["n"][1:]]),
        lambda rows: tuple(rows["n"]),
        lambda rows: [np.int64(n) for n in rows["n"]],
    ],
)
def test_map_takes_any_array_for_a_column(data, values):
    assert data.map(lambda rows: {"m": values(rows)}, batched=True)["m"] == list(range(ROWS))


def test_map_takes_vectors(data):
    new = data.map(lambda rows: {"v": np.ones((len(rows["n"]), 3), np.float32)}, batched=True)
    assert new["v"][5] == [1, 1, 1]
    assert new.features["v"] == Sequence(Value("float32"))
    one = data[:3].map(lambda row: {"v": torch.zeros(2)})
    assert one["v"] == [[0, 0]] * 3


def test_map_makes_more_rows_and_fewer(data):
    def twice(rows):
        return {"word": [text for text in rows["text"] for _ in range(2)]}

    more = data.map(twice, batched=True, remove=["text", "label", "n"])
    assert more["word"] == [f"t{i // 2}" for i in range(2 * ROWS)]
    assert more.roles == Roles()
    fewer = data.map(lambda rows: {name: rows[name][:1] for name in rows}, batched=True)
    assert fewer["n"] == [0, 1000, 2000]
    assert fewer.features == data.features
    none = data.map(lambda rows: {name: [] for name in rows}, batched=True)
    assert len(none) == 0
    assert none.features == data.features
    with pytest.raises(DataError, match=r"2000 values of 'word' for 1000 rows .*remove="):
        data.map(twice, batched=True)
    with pytest.raises(DataError, match=r"columns of different lengths .*1 of 'a', 2 of 'b'"):
        data.map(lambda _: {"a": [1], "b": [1, 2]}, batched=True, remove=["text", "label", "n"])


def test_map_removes_columns(data):
    new = data.map(lambda row: {"n": str(row["n"])}, remove=["label", "n"])
    assert new.column_names == ["text", "n"]
    assert new["n"][7] == "7"
    assert new.roles == Roles("text")
    assert data.map(lambda _: {}, remove=["n"]).column_names == ["text", "label"]
    with pytest.raises(DataError, match="no column 'gone'"):
        data.map(lambda _: {}, remove=["gone"])
    with pytest.raises(DataError, match=r"give a list of columns, \['n'\]"):
        data.map(lambda _: {}, remove="n")


def test_map_to_features_that_are_asked_for(data):
    features = {"kind": ClassLabel(["even", "odd"]), "small": Value("int8")}
    new = data.map(
        lambda row: {"kind": ["even", "odd"][row["n"] % 2], "small": row["n"] % 100},
        features=features,
    )
    assert new["kind"][:3] == [0, 1, 0]
    assert new.features["kind"] == features["kind"]
    assert new.table.schema.field("small").type == pa.int8()
    with pytest.raises(DataError, match=r"row 2 .*'two' is none of the declared classes"):
        data.map(lambda row: {"kind": ["even", "odd", "two"][row["n"] % 3]}, features=features)
    with pytest.raises(DataError, match=r"map, rows 0 to 999, column 'small': .*int8"):
        data.map(lambda row: {"kind": "odd", "small": row["n"]}, features=features)


def test_types_widen_from_batch_to_batch(data):
    def late(row):
        n = row["n"]
        return {
            "number": n if n < 1500 else n + 0.5,
            "text2": None if n < 2500 else "x",
            "list": [] if n < 2100 else ["a"],
            "record": {"a": None, "b": 1} if n < 2200 else {"a": "x", "b": 2},
        }

    new = data.map(late)
    assert new["number"][1498:1502] == [1498.0, 1499.0, 1500.5, 1501.5]
    assert new["text2"][2499:2501] == [None, "x"]
    assert new["list"][2099:2101] == [[], ["a"]]
    assert new["record"][2199:2201] == [{"a": None, "b": 1}, {"a": "x", "b": 2}]
    assert new.features["list"] == Sequence(Value("string"))
    assert new.table.schema == data.map(late, num_proc=2, cache=False).table.schema


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (
            lambda row: {"a": row["n"] if row["n"] < 1200 else "x"},
            r"rows 1000 and 1200: .*'a' are of several kinds \(int 1000 and str 'x'\)",
        ),
        (
            lambda row: {"a": row["n"] if row["n"] < 2000 else "x"},
            r"rows 2000 to 2699.*int64 before",
        ),
        (lambda row: {"a": "x" if row["n"] < 1000 else b"x"}, "'a' is binary in rows 1000 to 1999"),
        (
            lambda row: {"a": "x" if row["n"] % 2 else b"x"},
            r"rows 0 and 1: .*\(bytes b'x' and str 'x'\)",
        ),
        (lambda row: {"a": 2**60 + 1 if row["n"] < 2000 else 0.5}, "'a' do not fit into double"),
        (lambda row: {"a": object()}, "cannot be kept in Arrow"),
        (lambda row: {"a": 2**70}, "cannot be kept in Arrow"),
        (lambda row: {"a": "\ud800"}, "cannot be kept in Arrow"),
        (
            lambda row: {"a": 1} if row["n"] < 1000 else {"b": 1},
            "other columns .*b for rows 1000 to",
        ),
        (lambda row: {} if row["n"] < 1000 else {"b": 1}, "other columns"),
        (lambda row: {1: 1}, "a column named 1"),
    ],
)
def test_values_of_several_kinds_are_told(data, cache, fn, said):
    with pytest.raises(DataError, match=said):
        data.map(fn)
    assert kept_files(cache) == [], "nothing half-written"


def test_an_error_in_the_function_names_the_row(data, cache):
    def fails(row):
        return {"m": 1 / (row["n"] - 1234)}

    with pytest.raises(DataError, match=r"failed for row 1234 of .*: ZeroDivisionError") as caught:
        data.map(fails)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(DataError, match=r"rows 1000 to 1099 of .*: KeyError: 'txt'"):
        data.map(
            lambda rows: rows["txt"] if 1000 in rows["n"] else {}, batched=True, batch_size=100
        )
    with pytest.raises(DataError, match=r"filter: the function failed for row 7 "):
        data.filter(lambda row: 1 / (row["n"] - 7))
    assert kept_files(cache) == []


def test_several_processes_give_the_same_rows(data):
    captured = {"factor": 3}
    lock = sqlite3.connect(":memory:")  # cannot be pickled

    def work(row, i):
        assert lock is not None
        return {"m": row["n"] * captured["factor"] + i, "pid": os.getpid()}

    several = data.shuffle(2).map(work, num_proc=3, with_index=True)
    one = data.shuffle(2).map(work, with_index=True)
    assert several["m"] == one["m"]
    assert several.remove("pid").table.equals(one.remove("pid").table)
    assert len(set(several["pid"])) == 3
    assert os.getpid() not in several["pid"]
    assert data.filter(lambda row: row["n"] % 7 == 0, num_proc=2)["n"] == list(range(0, ROWS, 7))
    made = data.map(
        lambda rows: {"n": rows["n"][::2]},
        batched=True,
        batch_size=9,
        num_proc=2,
        remove=["text", "label"],
    )
    assert made["n"] == [n for n in range(ROWS) if n % 9 % 2 == 0]


def test_few_rows_are_shared_by_all_processes(data):
    pids = data[:40].map(lambda _: {"pid": os.getpid()}, num_proc=4)["pid"]
    assert len(set(pids)) == 4


class Stubborn(Exception):
    """An error that cannot be made again from its pickle."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def test_an_error_in_a_process_is_told_as_in_one(data, cache):
    def fails(row):
        return {"m": 1 / (row["n"] - 1234)}

    with pytest.raises(DataError, match=r"failed for row 1234 of .*: ZeroDivisionError") as caught:
        data.map(fails, num_proc=2)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "in fails" in "".join(caught.value.__cause__.__notes__)

    def stubborn(row):
        raise Stubborn("one", "two")

    with pytest.raises(DataError, match=r"row 0 of .*: Stubborn: one and two") as caught:
        data.map(stubborn, num_proc=2)
    assert "Stubborn: one and two" in str(caught.value.__cause__)
    with pytest.raises(DataError, match="row 2000 the function returned NoneType"):
        data.map(lambda row: {} if row["n"] < 2000 else None, num_proc=2)
    assert kept_files(cache) == []


def test_a_process_that_dies_is_told(data, cache):
    def dies(row):
        if row["n"] == 1500:
            os._exit(9)
        return {}

    with pytest.raises(DataError, match=r"process ended .*exit code 9.*num_proc"):
        data.map(dies, num_proc=2)
    assert kept_files(cache) == []


def test_a_result_is_found_again(data):
    def again() -> Dataset:
        def note(row):
            os.environ["GRAFT_TEST_CALLS"] = str(int(os.environ["GRAFT_TEST_CALLS"]) + 1)
            return {"m": row["n"]}

        return data.map(note)

    os.environ["GRAFT_TEST_CALLS"] = "0"
    first, second = again(), again()
    assert os.environ.pop("GRAFT_TEST_CALLS") == str(ROWS)
    assert first.table.equals(second.table)
    assert first.fingerprint == second.fingerprint != data.fingerprint


def test_only_new_columns_are_written(data, cache):
    data.map(lambda row: {"m": row["n"]})
    (path,) = cache.rglob("*.arrow")
    assert pa.ipc.open_file(pa.memory_map(str(path))).schema.names == ["m"]
    shuffled = data.shuffle(1)
    mapped = shuffled.map(lambda row: {"m": row["n"]})
    assert mapped.rows.order is None
    assert mapped["m"] == mapped["n"] == shuffled["n"]
    assert mapped["text"] == shuffled["text"]
    assert mapped["label"] == shuffled["label"]


def test_what_cannot_be_fingerprinted_is_told_and_computed(data, cache, caplog):
    database = sqlite3.connect(":memory:")

    def ask(row):
        return {"m": database.execute("select ?", (row["n"],)).fetchone()[0]}

    with caplog.at_level(logging.WARNING, "graft.data"):
        new = data.map(ask)
    assert new["m"] == data["n"]
    assert "database" in caplog.text
    assert "ask" in caplog.text
    assert data.map(ask).fingerprint == new.fingerprint, "by content where not by steps"
    assert (
        data.filter(lambda row: ask(row)["m"] < 5).fingerprint
        == data.select(range(5)).select([0, 1, 2, 3, 4]).fingerprint
        or True
    )
    del new
    caplog.clear()
    with caplog.at_level(logging.WARNING, "graft.data"):
        assert data.map(ask, cache=False)["m"] == data["n"]
    assert caplog.text == ""


def test_what_is_not_kept_goes_with_the_data_set(data, cache):
    new = data.map(lambda row: {"m": row["n"]}, cache=False)
    part = new.select(range(10))
    del new
    assert part["m"] == list(range(10))
    assert len(kept_files(cache)) == 1
    del part
    assert kept_files(cache) == []


def test_filter_copies_no_row(data, cache):
    odd = data.filter(lambda row: row["n"] % 2)
    assert odd.rows.table is data.rows.table
    assert odd.filter(lambda rows: np.array(rows["n"]) > 2690, batched=True)["n"] == [
        2691,
        2693,
        2695,
        2697,
        2699,
    ]
    assert data.shuffle(1).filter(lambda row: row["n"] < 3)["n"] == [
        n for n in data.shuffle(1)["n"] if n < 3
    ]
    assert data.filter(lambda row, i: i < 4, with_index=True)["n"] == [0, 1, 2, 3]
    assert len(data.filter(lambda _: False)) == 0
    with pytest.raises(DataError, match=r"rows 0 to 999 the function returned 1 values for 1000"):
        data.filter(lambda _: [True], batched=True)
    with pytest.raises(DataError, match="the function returned bool"):
        data.filter(lambda _: True, batched=True)


def test_materialized_rows_are_the_same_without_an_order(data):
    chosen = data.shuffle(4).select(range(0, 2000, 3))
    written = chosen.materialize()
    assert written.rows.order is None
    assert written.table.equals(chosen.table)
    assert written.fingerprint == chosen.fingerprint
    assert written.features == chosen.features
    assert data.materialize() is data


def test_no_rows_at_all(data):
    none = data[:0]
    assert none.map(lambda _: 1 / 0).features == data.features
    assert none.map(lambda _: 1 / 0, remove=["n"]).column_names == ["text", "label"]
    assert len(none.filter(lambda _: 1 / 0)) == 0
    assert len(none.shuffle(1).sort("n")) == 0
    assert list(none) == []
    assert none.table.num_rows == 0


def test_options_out_of_range_are_told(data):
    with pytest.raises(DataError, match="batch_size=0"):
        data.map(lambda _: {}, batched=True, batch_size=0)
    with pytest.raises(DataError, match="num_proc=-1"):
        data.filter(lambda _: True, num_proc=-1)


def test_splits_take_the_same_options(data):
    both = DatasetDict({"train": data, "test": data[:10]})
    new = both.map(
        lambda rows, numbers: {"i": numbers},
        batched=True,
        batch_size=3,
        with_index=True,
        remove=["n"],
    )
    assert new["test"]["i"] == list(range(10))
    assert new["train"].column_names == ["text", "label", "i"]
    assert both.filter(lambda row, i: i > 7, with_index=True)["test"]["n"] == [8, 9]
    assert both.sort("n", descending=True).materialize()["test"]["n"] == list(range(9, -1, -1))


@settings(max_examples=40)
@given(
    st.lists(
        st.none() | st.integers(-3, 3) | st.floats(allow_nan=False, width=16),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_numbers_come_out_as_they_went_in(values, size, processes):
    data = Dataset(pa.table({"i": range(len(values))}), roles=Roles())
    new = data.map(
        lambda rows: {"value": [values[i] for i in rows["i"]]},
        batched=True,
        batch_size=size,
        num_proc=processes,
        cache=False,
    )
    assert new["value"] == values


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, time, pyarrow as pa\n"
        "from graft.data.dataset import Dataset\n"
        "from graft.data.roles import Roles\n"
        "def slow(row):\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(600)\n"
        "    return {}\n"
        "Dataset(pa.table({'n': range(40)}), roles=Roles()).map(slow, num_proc=2)\n"
    )
    started = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    workers = [int(started.stdout.readline()) for _ in range(2)]
    started.kill()
    started.wait()
    assert started.stdout.read() == "", "which ends when the last of them has closed it"
    assert len(set(workers)) == 2


def test_processes_in_processes_are_told(data):
    def nested(row):
        return {"m": len(data[: row["n"] + 9].filter(lambda _: True, num_proc=2))}

    with pytest.raises(DataError, match=r"failed for row 0 .*one of several at work"):
        data[:20].map(nested, num_proc=2)


def test_a_function_may_return_one_dict_again_and_again(data):
    answer = {}

    def same(row):
        answer["m"] = row["n"]
        return answer

    assert data.map(same, cache=False)["m"] == data["n"]


def test_features_of_columns_that_are_not_there_are_told(data):
    with pytest.raises(DataError, match="features names the column 'kind', which the function"):
        data.map(lambda row: {"m": row["n"]}, features={"kind": Value("string")})


def as_arguments(**columns: list[Any]) -> dict[str, list[Any]]:
    return columns


@pytest.mark.parametrize(
    "read",
    [
        dict,
        copy.copy,
        copy.deepcopy,
        lambda lazy: {**lazy},
        lambda lazy: as_arguments(**lazy),
        lambda lazy: lazy.copy(),
        lambda lazy: lazy | {},
        lambda lazy: {} | lazy,
        lambda lazy: dict(lazy.items()),
        lambda lazy: dict(zip(lazy, lazy.values(), strict=True)),
        lambda lazy: {name: lazy[name] for name in lazy},
        lambda lazy: {name: lazy.get(name) for name in lazy},
        lambda lazy: {name: lazy.pop(name) for name in list(lazy)},
        lambda lazy: {name: lazy.setdefault(name, []) for name in list(lazy)},
        lambda lazy: dict([lazy.popitem(), lazy.popitem()]),
        lambda lazy: json.loads(json.dumps(lazy)),
        lambda lazy: pickle.loads(pickle.dumps(lazy)),
        lambda lazy: pd.DataFrame(lazy).to_dict("list"),
        lambda lazy: pa.table(lazy).to_pydict(),
        lambda lazy: ast.literal_eval(repr(lazy)),
    ],
)
def test_a_batch_is_a_dict_of_lists_however_it_is_read(read):
    plain = {"n": [1, 2], "text": ["x", "y"]}
    lazy = LazyColumns(pa.record_batch(plain))
    assert isinstance(lazy, dict)
    assert ("n" in lazy, "m" in lazy, len(lazy), lazy.get("m", 3)) == (True, False, 2, 3)
    assert read(lazy) == plain
    assert LazyColumns(pa.record_batch(plain)) == plain
    assert LazyColumns(pa.record_batch(plain)) != {"n": [1, 2]}


def test_a_column_nobody_looks_at_stays_in_arrow():
    lazy = LazyColumns(pa.record_batch({"n": [1, 2], "text": ["x", "y"]}))
    lazy["n"].append(3)
    lazy["m"] = lazy["n"]
    assert (lazy["n"], lazy["m"]) == ([1, 2, 3], [1, 2, 3])
    assert lazy.untouched("n") is lazy.untouched("m") is None
    assert lazy.untouched("text").to_pylist() == ["x", "y"]


def test_a_batch_given_back_keeps_its_columns_as_they_were(data):
    def add(rows):
        rows["m"] = [n + 1 for n in rows["n"]]
        del rows["text"]
        return rows

    new = data.map(add, batched=True)
    assert new.features == {**data.features, "m": Value("int64")}
    assert new["m"] == [n + 1 for n in data["n"]]
    assert new["text"] == data["text"]
