"""Proof that a fault in a large file is told of by its place, or set aside, and leaves nothing.

In the middle of a CSV and a JSON Lines file of a gigabyte, one row is made bad in several ways.
Each has to be an error that names the line; with `on_bad_rows="collect"` all other rows have to
load, and the bad one has to be in `bad_rows` with its line. Then a Parquet file is cut off at
random places, and the disk is full at random moments of loading, mapping, tokenizing and saving.
After each fault the cache has to hold what it held before.

    python scripts/data_faults.py --gigabytes 1 --seed 0
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graft
from data_memory import minilm, varied_reviews, write_file
from graft.data.cache import cache_folder, clear
from graft.errors import DataError

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from full_disk import full_disk

_WIDTH = 80
_MOMENTS = 10

# What stands in the place of a good row, by what is wrong with it.
CSV_ROWS = {
    "a field too few": b"only a text",
    "a field too many": b"a text,0,and what belongs to none",
    "bytes that are no UTF-8": b'"a text of \xff\xfe\xff bytes",0',
    "a quote that is not closed": b'"a text without an end,0',
}
JSON_ROWS = {
    "an object that is cut off": b'{"text": "a text", "label"',
    "no object": b'["a text", 0]',
    "a value of another kind": b'{"text": "a text", "label": "positive"}',
    "bytes that are no UTF-8": b'{"text": "a text of \xff\xfe\xff bytes", "label": 0}',
}
# The rows after a quote that is not closed are within it: they cannot be told from its text.
NOT_TO_SET_ASIDE = ("a quote that is not closed",)


class Report:
    """Prints what was found, and counts what should not be."""

    def __init__(self) -> None:
        self.wrong = 0

    def line(self, what: str, fault: str, seconds: float) -> None:
        """`fault` is what went wrong, "" where nothing did."""
        self.wrong += bool(fault)
        print(f"{what:60} {seconds:7.1f} s  {fault or 'as it should be'}", flush=True)


def contents() -> set[str]:
    """The entries of the cache, and what else is left in its folder."""
    folder = cache_folder()
    kept = (".locks", ".history", ".files")
    names = (path.name for path in folder.iterdir()) if folder.exists() else ()
    return {name for name in names if not name.startswith(kept)}


def error_of(act: Callable[[], Any], *parts: str) -> str:
    """What is wrong with the error of `act`, which has to say these parts, and leave nothing."""
    before = contents()
    try:
        act()
    except DataError as error:
        missing = [part for part in parts if part not in str(error)]
        if missing:
            return f"the error says nothing of {', '.join(missing)}: {error}"
        left = contents() - before
        return f"left over: {left}" if left else ""
    except Exception as error:
        return f"{type(error).__name__} in place of a DataError: {error}"
    return "no error"


def write_halves(path: Path, size: int) -> tuple[int, int, int]:
    """Writes a file with a row to be made bad in its middle.

    Returns the byte at which that row begins, its line (from 1), and how many other rows there are.
    """
    half = path.with_suffix(f".half{path.suffix}")
    batches = list(varied_reviews(size // 2))
    rows = sum(batch.num_rows for batch in batches)
    write_file(half, batches)
    content = half.read_bytes()
    half.unlink()
    header = content[: content.index(b"\n") + 1] if path.suffix == ".csv" else b""
    with path.open("wb") as file:
        file.write(content)
        file.write(b" " * (_WIDTH - 1) + b"\n")
        file.write(memoryview(content)[len(header) :])
    return len(content), content.count(b"\n") + 1, 2 * rows


def filled(row: bytes, suffix: str) -> bytes:
    """The row in the width that it has; what is wrong with it stays as it is."""
    if suffix == ".csv":
        return (
            b"x" * (_WIDTH - 1 - len(row)) + row
            if row[:1] != b'"'
            else (row[:1] + b"x" * (_WIDTH - 1 - len(row)) + row[1:])
        )
    return row + b" " * (_WIDTH - 1 - len(row))


def bad_rows(report: Report, folder: Path, suffix: str, kinds: dict[str, bytes], size: int) -> None:
    """One bad row in the middle of a large file."""
    path = folder / f"train{suffix}"
    place, line, rows = write_halves(path, size)
    for kind, row in kinds.items():
        with path.open("r+b") as file:
            file.seek(place)
            file.write(filled(row, suffix))
        what = f"{path.stat().st_size / 1e9:.2f} GB of {suffix[1:]}, {kind}"
        started = time.perf_counter()
        fault = error_of(lambda: graft.load_dataset(path), str(path), f"line {line:d}")
        report.line(what, fault, time.perf_counter() - started)
        if kind in NOT_TO_SET_ASIDE:
            continue
        started = time.perf_counter()
        fault = set_aside(path, line, rows)
        report.line(f"{what}: set aside", fault, time.perf_counter() - started)
        clear()
    path.unlink()


def set_aside(path: Path, line: int, rows: int) -> str:
    """What is wrong with a load that sets the bad row aside."""
    data = graft.load_dataset(path, split="train", on_bad_rows="collect")
    found = data.bad_rows.to_pylist()
    if len(data) != rows:
        return f"{len(data):,} rows in place of {rows:,}"
    if len(found) != 1:
        return f"{len(found)} bad rows"
    if found[0]["line"] != line:
        return f"line {found[0]['line']} in place of {line}"
    return ""


def cut_off(report: Report, folder: Path, size: int, chance: random.Random) -> None:
    """Parquet files that end too soon."""
    whole, part = folder / "whole.parquet", folder / "train.parquet"
    write_file(whole, varied_reviews(size // 10))
    content = whole.read_bytes()
    whole.unlink()
    for _ in range(_MOMENTS):
        length = chance.randrange(len(content))
        part.write_bytes(memoryview(content)[:length])
        started = time.perf_counter()
        fault = error_of(lambda: graft.load_dataset(part), str(part), "damaged")
        what = f"Parquet, {length:,} of {len(content):,} bytes"
        report.line(what, fault, time.perf_counter() - started)
    part.unlink()


def full_disks(report: Report, folder: Path, size: int, chance: random.Random) -> None:
    """A disk that fills somewhere in each verb."""
    path, saved = folder / "train.csv", folder / "saved"
    write_file(path, varied_reviews(size // 20))
    tokenizer = graft.Tokenizer.from_pretrained(minilm())
    largest = path.stat().st_size // 2  # the tokens are about as large
    data: Any = None
    verbs: dict[str, Callable[[], Any]] = {
        "load": lambda: graft.load_dataset(path, split="train"),
        "map": lambda: data.map(lambda row: {"again": row["text"]}),
        "tokenize": lambda: data.tokenize(tokenizer),
        "save": lambda: data.save(saved),
    }
    for name, verb in verbs.items():
        for _ in range(_MOMENTS):
            room = chance.randrange(largest // 2 if name == "save" else largest)
            started = time.perf_counter()
            with full_disk(room):
                fault = error_of(verb, "full", str(saved if name == "save" else cache_folder()))
            hidden = [found for found in folder.iterdir() if found.name.startswith(".")]
            fault = fault or (f"left over: {hidden}" if hidden or saved.exists() else "")
            what = f"{name}, the disk is full after {room / 1e6:.1f} MB"
            report.line(what, fault, time.perf_counter() - started)
        made = verb()
        data = made if name == "load" else data
    path.unlink()


def main() -> None:
    """Makes faults and looks; exits with 1 where one was not told as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    size, chance, report = int(options.gigabytes * 1e9), random.Random(options.seed), Report()
    with tempfile.TemporaryDirectory(prefix="graft-faults-") as name:
        folder = Path(name)
        os.environ["GRAFT_CACHE"] = str(folder / "cache")
        bad_rows(report, folder, ".csv", CSV_ROWS, size)
        bad_rows(report, folder, ".jsonl", JSON_ROWS, size)
        cut_off(report, folder, size, chance)
        full_disks(report, folder, size, chance)
    print(f"{report.wrong} faults were not told as they should be")
    sys.exit(report.wrong > 0)


if __name__ == "__main__":
    main()
