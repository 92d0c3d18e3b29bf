"""The same rows by Ray Data, on a local Ray of two workers."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import graft
from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Value
from graft.errors import DataError
from graft.text.tokenizer import Tokenizer

ROWS = 2500


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """Ray with two processors, started for the tests of this file."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[data]'")
    pytest.importorskip("ray.data", reason="Ray Data is not installed: pip install 'ray[data]'")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
        # The tests' functions are of this module, which is on nobody's path but pytest's.
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Rows in memory, with an order, a class, a missing value and characters of other scripts."""
    table = pa.table(
        {
            "text": [f"row {row} {'é你😀'[row % 3] * (row % 7)}" for row in range(ROWS)],
            "label": pa.array([row % 2 for row in range(ROWS)], pa.int64()),
            "number": pa.array([None if row % 11 == 0 else row for row in range(ROWS)]),
        }
    )
    features = {
        "text": Value("string"),
        "label": ClassLabel(["even", "odd"]),
        "number": Value("int64"),
    }
    return Dataset(table, features=features).shuffle(seed=3)


def equal(first: Dataset, second: Dataset) -> bool:
    """Whether two data sets hold the same rows in the same order, of the same features."""
    return first.features == second.features and first.table.equals(second.table)


def longer(row: dict[str, Any], number: int) -> dict[str, Any]:
    # Nothing at first and fractions later: types widen from block to block.
    late = None if number < 1200 else number / 2
    return {"words": row["text"].split(), "place": number, "late": late, "process": os.getpid()}


@pytest.mark.usefixtures("two_workers")
def test_map_gives_the_same_rows_in_the_same_order(data: Dataset) -> None:
    here = data.map(longer, with_index=True, cache=False)
    there = data.map(longer, with_index=True, cache=False, engine="ray")
    assert equal(there.remove("process"), here.remove("process"))
    assert there["place"] == list(range(ROWS))
    assert os.getpid() not in there["process"]


@pytest.mark.usefixtures("two_workers")
def test_two_processes_work_at_a_time(data: Dataset, tmp_path: Path) -> None:
    def meets(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        (tmp_path / str(os.getpid())).touch()
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        return {"process": [os.getpid()] * len(rows["text"])}

    there = data[:2000].map(meets, batched=True, engine="ray", cache=False)
    assert len(set(there["process"])) == 2


@pytest.mark.usefixtures("two_workers")
def test_batches_are_the_same_and_may_make_other_rows(data: Dataset) -> None:
    def doubled(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"text": [text for text in rows["text"] for _ in (0, 1)], "of": [len(rows["text"])]}

    def sizes(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        made = doubled(rows)
        return {"text": made["text"], "of": made["of"] * len(made["text"])}

    options: dict[str, Any] = {"batched": True, "batch_size": 70, "remove": data.column_names}
    here = data.map(sizes, cache=False, **options)
    there = data.map(sizes, cache=False, engine="ray", **options)
    assert len(there) == 2 * ROWS
    assert equal(there, here)


@pytest.mark.usefixtures("two_workers")
def test_filter_gives_the_same_rows(data: Dataset) -> None:
    least = 500
    here = data.filter(lambda row: (row["number"] or 0) > least, cache=False)
    there = data.filter(lambda row: (row["number"] or 0) > least, cache=False, engine="ray")
    assert 0 < len(there) < ROWS
    assert equal(there, here)
    assert len(data.filter(lambda row: False, cache=False, engine="ray")) == 0


@pytest.mark.usefixtures("two_workers")
def test_a_step_of_one_engine_is_found_by_the_other(data: Dataset) -> None:
    def upper(row: dict[str, Any]) -> dict[str, Any]:
        return {"text": row["text"].upper(), "process": os.getpid()}

    there = data.map(upper, engine="ray")
    again = data.map(upper)
    assert again.fingerprint == there.fingerprint
    assert set(again["process"]) == set(there["process"]) != {os.getpid()}


@pytest.mark.usefixtures("two_workers")
def test_tokenizing_gives_the_same_tokens(tmp_path: Path, base: Path) -> None:
    path = tmp_path / "texts.csv"
    texts = [f"number {row} of many, said {'twice ' * (row % 9)}" for row in range(6000)]
    path.write_text("text,label\n" + "".join(f'"{t}",{n % 3}\n' for n, t in enumerate(texts)))
    stored = graft.load_dataset(path, split="train")
    tokenizer = Tokenizer.from_pretrained(base)
    for rows in (stored, stored.shuffle(seed=1)):
        for options in ({}, {"max_length": 12, "stride": 4, "spans": True}):
            here = rows.tokenize(tokenizer, cache=False, **options)
            there = rows.tokenize(tokenizer, cache=False, engine="ray", **options)
            assert equal(there, here)


@pytest.mark.usefixtures("two_workers")
def test_a_function_that_fails_names_the_row_and_keeps_the_cause(data: Dataset) -> None:
    def fails(row: dict[str, Any], number: int) -> dict[str, Any]:
        if number == 1700:
            raise ValueError("this one is odd")
        return {"n": number}

    with pytest.raises(DataError, match=r"row 1700 .* ValueError: this one is odd") as caught:
        data.map(fails, with_index=True, engine="ray", cache=False)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.usefixtures("two_workers")
def test_a_process_that_ends_is_an_error_of_ours(data: Dataset) -> None:
    def ends(row: dict[str, Any], number: int) -> dict[str, Any]:
        if number == 1200:
            os._exit(3)
        return {"n": number}

    with pytest.raises(DataError, match=r"a process ended 3 times .* block 1 of the rows"):
        data.map(ends, with_index=True, engine="ray", cache=False)


@pytest.mark.usefixtures("two_workers")
def test_what_cannot_be_sent_is_named(data: Dataset, tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("w") as log:

        def writes(row: dict[str, Any]) -> dict[str, Any]:
            log.write(row["text"])
            return {}

        with pytest.raises(DataError, match="cannot be sent to other processes"):
            data.map(writes, engine="ray", cache=False)


def test_a_missing_ray_names_the_extra(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graft.data.ray_engine.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'graft-nlp\[ray\]'"):
        data.map(lambda row: {"n": 1}, engine="ray")


def test_wrong_options_are_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match="give 'local' or 'ray'"):
        data.map(lambda row: {"n": 1}, engine="spark")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="Leave num_proc out"):
        data.filter(lambda row: True, engine="ray", num_proc=2)
