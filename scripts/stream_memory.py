"""Proof that streams need little memory: verbs over a file of a gigabyte of each format.

Nothing is kept of what is read; the shuffle's buffer is all that is to be in memory. What counts as
memory is told in `data_memory.py`.

    python scripts/stream_memory.py --gigabytes 1
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from data_memory import memory_of, minilm, varied_reviews, write_file

_BAR = 200e6
_SECONDS_BETWEEN_LOOKS = 0.02
_TOKENIZED_ROWS = 50_000
_BUFFER = 10_000
_FORMATS = (".csv", ".jsonl", ".parquet")


def work(watcher: Connection, file: str) -> None:
    """Takes every verb, and tells the watcher where it is."""
    import graft
    from graft.data.stream.loader import StreamLoader

    tokenizer = graft.Tokenizer.from_pretrained(minilm())
    tokenizer.encode_batch(["a text"])

    def stream() -> Any:
        return graft.load_dataset(file, split="train", streaming=True)

    def rows(batches: Iterable[Any]) -> str:
        return f"{sum(batch.num_rows for batch in batches):,} rows"

    def lengths(columns: dict[str, list[str]]) -> dict[str, list[int]]:
        return {"length": [len(text) for text in columns["text"]]}

    def packed() -> str:
        tokens = stream().take(_TOKENIZED_ROWS).tokenize(tokenizer, max_length=256)
        return f"{sum(len(batch.ids) for batch in StreamLoader(tokens, tokens=8192)):,} tokens"

    def resumed() -> str:
        data = stream().shuffle(1, _BUFFER)
        batches = data.batches()
        at = sum(next(batches).num_rows for _ in range(50))
        batches.close()
        again = stream().shuffle(1, _BUFFER)
        again.load_state_dict(data.state_dict())
        return f"{rows(again.batches())} after {at:,}"

    verbs: list[tuple[str, Callable[[], str]]] = [
        ("iterate over batches", lambda: rows(stream().batches())),
        ("shuffle", lambda: rows(stream().shuffle(1, _BUFFER).batches())),
        ("go on within a shuffle", resumed),
        ("map", lambda: rows(stream().map(lengths, batched=True).batches())),
        ("batches of tokens", packed),
    ]
    watcher.send(None)
    watcher.recv()
    for name, verb in verbs:
        watcher.send(name)
        watcher.recv()
        watcher.send(verb())
        watcher.recv()


def measure(file: Path) -> bool:
    """Prints the most memory that each verb takes; whether all stay below the bar."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, str(file)))
    process.start()
    here.recv()
    assert process.pid is not None
    before = memory_of(process.pid).own
    here.send(None)
    good = True
    for _ in range(5):
        name, most, start = here.recv(), 0, time.perf_counter()
        here.send(None)
        while not here.poll(_SECONDS_BETWEEN_LOOKS):
            most = max(most, memory_of(process.pid).own - before)
        told, took = here.recv(), time.perf_counter() - start
        here.send(None)
        good = good and most < _BAR
        print(f"  {name:24} {most / 1e6:6.0f} MB {took:6.1f} s   {told}", flush=True)
    process.join()
    return good


def main() -> None:
    """Writes a file of each format and measures; ends with 1 where a verb takes too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--formats", nargs="+", default=_FORMATS, choices=_FORMATS)
    arguments = parser.parse_args()
    good = True
    for suffix in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"train{suffix}"
            write_file(file, varied_reviews(int(arguments.gigabytes * 1e9)))
            print(f"{suffix}, {file.stat().st_size / 1e9:.2f} GB; memory above what there was:")
            good = measure(file) and good
    print(f"The bar is {_BAR / 1e6:.0f} MB.")
    sys.exit(not good)


if __name__ == "__main__":
    main()
