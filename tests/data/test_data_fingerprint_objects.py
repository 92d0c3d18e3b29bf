"""Fingerprints of other libraries' objects: their content counts, not where or when they are."""

import contextvars
import functools
import io
import logging
import random
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy
import torch

import graft
from graft.data.fingerprint import Unfingerprintable, digest, parts_of_function
from graft.errors import DataError

Make = Callable[[int], Any]


class Net(torch.nn.Module):
    """A module with a little of everything."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 3), torch.nn.LSTM(3, 2)])
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[0](x) - self.mean


MAKERS: dict[str, Make] = {
    "array": lambda n: np.arange(10) + n,
    "array of objects": lambda n: np.array(["a", None, n], dtype=object),
    "structured array": lambda n: np.array([(n, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "dates": lambda n: np.array(["2020-01-01"], "M8[D]") + n,
    "strided array": lambda n: (np.arange(20) + n)[::2],
    "scalar": np.float32,
    "tensor": lambda n: torch.arange(10) + n,
    "bfloat16": lambda n: torch.ones(3, dtype=torch.bfloat16) * n,
    "number in a tensor": torch.tensor,
    "sparse tensor": lambda n: (torch.eye(3) * n).to_sparse(),
    "parameter": lambda n: torch.nn.Parameter(torch.ones(2) * n),
    "module": Net,
    "frame": lambda n: pd.DataFrame({"a": [1, n], "b": ["x", None], "c": [[n], "mixed"]}),
    "frame with an index": lambda n: pd.DataFrame({"a": [1]}, index=[n]),
    "series": lambda n: pd.Series([1, n], name="a"),
    "categories": lambda n: pd.Series(pd.Categorical([f"{n}", "b"])),
    "index": lambda n: pd.MultiIndex.from_tuples([(1, n)]),
    "polars": lambda n: pl.DataFrame({"a": [1, n]}),
    "table": lambda n: pa.table({"a": [1, None], "b": [["x"], [f"{n}"]]}),
    "record batch": lambda n: pa.record_batch({"a": [1, n]}),
    "column": lambda n: pa.chunked_array([["a"], [f"{n}"]]),
    "arrow scalar": pa.scalar,
    "arrow type": lambda n: pa.list_(pa.int32(), n),
    "schema": lambda n: pa.schema([("a", pa.int32())], metadata={"n": f"{n}"}),
    "stream in memory": lambda n: io.BytesIO(b"%d" % n),
    "partial": lambda n: functools.partial(np.add, n),
    "data set": lambda n: graft.Dataset(pa.table({"text": ["a", f"{n}"]})),
    "data sets": lambda n: graft.load_dataset(pd.DataFrame({"text": ["a", f"{n}"]})),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
def test_content_counts(kind: str) -> None:
    make = MAKERS[kind]
    assert digest(make(1)) == digest(make(1)) != digest(make(2))


@pytest.mark.parametrize(
    "values",
    [
        (np.arange(4), np.arange(4.0), np.arange(4).reshape(2, 2), np.arange(4, dtype="i4"),
         torch.arange(4), [0, 1, 2, 3]),
        (pa.array([1]), pa.array([1], pa.int32()), pa.array([None], pa.int64()), pa.array([0])),
        (pa.array(["ab", "c"]), pa.array(["a", "bc"]), pa.array([["a"], ["bc"]])),
        (pa.array([[1], []]), pa.array([[], [1]]), pa.array([[1], None]), pa.array([None, [1]])),
        (pa.table({"a": [1]}), pa.table({"b": [1]}), pa.table({"a": [1, 1]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), pd.Series([1], name="a")),
        (torch.ones(2), torch.ones(2).double(), torch.ones(1, 2)),
        (np.int64(1), np.int32(1), np.float64(1)),
    ],
)  # fmt: skip
def test_what_is_alike_but_not_the_same_differs(values: tuple[Any, ...]) -> None:
    assert len({digest(value) for value in values}) == len(values)


ROWS: list[Any] = [
    {"text": "one", "n": 1, "f": 0.5, "b": True, "l": ["a", "b"], "s": {"x": 1, "y": ["p"]}},
    {"text": None, "n": None, "f": None, "b": None, "l": None, "s": None},
    {"text": "", "n": 3, "f": -0.0, "b": False, "l": [], "s": {"x": None, "y": []}},
    {"text": "four", "n": 4, "f": 4.5, "b": True, "l": ["c", None], "s": {"x": 4, "y": None}},
]


def test_how_a_table_is_cut_and_laid_out_does_not_count() -> None:
    table = pa.Table.from_pylist(ROWS * 50)
    table = table.append_column("kind", table["text"].dictionary_encode())
    table = table.append_column(
        "map", pa.array([[("a", 1), ("b", None)], None, [], [("c", 2)]] * 50, pa.map_("str", "i4"))
    )
    table = table.append_column("fixed", pa.array([[1, 2], None] * 100, pa.list_(pa.int8(), 2)))
    cut = pa.concat_tables([table.slice(0, 3), table.slice(3, 90), table.slice(93)])
    longer = pa.concat_tables([table.slice(50), table]).combine_chunks().slice(150)
    assert digest(cut) == digest(table) == digest(longer) == digest(table.take(list(range(200))))
    assert digest(table.slice(0, 199)) != digest(table)
    assert digest(table.slice(1)) != digest(table)


def test_values_that_nulls_hide_do_not_count() -> None:
    valid = pa.py_buffer(b"\x01")
    one, other = (
        pa.Array.from_buffers(pa.int8(), 2, [valid, pa.py_buffer(bytes([7, hidden]))])
        for hidden in (1, 2)
    )
    assert digest(one) == digest(other) == digest(pa.array([7, None], pa.int8()))


def test_a_change_of_one_character_in_any_row_counts() -> None:
    texts = [f"text {number}" for number in range(70_000)]
    first = digest(pa.array(texts))
    for row in (0, 65_535, 65_536, 69_999):
        changed = [*texts[:row], texts[row][:-1] + "x", *texts[row + 1 :]]
        assert digest(pa.array(changed)) != first


def test_a_module_counts_with_its_state_and_code() -> None:
    net = Net(0)
    first = digest(net)
    net(torch.ones(1, 2))
    assert digest(net) == first
    assert digest(net.eval()) != first
    net.train()
    with torch.no_grad():
        net.mean[1] += 1e-7
    assert digest(net) != first


def test_a_tokenizer_counts_with_its_content(tmp_path: Path, base: Path) -> None:
    first = graft.Tokenizer.from_pretrained(base)
    before = digest(first)
    first("Some text")
    assert digest(first) == before
    first.save_pretrained(tmp_path / "moved")
    moved = tmp_path / "moved" / "tokenizer.json"
    assert digest(graft.Tokenizer.from_pretrained(tmp_path / "moved")._rules.spec) == digest(
        first._rules.spec
    )
    token = next(token for token in first.vocabulary if token.isalpha() and len(token) > 2)
    text = moved.read_text()
    moved.write_text(text.replace(f'"{token}"', f'"{token[:-1]}~"'))
    assert digest(graft.Tokenizer.from_pretrained(tmp_path / "moved")) != before
    first.add_tokens(["<new>"])
    assert digest(first) != before


def test_a_tokenizer_of_transformers_is_the_same_after_a_call(tmp_path: Path, base: Path) -> None:
    transformers = pytest.importorskip("transformers")
    first = transformers.AutoTokenizer.from_pretrained(base)
    before = digest(first)
    first(["Some text", "and more"], truncation=True, max_length=5, padding="max_length")
    assert digest(first) == before
    first.pad(first(["a", "b c"]), padding=True)
    assert digest(first) == before
    shutil.copytree(base, tmp_path / "moved")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "moved")
    assert digest(again) == before
    again.add_tokens(["<new>"])
    assert digest(again) != before
    assert digest(first.backend_tokenizer) == digest(first.backend_tokenizer)


def test_a_model_of_graft_is_the_same_wherever_it_was_loaded_from(
    tmp_path: Path, base: Path
) -> None:
    model = graft.Model.from_pretrained(base)
    shutil.copytree(base, tmp_path / "moved")
    assert digest(model) == digest(graft.Model.from_pretrained(tmp_path / "moved"))
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-6
    assert digest(model) != digest(graft.Model.from_pretrained(base))


def test_a_model_of_transformers_is_the_same_wherever_it_was_loaded_from(
    tmp_path: Path, base: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    shutil.copytree(base, tmp_path / "moved")

    def loaded(folder: Path) -> Any:
        torch.manual_seed(0)
        return transformers.AutoModel.from_pretrained(folder)

    model = loaded(base)
    before = digest(model)
    model(torch.tensor([[5, 6]]))
    assert digest(model) == before == digest(loaded(tmp_path / "moved"))
    assert digest(model.train()) != before


def test_the_parts_of_a_large_model_are_few_and_none_is_left_out() -> None:
    def of(net: Any) -> dict[str, str]:
        return parts_of_function(capturing(net))

    layers = [torch.nn.Linear(2, 2) for _ in range(50)]
    net = torch.nn.Sequential(*layers)
    before = of(net)
    assert len(before) < 20
    with torch.no_grad():
        layers[33].bias[1] += 1
    after = of(net)
    assert [name for name in before if before[name] != after[name]] == [
        "function: objects of the kind Linear"
    ]


def test_a_logger_does_not_count() -> None:
    log = logging.getLogger("one")
    before = digest(lambda row: log.info(row))
    log.addHandler(logging.StreamHandler())
    assert digest(lambda row: log.info(row)) == before


def capturing(value: Any) -> Callable[[Any], Any]:
    def clean(row: Any) -> Any:
        return value, row

    return clean


class Service:
    def __init__(self, inner: Any) -> None:
        self.inner = {"given": [1, inner]}


OUTSIDE: dict[str, Callable[[], Any]] = {
    "sqlite3.Connection": lambda: sqlite3.connect(":memory:"),
    "DuckDBPyConnection": duckdb.connect,
    "Engine": lambda: sqlalchemy.create_engine("sqlite://"),
    "socket": socket.socket,
    "TextIOWrapper": lambda: Path(__file__).open(),  # noqa: SIM115
    "BufferedReader": lambda: Path(__file__).open("rb"),  # noqa: SIM115
    "lock": threading.Lock,
    "Thread": threading.Thread,
    "_local": threading.local,
    "generator": lambda: (number for number in range(3)),
    "random.Random": lambda: random.Random(1),
    "Generator": lambda: np.random.default_rng(1),
    "RandomState": lambda: np.random.RandomState(1),
    "torch._C.Generator": torch.Generator,
    "ContextVar": lambda: contextvars.ContextVar("x"),
    "tensor without memory": lambda: torch.empty(1, device="meta"),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_what_has_no_content_is_refused_by_name(kind: str) -> None:
    value = OUTSIDE[kind]()
    with pytest.raises(Unfingerprintable, match="captured variable 'value' of function clean") as e:
        parts_of_function(capturing(value))
    said = str(e.value)
    assert kind in said
    assert "__graft_fingerprint__" in said
    assert "cache=False" in said
    with pytest.raises(Unfingerprintable, match="item 1, in item 'given', in attribute 'inner'"):
        digest(Service(value))
    if hasattr(value, "close"):
        value.close()


def test_an_object_that_tells_nonsense_is_refused() -> None:
    class Odd:
        def __graft_fingerprint__(self) -> int:
            return 3

    with pytest.raises(DataError, match="returned int"):
        digest(Odd())


def test_deep_nesting_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Unfingerprintable, match="nested too deep"):
        digest(deep)


def test_functions_of_the_shared_random_generator_can_be_used() -> None:
    assert digest(random.shuffle) == digest(random.shuffle) != digest(random.choice)
    assert digest(np.random.rand) != digest(np.random.randn)
