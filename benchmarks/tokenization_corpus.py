"""Tokenization of a gigabyte: from a file of Arrow record batches to another, by WordPiece.

The text is what the machine has: the shared real data, the standard library's sources, and the
documentation below /usr/share (no file and no line of it twice). A process of its own encodes it,
so that its memory is Graft's alone; the peer encodes every 40th record batch, in turn with it.
"""

import gzip
import hashlib
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import tokenizers

import graft
from common import ROOT, Row, arguments, data_folder, report

sys.path.append(str(ROOT / "scripts"))

import oracles
from compare_on_data import texts_of

_SUFFIXES = {
    *(".txt", ".py", ".md", ".rst", ".html", ".xhtml", ".c", ".h", ".hpp", ".cpp", ".java", ".js"),
    *(".csv", ".json", ".jsonl", ".conll", ".conllu", ".xml", ".pod", ".pm", ".tex", ".css"),
    *(".1", ".3", ".5", ".7", ".8", ".gz", ""),
}
_BATCH_BYTES = 8 << 20
_PEER_EACH = 40
_TEXT = pa.schema([("text", pa.large_string())])
_IDS = pa.schema([("ids", pa.large_list(pa.int32()))])


def main() -> None:
    """Runs the benchmark, or one of its processes."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--limit", type=float, default=1e9, help="bytes of text to use at most")
    parser.add_argument("--encode", nargs=3, metavar=("TOKENIZER", "TEXTS", "IDS"), default=None)
    options = parser.parse_args()
    if options.encode:
        encode(*map(Path, options.encode))
        return
    theirs = oracles.bert(data_folder("vocabularies"), cased=False)
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary) / "texts.arrow", Path(temporary) / "ids.arrow"
        spec = Path(temporary) / "tokenizer.json"
        spec.write_text(theirs.to_str(), encoding="utf-8")
        size = write_corpus(source, int(options.limit))
        print(f"{size / 1e9:.2f} GB of text", file=sys.stderr)
        runs = [encoded(spec, source, target) for _ in range(options.repeats)]
        seconds = min(run["seconds"] for run in runs) / size * 1e9
        memory = max(run["memory"] for run in runs)
        peer = peer_seconds(theirs, source)
    rows = [
        Row(f"{size / 1e9:.2f} GB by WordPiece, per GB", peer, seconds, peer / seconds),
        Row("the same, against the goal", 20.0, seconds, 20.0 / seconds),
        Row("peak memory above the interpreter's", 300.0, memory, 300.0 / memory, "MB"),
    ]
    report("tokenization_corpus", rows, options.json)


def encoded(spec: Path, source: Path, target: Path) -> dict[str, float]:
    """Encodes a file in a process of its own: its `seconds` and its `memory`."""
    command = [sys.executable, __file__, "--encode", str(spec), str(source), str(target)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def encode(spec: Path, source: Path, target: Path) -> None:
    """From record batches of texts to such of ids; prints the seconds, and the peak of memory in
    MB above that of an interpreter that has imported what it needs."""
    interpreter = _peak_memory()
    tokenizer = graft.Tokenizer(json.loads(spec.read_text(encoding="utf-8")))
    started = time.perf_counter()
    with (
        pa.OSFile(str(source)) as texts,
        pa.OSFile(str(target), "wb") as out,
        pa.ipc.new_stream(out, _IDS) as writer,
    ):
        for batch in pa.ipc.open_stream(texts):
            writer.write_batch(ids_of(tokenizer, batch))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "memory": _peak_memory() - interpreter}))


def ids_of(tokenizer: graft.Tokenizer, texts: pa.RecordBatch) -> pa.RecordBatch:
    """A record batch of ids for one of texts."""
    found = tokenizer.encode_batch(texts.column(0))
    rows = pa.LargeListArray.from_arrays(found.offsets, found.ids)
    return pa.record_batch([rows], schema=_IDS)


def _peak_memory() -> float:
    """Of this process, in MB. (`getrusage` would count the process that started it.)"""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def peer_seconds(theirs: tokenizers.Tokenizer, source: Path) -> float:
    """What the peer takes for a gigabyte, by every 40th record batch; ids must be Graft's."""
    ours = graft.Tokenizer(json.loads(theirs.to_str()))
    seconds = size = 0.0
    with pa.OSFile(str(source)) as texts:
        for number, batch in enumerate(pa.ipc.open_stream(texts)):
            if number % _PEER_EACH:
                continue
            column = batch.column(0)
            started = time.perf_counter()
            found = theirs.encode_batch_fast(column.to_pylist())
            ids = [one.ids for one in found]
            seconds += time.perf_counter() - started
            size += sum(len(text.as_py().encode()) for text in column)
            if [row.tolist() for row in ours.encode_batch(column)] != ids:
                sys.exit(f"Record batch {number}: ids differ from the peer's.")
    return seconds / size * 1e9


def write_corpus(path: Path, limit: int) -> int:
    """Writes texts as record batches of about 8 MB; returns how many bytes of text they hold."""
    written = size = 0
    lines: list[str] = []
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, _TEXT) as writer:
        for line in _lines():
            lines.append(line)
            size += len(line.encode())
            if size >= _BATCH_BYTES or written + size >= limit:
                writer.write_batch(pa.record_batch([pa.array(lines, _TEXT[0].type)], schema=_TEXT))
                written, size, lines = written + size, 0, []
            if written >= limit:
                return written
        writer.write_batch(pa.record_batch([pa.array(lines, _TEXT[0].type)], schema=_TEXT))
    return written + size


def _lines() -> Iterator[str]:
    """The texts of the data, then the lines of all text files; none of them twice."""
    yield from texts_of(data_folder("."))
    folders = [Path(sysconfig.get_path("stdlib")), Path("/usr/share")]
    files: set[bytes] = set()
    seen: set[int] = set()
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if path.suffix not in _SUFFIXES or not path.is_file() or path.is_symlink():
            continue
        content = _content(path)
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest in files or b"\0" in content[:4096]:
            continue
        files.add(digest)
        for line in content.decode("utf-8", "replace").splitlines():
            mark = hash(line)
            if line and mark not in seen:
                seen.add(mark)
                yield line


def _content(path: Path) -> bytes:
    """A file's bytes."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        print(f"{path} is left out: {error}", file=sys.stderr)
        return b""


if __name__ == "__main__":
    main()
