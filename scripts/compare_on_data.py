"""Compares Graft's tokenizers with their oracles on every text of a folder of real data.

Each distinct string counts: the columns of Parquet and CSV files, the values of JSON and JSON
Lines, the lines of everything else. One more text is ten megabytes in a single line.

    python scripts/compare_on_data.py ../shared/data
"""

import argparse
import csv
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz_tokenizers import differences
from oracles import subjects

_BINARY = {".bin", ".model"}
_AT_ONCE = 5000
_LONG_LINE = 10_000_000  # bytes


def texts_of(folder: Path) -> list[str]:
    """The distinct strings of all files below a folder, in their order."""
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _BINARY:
            found.update(dict.fromkeys(_strings(path)))
    return list(found)


def long_line(texts: list[str]) -> str:
    """Real text without a line break in it, of ten megabytes."""
    parts, size = [], 0
    for text in itertools.cycle(texts):
        parts.append(" ".join(text.splitlines()))
        size += len(parts[-1].encode()) + 1
        if size >= _LONG_LINE:
            return " ".join(parts)
    raise ValueError("there are no texts")


def _strings(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                yield from column.drop_null().to_pylist()
        return
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        yield from _values(json.loads(content))
    elif path.suffix == ".jsonl":
        yield from itertools.chain.from_iterable(
            _values(json.loads(line)) for line in content.split("\n") if line.strip()
        )
    elif path.suffix == ".csv":
        yield from itertools.chain.from_iterable(csv.reader(content.splitlines(keepends=True)))
    else:
        yield from content.split("\n")


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from itertools.chain.from_iterable(map(_values, value.values()))
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(map(_values, value))


def main() -> int:
    """Runs the comparison; returns 1 if there are differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="tokenizers whose name has this in it")
    options = parser.parse_args()
    texts = texts_of(options.folder)
    line = long_line(texts)
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts):,} distinct texts, {size / 1e6:.0f} MB", flush=True)
    total = 0
    for subject in subjects(options.folder):
        if options.only not in subject.name:
            continue
        started = time.perf_counter()
        count = len(differences(subject, [line]))
        for start in range(0, len(texts), _AT_ONCE):
            for text, expected, found in differences(subject, texts[start : start + _AT_ONCE]):
                count += 1
                if count <= 3:
                    print(f"  {text[:200]!a}")
                    print(f"  oracle {str(expected)[:300]}\n  Graft  {str(found)[:300]}")
        seconds = time.perf_counter() - started
        print(f"{subject.name}: {count} differences, {seconds:.0f} s", flush=True)
        total += count
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
