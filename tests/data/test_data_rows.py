"""Rows through an order: the same as those of a table in memory, without a copy of one."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Value
from graft.data.mapped import open_mapped
from graft.data.roles import Roles
from graft.data.rows import Rows
from graft.errors import DataError

TEXTS = st.lists(st.none() | st.text(max_size=9), min_size=1, max_size=40)


def pieces_of(table: pa.Table, sizes: list[int]) -> pa.Table:
    """The same rows in pieces of these sizes, the columns cut in different places."""
    columns = []
    for shift, name in enumerate(table.column_names):
        chunks, start = [], 0
        for size in sizes[shift:] + sizes[:shift]:
            chunks.append(table.column(name).combine_chunks().slice(start, size))
            start += size
        chunks.append(table.column(name).combine_chunks().slice(start))
        columns.append(pa.chunked_array(chunks, table.schema.field(name).type))
    return pa.table(columns, names=table.column_names)


def table_of(texts: list[str | None]) -> pa.Table:
    return pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "n": range(len(texts)),
            "words": pa.array(
                [None if t is None else list(t) for t in texts], pa.list_(pa.string())
            ),
        }
    )


@pytest.fixture
def mapped(tmp_path: Path) -> pa.Table:
    """A table of 2,500 rows in a memory-mapped file, in pieces of 100."""
    table = pa.table({"text": [f"text {i}" for i in range(2500)], "label": [0, 1] * 1250})
    path = tmp_path / "rows.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    return open_mapped(path)


@given(TEXTS, st.lists(st.integers(0, 9), max_size=5), st.data())
def test_rows_are_those_of_the_table_in_that_order(texts, sizes, data):
    table = table_of(texts)
    count = len(texts)
    numbers = st.lists(st.integers(0, count - 1), max_size=60)
    rows, plain = Rows(pieces_of(table, sizes)), table
    for _ in range(data.draw(st.integers(0, 3))):
        if len(plain) and data.draw(st.booleans()):
            start = data.draw(st.integers(0, len(plain)))
            length = data.draw(st.integers(0, len(plain)))
            rows, plain = rows.slice(start, length), plain.slice(start, length)
        elif len(plain):
            chosen = [number % len(plain) for number in data.draw(numbers)]
            rows = rows.select(np.array(chosen, np.int64))
            plain = plain.take(pa.array(chosen, pa.int64()))
    wanted = plain.to_pylist()
    assert rows.num_rows == len(wanted)
    assert [rows.row(i) for i in range(len(wanted))] == wanted
    size = data.draw(st.integers(1, 7))
    batches = list(rows.batches(size))
    assert [row for batch in batches for row in batch.to_pylist()] == wanted
    assert all(batch.num_rows == size for batch in batches[:-1])
    assert rows.materialized().to_pylist() == wanted
    assert rows.column("words").to_pylist() == [row["words"] for row in wanted]
    if wanted:
        some = [number % len(wanted) for number in data.draw(numbers)]
        taken = rows.take(some, ["n", "text"])
        assert taken.column_names == ["n", "text"]
        assert taken.column("text").to_pylist() == [wanted[i]["text"] for i in some]


def test_rows_that_are_not_there_are_not_taken(mapped):
    with pytest.raises(IndexError):
        Rows(mapped).take([2500])
    with pytest.raises(IndexError):
        Rows(mapped).take([-1])


def test_choosing_and_ordering_copies_no_row(mapped):
    before = pa.total_allocated_bytes()
    data = Dataset(mapped, roles=Roles("text"))
    chosen = data.shuffle(1).sort("label").select(range(5, 2000))[::-3]
    assert chosen.rows.table.num_rows == 2500
    assert chosen.rows.order.dtype == np.uint32
    assert next(chosen.batches(10)).num_rows == 10
    assert pa.total_allocated_bytes() - before < 50_000


def test_batches_of_stored_size_are_not_copied(mapped):
    before = pa.total_allocated_bytes()
    batches = list(Rows(mapped).batches(100))
    assert len(batches) == 25
    assert pa.total_allocated_bytes() == before


def test_a_row_is_found_by_any_kind_of_number(mapped):
    data = Dataset(mapped, roles=Roles("text"))
    assert data[np.int32(7)] == data[7] == data[-2493] == {"text": "text 7", "label": 1}
    assert data[[3, -1]]["text"] == ["text 3", "text 2499"]
    assert data[np.array([4, 4], np.uint16)]["text"] == ["text 4", "text 4"]
    assert data[[]]["text"] == []
    assert [row["text"] for row in data[:1200:500].iter_rows(["text"])] == [
        "text 0",
        "text 500",
        "text 1000",
    ]
    with pytest.raises(IndexError, match="row -2501 of a data set with 2500 rows"):
        data[-2501]


def test_numbers_that_choose_no_rows_are_told(mapped):
    data = Dataset(mapped, roles=Roles("text"))
    with pytest.raises(DataError, match=r"whole numbers.*not by bool.*flatnonzero"):
        data.select(np.ones(2500, bool))
    with pytest.raises(DataError, match="not by float64"):
        data.select([0.5])
    with pytest.raises(DataError, match="no row -2501; there are 2500"):
        data[[-2501]]
    with pytest.raises(DataError, match="a batch of 0 rows is none"):
        data.batches(0)
    with pytest.raises(DataError, match="no column 'txt'"):
        data.batches(columns=["txt"])


def test_what_is_chosen_does_not_change_with_the_callers_array(mapped):
    numbers = np.array([1, 2, 3], np.uint32)
    chosen = Dataset(mapped, roles=Roles("text")).select(numbers)
    numbers[:] = 0
    assert chosen["text"] == ["text 1", "text 2", "text 3"]


def test_what_has_no_order_is_not_sorted():
    data = Dataset(table_of(["ab", "c"]), roles=Roles("text"))
    with pytest.raises(DataError, match=r"column 'words': list.* has no order"):
        data.sort("words")


def test_a_pickled_data_set_is_opened_by_its_file(mapped, tmp_path):
    data = Dataset(mapped, features={"text": Value("string"), "label": ClassLabel(["a", "b"])})
    changed = (
        data.shuffle(3)
        .rename({"label": "kind"})[:2000]
        .with_column("n", pa.chunked_array([pa.array(range(2000))]), Value("int64"))
    )
    shuffled = data.shuffle(3)[:2000]
    content = pickle.dumps(shuffled)
    assert len(content) < 20_000, "the file's path, not the rows"
    again = pickle.loads(content)
    assert again.table.equals(shuffled.table)
    assert (again.features, again.roles) == (shuffled.features, shuffled.roles)
    assert again.fingerprint == shuffled.fingerprint
    assert pickle.loads(pickle.dumps(changed)).table.equals(changed.table)
    (tmp_path / "data.pickle").write_bytes(content)
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))[1999]['text'])"
    path = str(tmp_path / "data.pickle")
    told = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == shuffled[1999]["text"]


def test_only_the_rows_shown_of_a_table_in_memory_are_pickled():
    data = Dataset(pa.table({"text": ["x" * 1000] * 1000}), roles=Roles("text"))
    assert len(pickle.dumps(data[:10])) < 30_000
    assert pickle.loads(pickle.dumps(data[:10]))["text"] == ["x" * 1000] * 10


def test_a_pickled_data_set_whose_file_is_gone_says_so(tmp_path):
    table = pa.table({"text": ["a", "b"]})
    path = tmp_path / "gone.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content = pickle.dumps(Dataset(open_mapped(path), roles=Roles("text")))
    path.unlink()
    with pytest.raises(DataError, match=r"gone\.arrow: this file of the data set is gone"):
        pickle.loads(content)


def test_what_is_no_arrow_file_is_told(tmp_path):
    (tmp_path / "a.arrow").write_bytes(b"ARROW1 but not really")
    (tmp_path / "b.arrow").write_bytes(b"")
    for name in ("a.arrow", "b.arrow", "none.arrow"):
        with pytest.raises(DataError, match=rf"{name}.*not a whole Arrow file"):
            open_mapped(tmp_path / name)


def test_equal_rows_have_one_fingerprint_however_they_lie(mapped):
    roles = Roles("text")
    copied = pa.table(mapped.to_pydict(), schema=mapped.schema)
    assert Dataset(mapped, roles=roles).fingerprint == Dataset(copied, roles=roles).fingerprint
    shifted = pa.concat_tables([copied.slice(0, 3), copied]).slice(3)
    assert Dataset(shifted, roles=roles).fingerprint == Dataset(copied, roles=roles).fingerprint


def test_each_verb_and_argument_has_a_fingerprint_of_its_own(mapped):
    data = Dataset(mapped, features={"text": Value("string"), "label": ClassLabel(["a", "b"])})
    made = [
        data,
        data.shuffle(1),
        data.shuffle(2),
        data.sort("text"),
        data.sort("text", descending=True),
        data.sort("label"),
        data[:10],
        data[:11],
        data.select([1, 2]),
        data.select([2, 1]),
        data.rename({"text": "body"}),
        data.rename({"label": "kind"}),
        data.remove("label"),
        data.cast("label", Value("string")),
        data.cast("text", Value("binary")),
        data.with_column("n", data.column("label"), Value("int64")),
        data.with_column("m", data.column("label"), Value("int64")),
        data.with_column("n", data.column("text"), Value("string")),
        data.with_roles_of(Roles("text")),
    ]
    assert len({one.fingerprint for one in made}) == len(made)
    assert data.shuffle(1)[:10].fingerprint == data.shuffle(1)[:10].fingerprint
    assert all(len(one.fingerprint) == 32 for one in made)
    other = data.with_roles_of(Roles("text", None, "label"))
    assert Dataset(mapped, roles=Roles("text")).fingerprint != other.fingerprint


@pytest.mark.parametrize("chosen", [range(2499, -1, -1), range(1, 2500), [3, 1], [5] * 2000])
def test_a_new_column_stands_by_its_rows_in_any_order(mapped, chosen):
    data = Dataset(mapped, roles=Roles("text")).select(np.array(list(chosen)))
    lengths = pa.chunked_array([pa.array([len(text) for text in data["text"]])])
    new = data.with_column("length", lengths, Value("int64"))
    assert [(row["text"], row["length"]) for row in new] == [(t, len(t)) for t in data["text"]]
    assert new.table.column_names == ["text", "label", "length"]
    named = data.cast("label", ClassLabel(["a", "b"])).cast("label", Value("string"))
    assert named["label"] == ["ab"[label] for label in data["label"]]
    with pytest.raises(DataError, match="1 values for"):
        data.with_column("length", lengths[:1], Value("int64"))


def test_a_new_column_leaves_the_others_in_their_file(mapped):
    data = Dataset(mapped, roles=Roles("text")).shuffle(1)
    before = pa.total_allocated_bytes()
    new = data.with_column("n", pa.chunked_array([pa.array(range(2500))]), Value("int64"))
    assert new["n"] == list(range(2500))
    assert pa.total_allocated_bytes() - before < 100_000
    assert new.rows.table.column("text").chunk(0).buffers()[2].address == (
        mapped.column("text").chunk(0).buffers()[2].address
    )


def test_long_rows_are_read_few_at_a_time():
    assert Rows(pa.table({"text": ["x" * (1 << 20)] * 100})).at_a_time() == 31
    assert Rows(pa.table({"text": ["x"] * 100})).at_a_time() == 1000
    assert Rows(pa.table({"text": pa.array([], pa.string())})).at_a_time() == 1000


def test_a_long_chain_of_verbs_has_a_fingerprint():
    data = Dataset(pa.table({"text": ["a", "b"]}), roles=Roles("text"))
    for seed in range(3000):
        data = data.shuffle(seed)
    assert len(data.fingerprint) == 32


def test_rows_are_chosen_by_arrays_of_any_kind(mapped):
    data = Dataset(mapped, roles=Roles("text"))
    for numbers in (
        pa.array([2, 0]),
        torch.tensor([2, 0]),
        pd.Series([2, 0]),
        (2, 0),
        {2: 1, 0: 1},
    ):
        assert data.select(numbers)["text"] == ["text 2", "text 0"]
    assert data.select(i for i in (1, -1))["text"] == ["text 1", "text 2499"]


def test_two_columns_of_one_name_are_told():
    table = pa.table([["a"], ["b"]], names=["text", "text"])
    with pytest.raises(DataError, match="two columns have the name 'text'"):
        Dataset(table, roles=Roles("text"))
