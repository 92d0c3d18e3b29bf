"""The cache: computed once, found again, never half of anything, never larger than it may be."""

import gc
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from full_disk import full_disk
from graft.data import cache
from graft.data.cache import Entry, EntryWriter, Step, cached, computed, durability, files, uncached
from graft.data.fingerprint import parts_of_function
from graft.errors import DataError

TABLE = pa.table({"text": [f"row {number}" for number in range(1000)], "n": range(1000)})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache of the test's own."""
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


def write(writer: EntryWriter, table: pa.Table = TABLE) -> None:
    with writer.table("rows", table.schema) as rows:
        for batch in table.to_batches(max_chunksize=100):
            rows.write(batch)


def never(writer: EntryWriter) -> None:
    raise AssertionError("this step is in the cache")


def step(number: int | str = 1, name: str = "map") -> Step:
    return Step(name, {"input": "a" * 32, "number": str(number)})


def whole(folder: Path) -> set[str]:
    """What stands in the cache's folder, but for its hidden books."""
    books = {".locks", ".history.jsonl", ".files"}
    return {path.name for path in folder.iterdir()} - books


def test_a_step_is_written_once_and_then_found(folder: Path) -> None:
    def both(writer: EntryWriter) -> None:
        with (
            writer.table("train", TABLE.schema) as train,
            writer.table("out of scope/2", TABLE.schema) as other,
        ):
            train.write(TABLE)
            other.write(TABLE.slice(0, 3))
        with writer.table("empty", TABLE.schema):
            pass
        writer.metadata["answer"] = {"ünï": [1, None]}

    first = cached(step(), both)
    again = cached(step(), never)
    assert (first.hit, again.hit) == (False, True)
    assert first.fingerprint == again.fingerprint == step().fingerprint
    assert list(again.tables) == ["train", "out of scope/2", "empty"]
    assert again.tables["train"].equals(TABLE)
    assert again.tables["out of scope/2"].equals(TABLE.slice(0, 3))
    assert again.tables["empty"].num_rows == 0
    assert again.metadata == {"answer": {"ünï": [1, None]}}
    assert whole(folder) == {step().fingerprint}


def test_every_part_of_a_step_is_in_its_fingerprint() -> None:
    steps = [
        Step("map", {"a": "1", "b": "2"}),
        Step("map", {"a": "2", "b": "1"}),
        Step("map", {"a": "1"}),
        Step("map", {"a": "1", "b": "2", "c": ""}),
        Step("map", {"a1": "", "b": "2"}),
        Step("filter", {"a": "1", "b": "2"}),
    ]
    assert len({each.fingerprint for each in steps}) == len(steps)
    assert Step("map", {"b": "2", "a": "1"}).fingerprint == steps[0].fingerprint


def test_a_hit_reads_nothing_of_the_rows() -> None:
    def million(writer: EntryWriter) -> None:
        write(writer, pa.table({"n": range(1_000_000), "text": ["some text"] * 1_000_000}))

    before = pa.total_allocated_bytes()
    cached(step(), million)
    gc.collect()
    entry = cached(step(), never)
    assert entry.tables["rows"].num_rows == 1_000_000
    assert pa.total_allocated_bytes() - before < 1 << 20


def test_small_batches_are_put_together_and_order_is_kept() -> None:
    def rows(writer: EntryWriter) -> None:
        with writer.table("rows", TABLE.schema) as out:
            for row in range(TABLE.num_rows):
                out.write(TABLE.slice(row, 1))

    table = cached(step(), rows).tables["rows"]
    assert table.equals(TABLE)
    assert table["n"].num_chunks == 1


def test_batches_of_another_kind_are_refused(folder: Path) -> None:
    def other(writer: EntryWriter) -> None:
        with writer.table("rows", TABLE.schema) as rows:
            rows.write(pa.table({"text": ["a"], "n": ["one"]}))

    with pytest.raises(DataError, match=r"n \(string\).*n \(int64\)"):
        cached(step(), other)

    def twice(writer: EntryWriter) -> None:
        write(writer)
        write(writer)

    with pytest.raises(DataError, match="two tables named 'rows'"):
        cached(step(), twice)
    assert whole(folder) == set()


def test_a_step_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(writer: EntryWriter) -> None:
        write(writer)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cached(step(), fail)
    with pytest.raises(KeyError, match="mine"):
        uncached(fail)
    assert whole(folder) == set()
    assert cached(step(), write).tables["rows"].equals(TABLE)


def test_an_error_of_the_step_itself_is_not_taken_for_the_cache_s(tmp_path: Path) -> None:
    def fail(writer: EntryWriter) -> None:
        (tmp_path / "missing" / "file").read_text()

    with pytest.raises(FileNotFoundError):
        cached(step(), fail)


def test_what_is_not_kept_goes_with_its_tables(folder: Path) -> None:
    entry: Entry | None = uncached(write)
    assert entry is not None
    part = entry.tables["rows"].slice(10, 5).select(["n"])
    other = uncached(write)
    assert other.fingerprint != entry.fingerprint
    del entry
    gc.collect()
    assert len(whole(folder)) == 2
    assert part["n"].to_pylist() == list(range(10, 15))
    del part, other
    gc.collect()
    assert whole(folder) == set()


def test_what_is_not_kept_goes_when_the_process_ends(folder: Path) -> None:
    script = """
import pyarrow as pa
from graft.data.cache import uncached
def write(writer):
    table = pa.table({"n": range(10)})
    with writer.table("rows", table.schema) as rows:
        rows.write(table)
entry = uncached(write)
print(entry.folder)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Path(ran.stdout.strip()).parent == folder
    assert whole(folder) == set()


def test_a_step_without_a_fingerprint_says_what_to_do_and_is_computed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = sys.__stdout__

    def clean(row: object) -> object:
        return stream, row

    with caplog.at_level(logging.WARNING, "graft.data"):
        entry = computed("map", lambda: parts_of_function(clean), write)
    assert entry.tables["rows"].equals(TABLE)
    assert "captured variable 'stream' of function clean" in caplog.text
    assert "Open it inside the function" in caplog.text
    (look,) = cache.explain()
    assert (look.step, look.outcome) == ("map", "not kept")
    caplog.clear()
    computed("map", dict, write, cache=False)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "0.arrow").write_bytes((entry / "0.arrow").read_bytes()[:-1]),
        lambda entry: (entry / "0.arrow").write_bytes(b""),
        lambda entry: (entry / "0.arrow").unlink(),
        lambda entry: (entry / "0.arrow").write_bytes(bytes((entry / "0.arrow").stat().st_size)),
        lambda entry: (entry / "entry.json").write_text('{"format": 1, "fing'),
        lambda entry: (entry / "entry.json").write_text('{"format": 99}'),
        lambda entry: (entry / "entry.json").write_text("[]"),
        lambda entry: (entry / "entry.json").unlink(),
    ],
    ids=["cut", "empty", "gone", "zeros", "half a record", "other format", "a list", "no record"],
)
def test_a_damaged_entry_is_computed_again(
    folder: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    cached(step(), write)
    gc.collect()
    damage(folder / step().fingerprint)
    with caplog.at_level(logging.WARNING, "graft.data"):
        again = cached(step(), write)
    assert not again.hit
    assert again.tables["rows"].equals(TABLE)
    assert cached(step(), never).hit
    assert cache.explain()[1].reason == "its files were damaged"
    assert whole(folder) == {step().fingerprint}


def test_a_full_disk_is_told_and_leaves_nothing(folder: Path) -> None:
    rows = pa.table({"text": ["a long text" * 100] * 5_000})
    for keep in (
        lambda: cached(step(), lambda writer: write(writer, rows)),
        lambda: uncached(lambda writer: write(writer, rows)),
    ):
        with full_disk(100_000), pytest.raises(DataError, match="disk of the cache is full") as e:
            keep()
        assert str(folder) in str(e.value)
        assert "MB were written" in str(e.value)
        assert "GRAFT_CACHE" in str(e.value)
        assert whole(folder) == set()
    assert cached(step(), lambda writer: write(writer, rows)).tables["rows"].num_rows == 5_000


def test_a_folder_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="GRAFT_CACHE"):
        cached(step(), write)


def slow_step(folder: str, log: str, first_stays: bool = False) -> None:
    """In a process of its own: computes the step, and notes that it did; the first to do so may
    never come to an end."""
    os.environ["GRAFT_CACHE"] = folder

    def slowly(writer: EntryWriter) -> None:
        is_first = not Path(log).exists()
        with Path(log).open("a") as notes:
            notes.write(f"{os.getpid()}\n")
        if is_first and first_stays:
            signal.pause()
        time.sleep(0.5)
        write(writer)

    assert cached(step(), slowly).tables["rows"].equals(TABLE)


def processes(count: int, *arguments: str | bool) -> Iterator[multiprocessing.process.BaseProcess]:
    context = multiprocessing.get_context("fork")
    for _ in range(count):
        process = context.Process(target=slow_step, args=arguments)
        process.start()
        yield process


def test_processes_that_ask_for_one_step_compute_it_once(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    running = list(processes(4, str(folder.parent), str(log)))
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 4
    assert len(log.read_text().split()) == 1


def test_another_process_takes_over_when_the_first_one_dies(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    running = list(processes(3, str(folder.parent), str(log), True))
    while not log.exists() or not log.read_text().endswith("\n"):
        time.sleep(0.01)
    first = int(log.read_text().split()[0])
    os.kill(first, signal.SIGKILL)
    for process in running:
        process.join(60)
    assert sorted(process.exitcode or 0 for process in running) == [-9, 0, 0]
    assert len(log.read_text().split()) == 2
    assert whole(folder) == {step().fingerprint}


def test_the_least_recently_used_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        cached(step(number), write)
    size = cache.entries()[0].bytes
    now = time.time()
    for age, number in ((40, 0), (10, 1), (30, 2), (20, 3)):
        record = folder / step(number).fingerprint / "entry.json"
        os.utime(record, (now - age, now - age))
    cached(step(0), never)  # used just now, and so the last to go
    monkeypatch.setenv("GRAFT_CACHE_SIZE", str(3 * size + 100))
    cached(step(4), write)
    kept = {number for number in range(5) if (folder / step(number).fingerprint).exists()}
    assert kept == {0, 1, 4}
    missed = cached(step(2), write)
    assert not missed.hit
    assert "GRAFT_CACHE_SIZE" in cache.explain(3, step="map")[0].reason


def test_what_is_in_use_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = cached(step(0), write).tables["rows"].slice(5)
    monkeypatch.setenv("GRAFT_CACHE_SIZE", "1kB")
    cached(step(1), write)
    assert whole(folder) >= {step(0).fingerprint, step(1).fingerprint}
    # Another process must not remove it either.
    script = "from graft.data.cache import clear; print(clear())"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "in_use=1" in ran.stdout
    assert whole(folder) == {step(0).fingerprint}
    assert used["n"][0].as_py() == 5
    del used
    gc.collect()
    assert cache.clear().entries == 1
    assert whole(folder) == set()


def test_left_overs_of_dead_processes_are_swept(folder: Path) -> None:
    cached(step(0), write)
    for name in (f".new-{'0' * 32}-abc", f".old-{'1' * 32}-1-2"):
        (folder / name).mkdir()
        (folder / name / "0.arrow").write_bytes(b"half")
    held = uncached(write)
    cached(step(1), write)
    assert whole(folder) == {step(0).fingerprint, step(1).fingerprint, held.folder.name}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50GB", 50 * 10**9),
        ("1.5 TiB", 3 * 2**39),
        ("800mb", 800 * 10**6),
        ("12", 12),
        ("2K", 2000),
    ],
)
def test_sizes(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE_SIZE", text)
    assert cache.size_limit() == size


@pytest.mark.parametrize("text", ["much", "50 apples", "-3GB", "GB"])
def test_a_size_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE_SIZE", text)
    with pytest.raises(DataError, match="GRAFT_CACHE_SIZE"):
        cache.size_limit()


def test_a_wrong_limit_is_told_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE_SIZE", "much")
    with pytest.raises(DataError, match="GRAFT_CACHE_SIZE is 'much'"):
        cached(step(), never)


def test_a_miss_names_what_changed() -> None:
    def make(limit: int) -> Callable[[str], str]:
        def clean(text: str) -> str:
            return text[:limit]

        return clean

    def of(limit: int, size: str) -> Step:
        return Step("map", {"input": "x", **parts_of_function(make(limit)), "batch size": size})

    cached(of(3, "10"), write)
    cached(of(3, "10"), never)
    cached(of(4, "10"), write)
    cached(of(4, "20"), write)
    cached(Step("filter", {"input": "x"}), write)
    said = [(look.outcome, look.reason) for look in reversed(cache.explain())]
    assert said[0] == ("miss", "there is no entry of the step map yet")
    assert said[1] == ("hit", "1,000 rows")
    assert said[2][1].startswith(
        "function: captured variable limit of clean changed; everything else as in the entry of 0 s"
    )
    assert said[3][1].startswith("batch size changed; everything else as in the entry of")
    assert said[4] == ("miss", "there is no entry of the step filter yet")
    assert cache.explain(step="map")[1].changed == ("function: captured variable limit of clean",)
    assert len(cache.explain(2)) == 2
    assert "captured variable limit" in cache.explain()._repr_html_()


def test_the_history_is_bounded_and_survives_a_line_cut_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(step(), write)
    book = folder / ".history.jsonl"
    line = book.read_bytes()
    book.write_bytes(line * (1 + (1 << 20) // len(line)) + b'{"step": "cut sh\n')
    cached(step(), never)
    assert book.stat().st_size < 600_000
    looks = cache.explain(10_000)
    assert looks[0].outcome == "hit"
    assert len(looks) > 1_000
    assert json.loads(book.read_bytes().splitlines()[0])["step"] == "map"


def test_clearing_by_age_and_step(folder: Path) -> None:
    for number in range(3):
        cached(step(number), write)
    cached(step(0, "filter"), write)
    gc.collect()
    old = time.time() - 8 * 86400
    os.utime(folder / step(0).fingerprint / "entry.json", (old, old))
    assert cache.clear("7d").entries == 1
    assert cache.clear(timedelta(hours=1)).entries == 0
    assert cache.clear(step="map").entries == 2
    assert [entry.about.step for entry in cache.entries()] == ["filter"]
    assert cache.clear().entries == 1
    with pytest.raises(DataError, match="'soon' is no length of time"):
        cache.clear("soon")
    cached(step(0), write)
    assert "it was removed 0 seconds ago (graft dataset cache clear)" in cache.explain()[0].reason


def test_what_was_not_on_the_disk_when_the_machine_stopped_is_computed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = cached(step(), write).folder
    for _ in range(1000):
        if (place / durability.SYNCED).exists():
            break
        time.sleep(0.01)
    for module in (durability, files):
        monkeypatch.setattr(module, "boot_id", lambda: "another run")
    assert cached(step(), never).hit
    (place / durability.SYNCED).unlink()
    again = cached(step(), write)
    assert not again.hit
    assert "when the machine stopped" in caplog.text
