"""Fuzzes what reads bytes that anybody may send: shards, xorbs, LFS pointers, lines of a commit.

Each reader must give a result or an error of ours, never another exception, a hang or a crash.
`atheris` leads the inputs by what they reach; they begin with sound ones.

    python scripts/fuzz_wire.py                             # each target for 30 seconds
    python scripts/fuzz_wire.py --seconds 600 --target xorb
    python scripts/fuzz_wire.py --target xorb --case FILE   # again what was found

What ends badly is kept in a file, whose name is printed with the command that runs it again.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import atheris

# Only a target's own process counts what is reached.
_INSTRUMENTED = "--within" in sys.argv

with atheris.instrument_imports(include=["graft.server"]) if _INSTRUMENTED else nullcontext():
    from graft.server.errors import RefusedError
    from graft.server.git.pointers import format_pointer, parse_pointer
    from graft.server.repositories.operations import parse as parse_lines
    from graft.server.repositories.operations import read_header
    from graft.server.xet import shard, xorb
    from graft.server.xet.chunking import cut
    from graft.server.xet.hashes import range_hash

LONGEST_INPUT = 64 * 1024
SECONDS_AN_INPUT = 10
MEMORY_MB = 2048


def read_shard(data: bytes) -> None:
    """A shard, with all its terms."""
    try:
        found = shard.parse(memoryview(data))
    except shard.ShardError:
        return
    for file in found.files:
        assert sum(1 for _ in file.terms()) == file.count


def read_xorb(data: bytes) -> None:
    """A xorb; what was read has to come back from its footer."""
    try:
        index = xorb.scan(data)
    except xorb.XorbError:
        return
    value, again = xorb.read_footer(index.footer(index.root()))
    assert value == index.root()
    assert again.packed_ends == index.packed_ends
    assert again.unpacked_ends == index.unpacked_ends


def read_footer(data: bytes) -> None:
    """A footer, of a stored xorb that was damaged."""
    try:
        _, index = xorb.read_footer(data)
    except xorb.XorbError:
        return
    assert len(data) == xorb.footer_bytes(len(index))


def read_pointer(data: bytes) -> None:
    """An LFS pointer."""
    found = parse_pointer(data)
    if found is not None:
        assert parse_pointer(format_pointer(found.sha256, found.size)) is not None


def read_commit(data: bytes) -> None:
    """The lines of a commit over the API."""
    try:
        operations = parse_lines(data.splitlines(keepends=True))
        read_header(operations)
        for operation in operations:
            operation.bad("is only read here")
    except RefusedError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "shard": read_shard,
    "xorb": read_xorb,
    "footer": read_footer,
    "pointer": read_pointer,
    "commit": read_commit,
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """Sound inputs: (target, bytes)."""
    data = random.Random(0).randbytes(30_000)
    frames, start = b"", 0
    for end in cut(data):
        frames += xorb.header(end - start, xorb.RAW, end - start) + data[start:end]
        start = end
    index = xorb.scan(frames)
    yield "xorb", frames
    import lz4.frame

    for scheme in (xorb.LZ4, xorb.GROUPED_LZ4):
        packed = lz4.frame.compress(b"compress me" * 20)
        yield "xorb", xorb.header(len(packed), scheme, 220) + packed
    yield "footer", index.footer(index.root())
    proof = range_hash(index.hashes)
    term = shard.ShardTerm(index.root(), 0, len(index), index.unpacked_bytes, proof)
    files = [(bytes(32), bytes(32), [term, term]), (bytes(range(32)), None, [term])]
    yield "shard", shard.write_files(files, [(index.root(), index)])
    yield "shard", shard.write([(index.root(), index)], bytes(range(32)), 1, 2)
    yield "pointer", format_pointer("ab" * 32, 12345)
    lines = [
        {"key": "header", "value": {"summary": "s", "description": "d", "parentCommit": "0" * 40}},
        {"key": "file", "value": {"path": "a.txt", "content": "YQ==", "encoding": "base64"}},
        {"key": "lfsFile", "value": {"path": "b", "algo": "sha256", "oid": "0" * 64, "size": 1}},
        {"key": "deletedFile", "value": {"path": "c"}},
    ]
    yield "commit", "\n".join(json.dumps(line) for line in lines).encode()


def fuzz(target: str, seconds: int, folder: Path) -> int:
    """Runs one target in a process of its own; answers how it ended."""
    corpus = folder / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, (name, data) in enumerate(seeds()):
        if name == target:
            (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, __file__, "--target", target, "--within", str(corpus)]
    print(f"== {target}", flush=True)
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    counted = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    print(counted[-1] if counted and not done.returncode else done.stderr[-3000:], flush=True)
    for found in [*folder.glob("crash-*"), *folder.glob("timeout-*"), *folder.glob("oom-*")]:
        kept = Path.cwd() / f"{target}-{found.name}"
        kept.write_bytes(found.read_bytes())
        found.unlink()
        print(f"== again with: python scripts/fuzz_wire.py --target {target} --case {kept}")
    return done.returncode


def run_within(target: str, seconds: int, corpus: Path) -> None:
    """In the target's process: gives atheris the hand, which ends the process."""
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={SECONDS_AN_INPUT}",
        f"-rss_limit_mb={MEMORY_MB}",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    """All targets, or the one that was asked for; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--case", type=Path, help="a file with an input that ended badly")
    parser.add_argument("--within", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.within is not None:
        run_within(given.target, given.seconds, given.within)
    if given.case is not None:
        TARGETS[given.target](given.case.read_bytes())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        targets = [given.target] if given.target else list(TARGETS)
        ended = [fuzz(target, given.seconds, Path(folder)) for target in targets]
    return 1 if any(ended) else 0


if __name__ == "__main__":
    sys.exit(main())
