"""Proof that a killed writer leaves a cache that can be used: `kill -9` at random moments.

A process loads a file and maps it, each time with another captured value, and is killed somewhere
in between. After each kill another process takes the same steps: its rows have to be those that are
computed without a cache, whatever else the cache holds has to be whole, and nothing of the dead may
be left over.

    python scripts/cache_kill.py --kills 100 --seed 0
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import graft
from graft.data import cache
from graft.data.dataset import Dataset
from graft.data.fingerprint import digest

ROWS = 40_000


def made(source: str, number: int, *, kept: bool) -> Dataset:
    """The rows of `source` with a column that depends on `number`."""
    data = graft.load_dataset(source, split="train")

    def numbered(columns: dict[str, list[str]]) -> dict[str, list[str]]:
        return {"text": [f"{text} {number}" for text in columns["text"]]}

    return data.map(numbered, batched=True, cache=kept)


def victim(ready: Connection, folder: str, source: str, number: int) -> None:
    """Takes the steps, in a process that is to be killed."""
    os.environ["GRAFT_CACHE"] = folder
    ready.send("begun")
    started = time.perf_counter()
    made(source, number, kept=True)
    ready.send(time.perf_counter() - started)


def witness(answer: Connection, folder: str, source: str, number: int) -> None:
    """Takes the same steps after the kill, and says what is wrong: nothing, one hopes."""
    os.environ["GRAFT_CACHE"] = folder
    found = made(source, number, kept=True)
    wrong = []
    if digest(found.table) != digest(made(source, number, kept=False).table):
        wrong.append("other rows than without a cache")
    held = {entry.about.fingerprint for entry in cache.entries()}
    for entry in cache.entries():
        again = cache.cached(cache.Step(entry.about.step, entry.about.parts), _never)
        for table in again.tables.values():
            table.validate(full=True)
    names = {path.name for path in (Path(folder) / "datasets").iterdir()}
    over = {name for name in names - held if not name.startswith((".locks", ".history", ".files"))}
    if over:
        wrong.append(f"left over: {', '.join(sorted(over))}")
    answer.send(wrong)


def _never(_: cache.EntryWriter) -> None:
    raise AssertionError("an entry that is listed is not whole")


def killed(folder: Path, source: Path, number: int, after: float) -> str:
    """Kills a process so many seconds after it began; says where it was."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=victim, args=(there, str(folder), str(source), number))
    process.start()
    here.recv()
    time.sleep(after)
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    if here.poll():
        return "when it was done"
    if any((folder / "datasets").glob(".new-*")):
        return "while it wrote"
    return "between two steps"


def asked(folder: Path, source: Path, number: int) -> list[str]:
    """What a witness finds wrong."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=witness, args=(there, str(folder), str(source), number))
    process.start()
    there.close()
    try:
        return list(here.recv())
    except EOFError:
        return ["the process that looked ended with an error"]
    finally:
        process.join()


def seconds_of_a_run(folder: Path, source: Path) -> float:
    """How long the steps take when nobody kills."""
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=victim, args=(there, str(folder), str(source), -1))
    process.start()
    here.recv()
    took = float(here.recv())
    process.join()
    return took


def main() -> None:
    """Kills, looks, counts; exits with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    multiprocessing.set_forkserver_preload(["graft.data.load", "graft.data.cache"])
    chance = random.Random(options.seed)
    where: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "train.csv"
        lines = [f"some words of row {row}" for row in range(ROWS)]
        took = 0.0
        for number in range(options.kills):
            # Each time another file and another cache every ten: so loading is cut short, too.
            source.write_text("\n".join(["text", *lines, f"of round {number}"]) + "\n")
            folder = Path(name) / f"cache{number // 10}"
            took = took or seconds_of_a_run(Path(name) / "first", source)
            where[killed(folder, source, number, chance.uniform(0, took))] += 1
            for fault in asked(folder, source, number):
                wrong += 1
                print(f"kill {number}: {fault}")
    moments = ", ".join(f"{count} {moment}" for moment, count in where.most_common())
    print(f"{options.kills} kills ({moments}): {wrong} faults")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
