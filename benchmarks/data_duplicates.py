"""Near duplicates: every two texts compared, and `deduplicate(near=...)`, in turn.

The peer counts the runs of words that each two texts have in common, by a join on DuckDB: all pairs
that are alike, and nothing else. Of these, Graft has to find 99 in 100, and no other.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa

from common import Row, arguments, data_folder, faster, in_turn, report

_WORDS = 3
_ROWS = 10_000
_PAIRS = """
with sizes as (select row, count(*) as size from runs group by row),
     shared as (
         select a.row as early, b.row as late, count(*) as common
         from runs a join runs b on a.run = b.run and a.row < b.row group by all)
select early, late from shared
join sizes s on s.row = early join sizes t on t.row = late
where common >= {near} * (s.size + t.size - common)
"""


def runs_of(text: str) -> set[str]:
    """The runs of words of a text, by their definition."""
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    if not words:
        return {text.lower()}
    count = max(len(words) - _WORDS + 1, 1)
    return {" ".join(words[at : at + _WORDS]) for at in range(count)}


def all_pairs(texts: list[str], near: float) -> list[tuple[int, int]]:
    """Every two rows whose texts are that much alike."""
    runs = [(row, run) for row, text in enumerate(texts) for run in sorted(runs_of(text))]
    table = pa.table({"row": [row for row, _ in runs], "run": [run for _, run in runs]})
    with duckdb.connect() as connection:
        connection.register("runs", table)
        return connection.sql(_PAIRS.format(near=near)).fetchall()


def left_out(rows: int, pairs: list[tuple[int, int]]) -> dict[int, int]:
    """The rows that are like an earlier one which stays, and the first of these."""
    earlier: dict[int, list[int]] = {}
    for early, late in pairs:
        earlier.setdefault(late, []).append(early)
    found: dict[int, int] = {}
    for row in range(rows):
        first = min((other for other in earlier.get(row, ()) if other not in found), default=None)
        if first is not None:
            found[row] = first
    return found


def compared(name: str, near: float, repeats: int) -> list[Row]:
    """Seconds of both on one data set, and the share of rows that Graft finds."""
    import graft

    data = graft.load_dataset(data_folder(name), split="train")
    data = data.filter(lambda row: row["text"].isascii())[:_ROWS]  # what `runs_of` knows of
    texts = data["text"]

    def by_graft(_: int) -> dict[int, int]:
        shutil.rmtree(os.environ["GRAFT_CACHE"], ignore_errors=True)
        found = data.duplicates(near=near).to_pydict()
        return dict(zip(found["row"], found["of"], strict=True))

    runs = {
        "peer": lambda _: left_out(len(texts), all_pairs(texts, near)),
        "graft": by_graft,
    }
    figures = in_turn(runs, repeats)
    expected, found = figures["peer"][1][-1], figures["graft"][1][-1]
    common = len(expected.items() & found.items())
    case = f"{name}, {len(texts):,} rows, near={near}"
    return [
        faster(case, figures["peer"][0], figures["graft"][0]),
        Row(f"{case}: found", len(expected), common, common / len(expected), "rows"),
        Row(f"{case}: of those found, right", len(found), common, common / len(found), "rows"),
    ]


def main() -> None:
    """Prints the comparison."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRAFT_CACHE"] = str(Path(folder) / "cache")
        rows = [
            row
            for name, near in [("banking77", 0.5), ("banking77", 0.8), ("imdb", 0.5)]
            for row in compared(name, near, options.repeats)
        ]
    report("data_duplicates", rows, options.json)
    if any(row.ratio < 0.99 for row in rows if row.unit == "rows"):
        sys.exit("A figure misses its bar.")


if __name__ == "__main__":
    main()
