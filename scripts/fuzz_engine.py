"""Fuzzes the engine of the tokenizers, built with the address and undefined-behaviour sanitizers.

Damaged tokenizer files, buffers that hold anything, options that make no sense: each must give a
result or a clean error, never a crash, a hang or a report of a sanitizer. The cases come from a
seed, and run in processes of their own, so that whatever ends one is reported with its number:

    python scripts/fuzz_engine.py --seconds 600 --seed 1
    python scripts/fuzz_engine.py --seed 1 --case 4711

Needs g++ with its sanitizers, cmake and nanobind, which `make fuzz-engine` sees to.
"""

import argparse
import faulthandler
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS_A_CASE = 120
SANITIZER_OPTIONS = {
    # The interpreter keeps memory until it ends: that is no leak of ours. What takes gigabytes is.
    "ASAN_OPTIONS": "detect_leaks=0:hard_rss_limit_mb=6000",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "OMP_NUM_THREADS": "1",
}


@dataclass
class Findings:
    """What went wrong, by the line that says what it was."""

    seed: int
    cases: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, number: int, log: str) -> None:
        """Counts what ended a case; shows it where it is the first of its kind."""
        what = headline(log)
        with self.lock:
            self.seen[what] += 1
            if self.seen[what] > 1:
                return
            print(f"\n== case {number}: {what}", flush=True)
            print("\n".join(log.strip().splitlines()[-45:]))
            again = f"python scripts/fuzz_engine.py --seed {self.seed} --case {number}"
            print(f"== again with: {again}", flush=True)


def headline(log: str) -> str:
    """What happened, and where: the same for cases that end by the same fault."""
    lines = [line.strip() for line in log.strip().splitlines()]
    for line in lines:
        if "ERROR: AddressSanitizer" in line:
            frame = next((line for line in lines if "graft::" in line), "")
            return f"{line.partition('ERROR: ')[2].split(' on ')[0]} {frame.partition(' in ')[2]}"
        if "runtime error:" in line or "Timeout (" in line:
            return line
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Invalid)\b", line)]
    what = raised[-1] if raised else f"ended with {lines[-1:]}"
    if not what.startswith("AssertionError"):  # the others tell values, which differ
        what = what.partition(":")[0]
    files = [line for line in lines if line.startswith("File ")]
    where = [line for line in files if str(ROOT / "src") in line] or files
    return f"{what}: {where[-1] if where else ''}"


def build(folder: Path) -> Path:
    """The engine with its sanitizers, built where it is not up to date."""
    folder.mkdir(parents=True, exist_ok=True)
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-DCMAKE_CXX_COMPILER=g++"]
    for command in (
        [*configure, "-DGRAFT_SANITIZE=ON", f"-DPython_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)],
    ):
        try:
            done = subprocess.run(
                command, env=os.environ | tools, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            sys.exit("There is no cmake, which builds the engine: use `make fuzz-engine`.")
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return next(folder.glob("_engine*.so"))


def environment() -> dict[str, str]:
    """What a process needs to load a library with sanitizers: their runtime before all else."""
    found = [
        subprocess.run(
            ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    return {**os.environ, **SANITIZER_OPTIONS, "LD_PRELOAD": " ".join(found)}


def load_engine(library: Path) -> None:
    """Puts a build of the engine in the place of the installed one."""
    name = "graft.text._engine"
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def work(options: argparse.Namespace) -> None:
    """In a process of its own: runs cases, and tells each one's number before it."""
    load_engine(options.library)
    import fuzz_cases  # with the engine in its place

    cases = fuzz_cases.Cases(options.seed, options.data)
    number = options.case
    until = time.time() + options.seconds
    while time.time() < until:
        print(number, flush=True)
        faulthandler.dump_traceback_later(SECONDS_A_CASE, exit=True)
        cases.run(number)
        faulthandler.cancel_dump_traceback_later()
        number += options.step
        if options.step == 0:
            break
    print("done", flush=True)


def watch(options: argparse.Namespace, library: Path, first: int, findings: Findings) -> None:
    """Keeps a process at work until the time is over; whenever one ends, the next goes on."""
    number, until, step = first, time.time() + options.seconds, options.step
    while time.time() < until or number == first:
        command = [sys.executable, __file__, "--library", str(library), "--seed", str(options.seed)]
        command += ["--case", str(number), "--step", str(step), "--data", str(options.data)]
        command += ["--seconds", str(max(1.0, until - time.time()))]
        with tempfile.TemporaryFile("w+", errors="replace") as log:
            with subprocess.Popen(
                command, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
            ) as process:
                assert process.stdout is not None
                said = [line.strip() for line in process.stdout]
            log.seek(0)
            text = log.read()
        ran = [int(line) for line in said if line.isdigit()]
        with findings.lock:
            findings.cases += len(ran)
        if said and said[-1] == "done":
            return
        if not ran:
            sys.exit(f"The fuzzing process does not start:\n{text[-4000:]}")
        findings.tell(ran[-1], text)
        number = ran[-1] + step
        if step == 0:
            return


def main() -> int:
    """Builds, runs the cases, and says what was found; returns 1 where that is anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long to run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this case alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "sanitized")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)  # for the processes
    parser.add_argument("--step", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.library:
        work(options)
        return 0
    library = build(options.build)
    findings = Findings(options.seed)
    alone = options.case is not None
    options.step = 0 if alone else options.processes
    firsts = [options.case] if alone else range(options.processes)
    watchers = [
        threading.Thread(target=watch, args=(options, library, first, findings)) for first in firsts
    ]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    total = sum(findings.seen.values())
    print(f"seed {options.seed}: {findings.cases} cases, {total} of them ended badly")
    for what, count in findings.seen.most_common():
        print(f"{count:6d}  {what}")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
