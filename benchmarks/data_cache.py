"""What a step costs that is found in the cache: a data set of a million rows, in fresh processes.

Each step is computed once. Then a fresh process takes it again on what it finds of the steps before
it, several times over in processes of its own: the median of their times is told, beside the time
of computing. Bar: 50 ms.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import arguments, base_model, data_folder

_BAR = 0.05
_STEPS = ("load", "map", "filter", "tokenize", "sort", "shuffle + materialize", "blocks")


def write_source(path: Path, rows: int) -> None:
    """A CSV file of short real texts, no two alike."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    table = pq.read_table(data_folder("sst2") / "train.parquet")
    name = "text" if "text" in table.column_names else "sentence"
    numbers = np.arange(rows)
    texts = table[name].cast(pa.string()).combine_chunks().take(pa.array(numbers % table.num_rows))
    texts = pc.binary_join_element_wise(texts, pa.array(numbers).cast(pa.string()), " ")
    labels = table["label"].combine_chunks().take(pa.array(numbers % table.num_rows))
    pyarrow.csv.write_csv(pa.table({"text": texts, "label": labels}), path)


def with_length(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What `map` does."""
    return {"length": [len(text) for text in columns["text"]]}


def is_long(columns: dict[str, list[Any]]) -> list[bool]:
    """What `filter` does."""
    return [len(text) > 50 for text in columns["text"]]


def take_steps(file: str, last: str) -> tuple[float, float]:
    """Takes the steps up to `last`; the seconds of that, and those of the processor."""
    import graft

    _ = graft.load_dataset  # imports what it stands for: that is not of a step
    tokenizer = graft.Tokenizer.from_pretrained(base_model())
    found: dict[str, Any] = {}
    steps: dict[str, Callable[[], Any]] = {
        "load": lambda: graft.load_dataset(file, split="train"),
        "map": lambda: found["load"].map(with_length, batched=True),
        "filter": lambda: found["load"].filter(is_long, batched=True),
        "tokenize": lambda: found["load"].tokenize(tokenizer, max_length=128),
        "sort": lambda: found["load"].sort("label"),
        "shuffle + materialize": lambda: found["load"].shuffle(1).materialize(),
        "blocks": lambda: found["tokenize"].blocks(128, separator_id=0),
    }
    started = busy = 0.0
    before = ["tokenize"] if last == "blocks" else []
    for name in dict.fromkeys(["load", *before, last]):
        started, busy = time.perf_counter(), time.process_time()
        found[name] = steps[name]()
    return time.perf_counter() - started, time.process_time() - busy


def in_a_process(file: Path, step: str) -> tuple[float, float]:
    """The seconds of a step in a fresh process, and those of the processor."""
    command = [sys.executable, __file__, "--take", step, "--file", str(file)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, busy = json.loads(ran.stdout.splitlines()[-1])
    return seconds, busy


def main() -> None:
    """Computes each step, takes it again, prints both; exits with 1 where one is over the bar."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--take", help="only this step, of --file; for the processes it starts")
    parser.add_argument("--file")
    options = parser.parse_args()
    if options.take:
        print(json.dumps(take_steps(options.file, options.take)))
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="graft-benchmark-") as folder:
        os.environ["GRAFT_CACHE"] = str(Path(folder) / "cache")
        file = Path(folder) / "train.csv"
        write_source(file, options.rows)
        for step in _STEPS:
            computed, _ = in_a_process(file, step)
            again = [in_a_process(file, step) for _ in range(options.repeats)]
            found, busy = map(statistics.median, zip(*again, strict=True))
            rows.append({"step": step, "computed": computed, "found": found, "processor": busy})
    if options.json:
        print(json.dumps({"benchmark": "data_cache", "rows": rows}))
    else:
        print(f"data_cache, {options.rows:,} rows")
        print(f"{'step':24} {'computed, s':>12} {'found, ms':>10} {'of the processor':>17}")
        for row in rows:
            times = f"{row['found'] * 1000:10.1f} {row['processor'] * 1000:17.1f}"
            print(f"{row['step']:24} {row['computed']:12.3f} {times}")
    sys.exit(any(row["found"] > _BAR for row in rows))


if __name__ == "__main__":
    main()
