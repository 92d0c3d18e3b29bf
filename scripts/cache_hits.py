"""Proof of the cache's fingerprints: repeated pipelines always hit, changed ones never do wrongly.

A pipeline (load, map, filter, tokenize, shuffle, map) runs in fresh processes, each with another
hash seed, another folder, other comments and line numbers: every step has to be found. Then one
character of code, a captured value, a global, a default, a class attribute, a file or the tokenizer
is changed: what comes out must be what a run without any cache gives.

    python scripts/cache_hits.py --runs 50
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.text.tokenizer import Tokenizer

TEXT = "the cat sat on a mat while it rained in Rome, and all the dogs slept at home."

HELPERS = """
SUFFIX = "!"
TIMES = {"a": 1, "b": 2}


def finish(text, mark="."):
    return text + mark + SUFFIX * TIMES["b"]
"""

PIPELINE = """
import dataclasses
import json
import re
import sys

import graft
import helpers
from graft.data import cache
from graft.data.fingerprint import digest

LIMIT = 40
BLANK = re.compile("x+")


@dataclasses.dataclass
class Options:
    lower: bool = True
    names: tuple = ("one", "two")


class Cleaner:
    step = 3

    def __init__(self, options):
        self.options = options

    def __call__(self, row):
        text = row["text"].lower() if self.options.lower else row["text"]
        return {"text": helpers.finish(text[:LIMIT]), "n": len(text) // self.step}


def make(least, names):
    def keep(row, odd=1):
        return row["n"] % 2 == odd or row["n"] > least or row["text"] in set(names)

    return keep


def last(columns, indices):
    from helpers import TIMES

    words = [BLANK.sub("-", text) for text in columns["text"]]
    return {"text": words, "i": [i * TIMES["a"] for i in indices]}


def main():
    folder = sys.argv[1]
    data = graft.load_dataset(f"{folder}/data.csv", split="train")
    tokenizer = graft.Tokenizer.from_pretrained(f"{folder}/tokenizer")
    done = [data.map(Cleaner(Options()))]
    done.append(done[-1].filter(make(10, ["one"])))
    done.append(done[-1].shuffle(5).map(last, batched=True, with_index=True, batch_size=100))
    done.append(done[-1].tokenize(tokenizer, max_length=20))
    outcomes = [(look.step, look.outcome) for look in cache.explain(1000)]
    print(json.dumps({"rows": [digest(each.table) for each in done], "looks": outcomes}))


main()
"""

# Which file, what in it, and what that becomes: one character is another one each time.
CHANGES = [
    ("pipeline.py", "LIMIT = 40", "LIMIT = 30"),
    ("pipeline.py", '"x+"', '"a+"'),
    ("pipeline.py", "lower: bool = True", "lower: bool = 0000"),
    ("pipeline.py", "step = 3", "step = 4"),
    ("pipeline.py", "// self.step", "*  self.step"),
    ("pipeline.py", "make(10,", "make(11,"),
    ("pipeline.py", "odd=1", "odd=0"),
    ("pipeline.py", "or row", "|  row"),
    ("pipeline.py", '"n"] > least', '"n"] < least'),
    ("pipeline.py", '["one"]', '["ane"]'),
    ("pipeline.py", "shuffle(5)", "shuffle(6)"),
    ("pipeline.py", 'sub("-"', 'sub("+"'),
    ("pipeline.py", "i * TIMES", "i + TIMES"),
    ("pipeline.py", "max_length=20", "max_length=19"),
    ("pipeline.py", "batch_size=100", "batch_size=101"),
    ("helpers.py", 'SUFFIX = "!"', 'SUFFIX = "?"'),
    ("helpers.py", '"a": 1', '"a": 2'),
    ("helpers.py", '"b": 2', '"b": 3'),
    ("helpers.py", 'mark="."', 'mark=","'),
    ("helpers.py", "mark + SUFFIX", "mark * len(SUFFIX)"),
    ("data.csv", "rained", "reined"),
    ("data.csv", "Rome", "rome"),
    ("tokenizer/tokenizer.json", '"cat"', '"cut"'),
    ("tokenizer/tokenizer.json", '"lowercase": true', '"lowercase": false'),
]


@dataclass(frozen=True)
class Ran:
    """What a run of the pipeline gave: the digests of its results, and its looks into the cache."""

    rows: list[str]
    looks: list[tuple[str, str]]


def write_sources(folder: Path) -> None:
    """The pipeline with all that it reads."""
    folder.mkdir(parents=True)
    (folder / "helpers.py").write_text(HELPERS)
    (folder / "pipeline.py").write_text(PIPELINE)
    words = TEXT.split()
    rows = [
        " ".join(words[(row * step) % len(words)] for step in range(1, 4 + row % 9))
        for row in range(2000)
    ]
    lines = [f'"{text} x{"x" * (row % 3)}",{row % 3}' for row, text in enumerate(rows)]
    (folder / "data.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    tokenizer = Tokenizer.train(rows, "wordpiece", vocab_size=120)
    tokenizer.save_pretrained(folder / "tokenizer")


def copied(source: Path, folder: Path, run: int) -> Path:
    """The sources in another folder, with other comments and line numbers."""
    shutil.copytree(source, folder)
    for name in ("pipeline.py", "helpers.py"):
        path = folder / name
        path.write_text(f"# run {run}\n" + "\n" * (run % 7) + path.read_text() + f"# {run}\n")
    return folder


def run(folder: Path, cache: Path, seed: int) -> Ran:
    """One run of the pipeline in a fresh process."""
    (cache / "datasets" / ".history.jsonl").unlink(missing_ok=True)
    environment: dict[str, Any] = {
        **os.environ,
        "GRAFT_CACHE": str(cache),
        "PYTHONHASHSEED": str(seed),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "pipeline.py", str(folder)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    told = json.loads(ran.stdout.splitlines()[-1])
    return Ran(told["rows"], [(step, outcome) for step, outcome in told["looks"]])


def repeated(source: Path, work: Path, runs: int) -> tuple[int, int]:
    """How many looks into the cache there were in runs after the first, and how many hit."""
    cache = work / "cache"
    first = run(source, cache, 0)
    looks = hits = 0
    for number in range(1, runs + 1):
        folder = copied(source, work / f"run{number}" / "deep" / "er", number)
        ran = run(folder, cache, number)
        looks += len(ran.looks)
        hits += sum(outcome == "hit" for _, outcome in ran.looks)
        if ran.rows != first.rows or len(ran.looks) != len(first.looks):
            print(f"run {number} gave other rows or took other steps: {ran.looks}")
            hits -= 1
        shutil.rmtree(work / f"run{number}")
    return looks, hits


def changed(source: Path, work: Path) -> tuple[int, int]:
    """How many changes gave what a run without a cache gives, and how many were seen by it."""
    base = run(source, work / "cache", 0)
    right = seen = 0
    for number, (name, old, new) in enumerate(CHANGES):
        folder = copied(source, work / f"change{number}", 0)
        content = (folder / name).read_text()
        if old not in content:
            sys.exit(f"{name} has no {old}")
        (folder / name).write_text(content.replace(old, new))
        kept = run(folder, work / "cache", number)
        fresh = run(folder, work / f"empty{number}", number)
        missed = any(outcome == "miss" for _, outcome in kept.looks)
        if kept.rows == fresh.rows and missed:
            right += 1
        else:
            print(f"false hit: {name}: {old} -> {new}: {kept.looks}")
        seen += fresh.rows != base.rows
        shutil.rmtree(folder)
        shutil.rmtree(work / f"empty{number}")
    return right, seen


def main() -> None:
    """Runs both proofs and prints their figures; exits with 1 where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="repeated pipelines")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        write_sources(source)
        looks, hits = repeated(source, Path(name), runs)
        print(f"{runs} repeated pipelines: {hits} of {looks} steps hit")
        right, seen = changed(source, Path(name))
        wrong = len(CHANGES) - right
        told = f"{len(CHANGES)} changes of a character, {seen} of which change rows"
        print(f"{told}: {wrong} false hits")
    sys.exit(hits != looks or wrong > 0)


if __name__ == "__main__":
    main()
