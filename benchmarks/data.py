"""Data sets: Graft and `datasets` in turn, from files to batches. Nothing is found in a cache.

Bars: IMDB text into training-ready batches 10, iterating over batches 5, rows at random 3, loading
a file 1.5, a Python `map` 0.9.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from common import Row, arguments, base_model, data_folder, faster, in_turn, report

_MAX_LENGTH = 256
_BATCH = 16
_ACCESSES = 10_000


class Peer:
    """The same work with `datasets`, the way its documentation does it."""

    def __init__(self, folder: Path) -> None:
        # They read their folders and how much to print when they are imported.
        os.environ.update(
            HF_HOME=str(folder / "home"),
            HF_DATASETS_CACHE=str(folder / "cache"),
            HF_HUB_OFFLINE="1",
            TOKENIZERS_PARALLELISM="true",
        )
        import datasets
        import transformers

        datasets.disable_progress_bars()
        self._datasets = datasets
        self._caches = (str(folder / f"fresh-{number}") for number in count())
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(base_model())
        self._collator = transformers.DataCollatorWithPadding(self.tokenizer)

    def load(self, kind: str, file: Path) -> Any:
        """A file as a memory-mapped data set, converted anew."""
        cache = next(self._caches)
        return self._datasets.load_dataset(
            kind, data_files=str(file), split="train", cache_dir=cache
        )

    def tokenized(self, data: Any) -> Any:
        """Token ids by `map(batched=True)` with the fast tokenizer."""

        tokenizer = self.tokenizer

        def tokenize(rows: dict[str, list[str]]) -> Any:
            return tokenizer(rows["text"], truncation=True, max_length=_MAX_LENGTH)

        return data.map(tokenize, batched=True, remove_columns=["text"], load_from_cache_file=False)

    def batches(self, tokenized: Any, seed: int) -> Iterator[Any]:
        """Padded batches by PyTorch's loader."""
        import torch
        from torch.utils.data import DataLoader

        return iter(
            DataLoader(
                tokenized.with_format("torch"),
                batch_size=_BATCH,
                shuffle=True,
                collate_fn=self._collator,
                generator=torch.Generator().manual_seed(seed),
            )
        )


class Ours:
    """The same work with Graft."""

    def __init__(self, folder: Path) -> None:
        self._caches = (str(folder / f"graft-{number}") for number in count())
        os.environ["GRAFT_CACHE"] = next(self._caches)
        from graft.text.tokenizer import Tokenizer

        self.tokenizer = Tokenizer.from_pretrained(base_model())

    def load(self, file: Path, **options: Any) -> Any:
        """A file as a memory-mapped data set, converted anew."""
        from graft.data.load import load_dataset

        os.environ["GRAFT_CACHE"] = next(self._caches)
        return load_dataset(str(file), **options)["train"]

    def tokenized(self, data: Any) -> Any:
        """Token ids, written anew."""
        return data.tokenize(self.tokenizer, max_length=_MAX_LENGTH, cache=False)

    def batches(self, tokenized: Any, seed: int) -> Iterator[Any]:
        """Packed batches of as many rows on average."""
        from graft.data.loader import BatchLoader

        return iter(BatchLoader(tokenized, batch_size=_BATCH, seed=seed))


def with_length(row: dict[str, Any]) -> dict[str, Any]:
    """What `map` does to a row."""
    return {"words": len(row["text"].split())}


def with_lengths(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What `map` does to many rows."""
    return {"words": [len(text.split()) for text in rows["text"]]}


def compare_tokens(peer: Peer, ours: Ours, rows: int, repeats: int) -> Iterator[Row]:
    """From text to batches; then iterating alone."""
    file = data_folder("imdb") / "train.parquet"
    texts = peer.load("parquet", file).select(range(rows))
    ours_texts = ours.load(file, text="text").select(range(rows))

    def consume(batches: Iterator[Any]) -> int:
        return sum(1 for _ in batches)

    found = in_turn(
        {
            "peer": lambda seed: consume(peer.batches(peer.tokenized(texts), seed)),
            "graft": lambda seed: consume(ours.batches(ours.tokenized(ours_texts), seed)),
        },
        repeats,
    )
    yield faster(f"IMDB, {rows:,} texts into batches", found["peer"][0], found["graft"][0])
    found = in_turn(
        {
            "peer": lambda _: peer.tokenized(texts),
            "graft": lambda _: ours.tokenized(ours_texts),
        },
        repeats,
    )
    yield faster(f"IMDB, {rows:,} texts: token ids alone", found["peer"][0], found["graft"][0])
    theirs, mine = found["peer"][1][-1], found["graft"][1][-1]
    found = in_turn(
        {
            "peer": lambda seed: consume(peer.batches(theirs, seed)),
            "graft": lambda seed: consume(ours.batches(mine, seed)),
        },
        repeats,
    )
    yield faster(f"IMDB, {rows:,} rows: batches of {_BATCH}", found["peer"][0], found["graft"][0])


def compare_rows(peer: Peer, ours: Ours, repeats: int) -> Row:
    """Rows at random places."""
    file = data_folder("imdb") / "train.parquet"
    theirs, mine = peer.load("parquet", file), ours.load(file)

    def read(data: Any, seed: int) -> int:
        places = np.random.default_rng(seed).integers(0, len(data), _ACCESSES).tolist()
        return sum(len(data[place]["text"]) for place in places)

    found = in_turn(
        {"peer": lambda seed: read(theirs, seed), "graft": lambda seed: read(mine, seed)}, repeats
    )
    same(found)
    return faster(f"IMDB, {_ACCESSES:,} rows at random", found["peer"][0], found["graft"][0])


def compare_loading(peer: Peer, ours: Ours, kind: str, suffix: str, repeats: int) -> Row:
    """The largest file of a format, from nothing to its number of rows."""
    root = data_folder("imdb").parent
    file = max(root.glob(f"*/*{suffix}"), key=lambda path: path.stat().st_size)
    found = in_turn(
        {
            "peer": lambda _: len(peer.load(kind, file)),
            "graft": lambda _: len(ours.load(file)),
        },
        repeats,
    )
    same(found)
    name = f"{file.parent.name}/{file.name}"
    return faster(f"loading {name}", found["peer"][0], found["graft"][0])


def compare_map(peer: Peer, ours: Ours, batched: bool, repeats: int) -> Row:
    """A function of Python over all rows, written to the disk."""
    file = data_folder("sst2") / "train.parquet"
    theirs, mine = peer.load("parquet", file), ours.load(file)
    name = "text" if "text" in theirs.column_names else "sentence"
    theirs = theirs if name == "text" else theirs.rename_column(name, "text")
    mine = mine if name == "text" else mine.rename({name: "text"})
    fn: Callable[[Any], Any] = with_lengths if batched else with_length
    found = in_turn(
        {
            "peer": lambda _: sum(
                theirs.map(fn, batched=batched, load_from_cache_file=False)["words"]
            ),
            "graft": lambda _: sum(mine.map(fn, batched=batched, cache=False)["words"]),
        },
        repeats,
    )
    same(found)
    how = "batches" if batched else "rows"
    return faster(f"SST-2, {len(mine):,} rows: map over {how}", found["peer"][0], found["graft"][0])


def same(found: dict[str, tuple[list[float], list[Any]]]) -> None:
    """Stops where the two sides did not get the same."""
    if found["peer"][1] != found["graft"][1]:
        sys.exit(f"The results differ: {found['peer'][1]} and {found['graft'][1]}.")


def main() -> None:
    """Runs the comparisons that are asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=25_000, help="IMDB reviews to tokenize")
    parser.add_argument("--only", default="", help="tokens, rows, loading or map")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="graft-benchmark-"))
    rows: list[Row] = []
    try:
        peer, ours = Peer(folder), Ours(folder)
        if options.only in ("", "tokens"):
            rows += compare_tokens(peer, ours, options.rows, options.repeats)
        if options.only in ("", "rows"):
            rows.append(compare_rows(peer, ours, options.repeats))
        if options.only in ("", "loading"):
            for kind, suffix in (("csv", ".csv"), ("json", ".jsonl")):
                rows.append(compare_loading(peer, ours, kind, suffix, options.repeats))
        if options.only in ("", "map"):
            for batched in (False, True):
                rows.append(compare_map(peer, ours, batched, options.repeats))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report("data", rows, options.json)


if __name__ == "__main__":
    main()
