"""Tokenization: Graft and `tokenizers` on the IMDB reviews, from an Arrow column to flat ids.

Also `tokie`, a third tokenizer, with how many of its rows differ from the reference, where it is
installed. (The script is not called `tokenize.py`: the standard library has a module of that name,
which every script beside it would then import in its place.)
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tokenizers

import graft
from common import ROOT, Row, arguments, data_folder, faster, in_turn, report

sys.path.append(str(ROOT / "scripts"))

import oracles

Flat = tuple[np.ndarray, np.ndarray]
"""Ids end to end, and how many each row has."""


def peers() -> dict[str, Callable[[], tokenizers.Tokenizer]]:
    """The tokenizers that are compared, by name."""
    vocabularies = data_folder("vocabularies")
    return {
        "WordPiece (BERT)": lambda: oracles.bert(vocabularies, cased=False),
        "byte-level BPE (GPT-2)": lambda: oracles.gpt2(vocabularies),
        "Unigram (ALBERT)": lambda: oracles.albert(vocabularies),
    }


def main() -> None:
    """Runs the benchmark."""
    options = arguments(__doc__ or "").parse_args()
    column = graft.load_dataset(data_folder("imdb"), split="train").table["text"].combine_chunks()
    rows: list[Row] = []
    for name, make in peers().items():
        rows += compare(name, make(), column, options.repeats)
    rows.append(training(column, options.repeats))
    report("tokenization", rows, options.json)


def compare(
    name: str, theirs: tokenizers.Tokenizer, column: pa.Array, repeats: int
) -> Iterator[Row]:
    """Times all on one column: first from scratch, then again with what they remember."""
    spec = json.loads(theirs.to_str())
    fresh: dict[int, graft.Tokenizer] = {}

    def cold(repeat: int) -> graft.TokenBatch:
        fresh[repeat] = graft.Tokenizer(spec)
        return fresh[repeat].encode_batch(column)

    def peer(_: int) -> Flat:
        found = theirs.encode_batch_fast(column.to_pylist())
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        flat = itertools.chain.from_iterable(one.ids for one in found)
        return np.fromiter(flat, np.int32, int(lengths.sum())), lengths

    runs: dict[str, Callable[[int], Any]] = {
        "peer": peer,
        "cold": cold,
        "warm": lambda repeat: fresh[repeat].encode_batch(column),
    }
    third = _tokie(spec)
    if third is not None:
        runs["tokie"] = lambda _: third.encode_batch_flat(column.to_pylist(), False)
    found = in_turn(runs, repeats)
    expected = found["peer"][1][0]
    ours = found["warm"][1][0]
    yield faster(f"{name}: cold", found["peer"][0], found["cold"][0])
    yield faster(f"{name}: warm", found["peer"][0], found["warm"][0])
    yield _differing(f"{name}: rows that differ", expected, (ours.ids, ours.lengths))
    if third is not None:
        yield faster(f"{name}: tokie in Graft's place", found["peer"][0], found["tokie"][0])
        # It does not read every post-processor: what counts is the text.
        plain = fresh[0].encode_batch(column, add_special_tokens=False)
        texts_only = (plain.ids, plain.lengths)
        yield _differing(f"{name}: rows where tokie differs", texts_only, found["tokie"][1][0])


def training(column: pa.Array, repeats: int) -> Row:
    """Learning 30,000 tokens of byte-level BPE."""

    def peer(_: int) -> tokenizers.Tokenizer:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=30_000,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<|endoftext|>"],
        )
        made.train_from_iterator(column.to_pylist(), trainer)
        return made

    def ours(_: int) -> graft.Tokenizer:
        return graft.Tokenizer.train(column, "byte-level-bpe", vocab_size=30_000)

    found = in_turn({"peer": peer, "graft": ours}, repeats)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved" / "tokenizer.json"
        found["graft"][1][0].save_pretrained(path.parent)
        merges = json.loads(path.read_text(encoding="utf-8"))["model"]["merges"]
    if merges != json.loads(found["peer"][1][0].to_str())["model"]["merges"]:
        sys.exit("The merges that both learn differ.")
    return faster("learning 30,000 tokens, equal merges", found["peer"][0], found["graft"][0])


def _tokie(spec: dict[str, Any]) -> Any:
    """That tokenizer, with the same rules; None where it is not installed or lacks them."""
    if find_spec("tokie") is None:
        return None
    import tokie

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(spec), encoding="utf-8")
        try:
            return tokie.Tokenizer.from_json(str(path))
        except tokie.TokieError as error:
            print(f"tokie cannot read this tokenizer: {error}", file=sys.stderr)
            return None


def _differing(case: str, expected: Flat, found: Flat) -> Row:
    """How many rows have other ids; the ratio is the share of rows that are equal."""
    ids, lengths = (np.asarray(part).astype(np.int64) for part in found)
    theirs = np.split(np.asarray(expected[0], np.int64), np.cumsum(expected[1])[:-1])
    ours = np.split(ids, np.cumsum(lengths)[:-1])
    count = sum(not np.array_equal(*pair) for pair in zip(theirs, ours, strict=True))
    return Row(case, 0, count, 1 - count / len(theirs), "rows")


if __name__ == "__main__":
    main()
