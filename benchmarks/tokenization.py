"""Tokenization: Graft and `tokenizers` on the IMDB reviews, from an Arrow column to flat ids.

Also `tokie`, another tokenizer, with how many of its rows differ, where it is installed. With
`--corpus FOLDER ...` it encodes all text files below these folders, through record batches, and
reports seconds per gigabyte and the peak of memory.
"""

import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import tokenizers

import graft
from common import ROOT, Row, arguments, data_folder, faster, in_turn, report

sys.path.append(str(ROOT / "scripts"))

import oracles

_SUFFIXES = {".txt", ".py", ".md", ".rst", ".html", ".c", ".h", ".csv", ".json", ".jsonl", ".tsv"}
_BATCH_BYTES = 8 << 20


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--corpus", nargs="+", type=Path, default=[])
    options = parser.parse_args()
    vocabularies = data_folder("vocabularies")
    makers: dict[str, Callable[[], tokenizers.Tokenizer]] = {
        "WordPiece (BERT)": lambda: oracles.bert(vocabularies, cased=False),
        "byte-level BPE (GPT-2)": lambda: oracles.gpt2(vocabularies),
        "Unigram (ALBERT)": lambda: oracles.albert(vocabularies),
    }
    if options.corpus:
        report("tokenization", list(whole_corpus(options.corpus, makers)), options.json)
        return
    column = graft.load_dataset(data_folder("imdb"), split="train").table["text"].combine_chunks()
    rows: list[Row] = []
    for name, make in makers.items():
        rows += compare(name, make(), column, options.repeats)
    report("tokenization", rows, options.json)


def compare(
    name: str, theirs: tokenizers.Tokenizer, column: pa.Array, repeats: int
) -> Iterator[Row]:
    """Times both on one column: first from scratch, then again with what they remember."""
    import json

    spec = json.loads(theirs.to_str())
    fresh: dict[int, graft.Tokenizer] = {}

    def cold(repeat: int) -> graft.TokenBatch:
        fresh[repeat] = graft.Tokenizer(spec)
        return fresh[repeat].encode_batch(column)

    def peer(_: int) -> tuple[np.ndarray, np.ndarray]:
        found = theirs.encode_batch_fast(column.to_pylist())
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        flat = itertools.chain.from_iterable(one.ids for one in found)
        ids = np.fromiter(flat, np.int32, int(lengths.sum()))
        return ids, lengths

    runs: dict[str, Callable[[int], object]] = {
        "peer": peer,
        "cold": cold,
        "warm": lambda repeat: fresh[repeat].encode_batch(column),
    }
    found = in_turn(runs, repeats)
    ids, lengths = found["peer"][1][0]
    ours = found["warm"][1][0]
    equal = bool(np.array_equal(ids, ours.ids) and np.array_equal(lengths, ours.lengths))
    yield faster(f"{name}: cold", found["peer"][0], found["cold"][0])
    yield faster(f"{name}: warm", found["peer"][0], found["warm"][0])
    yield Row(f"{name}: equal to the peer's", 1.0, float(equal), float(equal), "bool")


def corpus_batches(folders: list[Path]) -> Iterator[pa.Array]:
    """The text files below some folders, as columns of about 8 MB of lines."""
    lines: list[str] = []
    size = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _SUFFIXES or not path.is_file():
                continue
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                lines.append(line)
                size += len(line)
                if size >= _BATCH_BYTES:
                    yield pa.array(lines, pa.large_string())
                    lines, size = [], 0
    if lines:
        yield pa.array(lines, pa.large_string())


def whole_corpus(
    folders: list[Path], makers: dict[str, Callable[[], tokenizers.Tokenizer]]
) -> Iterator[Row]:
    """Encodes everything, from an Arrow file to an Arrow file, batch by batch."""
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "texts.arrow"
        schema = pa.schema([("text", pa.large_string())])
        with pa.OSFile(str(source), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for column in corpus_batches(folders):
                writer.write_batch(pa.record_batch([column], schema=schema))
        gigabytes = source.stat().st_size / 1e9
        for name, make in makers.items():
            ours = graft.Tokenizer(json.loads(make().to_str()))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            started = time.perf_counter()
            ids = pa.schema([("ids", pa.large_list(pa.int32()))])
            target = Path(temporary) / "ids.arrow"
            with (
                pa.memory_map(str(source)) as texts,
                pa.OSFile(str(target), "wb") as out,
                pa.ipc.new_file(out, ids) as writer,
            ):
                reader = pa.ipc.open_file(texts)
                for number in range(reader.num_record_batches):
                    found = ours.encode_batch(reader.get_batch(number).column(0))
                    rows = pa.LargeListArray.from_arrays(found.offsets, found.ids)
                    writer.write_batch(pa.record_batch([rows], schema=ids))
            seconds = (time.perf_counter() - started) / gigabytes
            peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            yield Row(f"{name}: {gigabytes:.2f} GB, per GB", 20.0, seconds, 20.0 / seconds, "s")
            yield Row(f"{name}: more memory at its peak", 300.0, peak, 300.0 / max(peak, 1), "MiB")


if __name__ == "__main__":
    main()
