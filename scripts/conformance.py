"""The stock client's own tests against a fresh Hub: how much of what they ask it answers.

    python scripts/conformance.py                     # all that are in scope
    python scripts/conformance.py --only 'test_hf_api.py::TestSquashHistory*'
    python scripts/conformance.py --failed            # again, those that failed the last time
    python scripts/conformance.py --without-xet       # with HF_HUB_DISABLE_XET=1

The source distribution of the pinned `huggingface_hub` is fetched from the package index into a
scratch folder, where its constants (addresses, accounts, tokens) are changed to those of a Hub
started for the run. Nothing of it comes into the project. What is left out, and why, is in
`tests/clients/conformance_out_of_scope.txt`; what is known to fail, and why, in
`tests/clients/conformance_failures.txt`. Tests that do not talk to a Hub do not count.
"""

import argparse
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from conformance_seed import CARDS, Constants, seed
from graft.server.running import RunningHub

ROOT = Path(__file__).parent.parent
OUT_OF_SCOPE = ROOT / "tests/clients/conformance_out_of_scope.txt"
KNOWN_FAILURES = ROOT / "tests/clients/conformance_failures.txt"
BAR = 0.95

# What its tests are written with; they go into the scratch folder too.
HELPERS = ("pytest-mock==3.17.0", "pytest-asyncio==1.5.0", "jedi==0.20.1", "parso==0.8.7")

_SETTINGS = """[pytest]
addopts = -p no:randomly -p no:cacheprovider -q --tb=short
asyncio_mode = auto
markers =
    api: any
    transfer: any
    inference: any
    xet: any
    no_xet: any
    production: any
    deprecated: any
    git_lfs: any
    vcr: any
"""

Results = dict[str, dict[str, Any]]


def pinned_version() -> str:
    """The version of `huggingface_hub` that Graft is tested with."""
    found = re.search(r"^huggingface[_-]hub==(\S+)", (ROOT / "constraints.txt").read_text(), re.M)
    if found is None:
        sys.exit("constraints.txt does not pin huggingface_hub.")
    return found[1]


def fetch(scratch: Path, version: str) -> Path:
    """The folder of the client's tests, as they are in its source distribution."""
    archives = scratch / "archives"
    name = f"huggingface_hub-{version}"
    if not (archives / f"{name}.tar.gz").exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "huggingface_hub", "--dest", str(archives)]
        subprocess.run([*command, f"huggingface_hub=={version}"], check=True)
    with tarfile.open(archives / f"{name}.tar.gz") as archive:
        archive.extractall(archives, filter="data")
    return archives / name / "tests"


def fetch_helpers(scratch: Path) -> Path:
    """A folder with what the client's tests import and Graft's own do not."""
    folder = scratch / "packages"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*command, "--target", str(folder), *HELPERS], check=True)
    return folder


def prepare(scratch: Path, original: Path, constants: Constants) -> None:
    """Lays the tests out beside what their source distribution lacks, for this run's Hub."""
    tests = scratch / "tests"
    shutil.rmtree(tests, ignore_errors=True)
    shutil.copytree(original, tests)
    (tests / "__init__.py").touch()
    shutil.copy(ROOT / "scripts/conformance_fixtures.py", tests / "conftest.py")
    (scratch / "pytest.ini").write_text(_SETTINGS)
    for name, text in CARDS.items():
        card = tests / "fixtures/cards" / f"{name}.md"
        card.parent.mkdir(parents=True, exist_ok=True)
        card.write_text(text, newline="")
    with (tests / "testing_constants.py").open("a") as file:
        for name, value in constants.items():
            file.write(f"{name} = {value!r}\n")
    staging, hub = "https://hub-ci.huggingface.co", constants["ENDPOINT_STAGING"]
    for path in tests.glob("test_*.py"):
        path.write_text(path.read_text().replace(staging, hub))


def environment(scratch: Path, constants: Constants, shard: str) -> dict[str, str]:
    """What one process of tests sees: this run's Hub, and nothing of the tester's settings."""
    home = scratch / "homes" / shard.replace("/", "-")
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    programs = str(Path(sys.executable).parent)
    return kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": constants["ENDPOINT_STAGING"],
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "RUN_GIT_LFS_TESTS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(fetch_helpers(scratch)),
        "GRAFT_CONFORMANCE_SHARD": shard,
    }


def read_reasons(path: Path) -> dict[str, str]:
    """Patterns of test names, each with its reason: `PATTERN  # REASON`, a line each."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    parted = [line.partition("  # ") for line in lines]
    if lacking := [pattern for pattern, _, reason in parted if not reason.strip()]:
        sys.exit(f"{path} gives no reason for {lacking[0]}")
    return {pattern.strip(): reason.strip() for pattern, _, reason in parted}


def run(
    scratch: Path, constants: Constants, jobs: int, chosen: list[str] | None, *, xet: bool
) -> Results:
    """Runs the tests in `jobs` processes; answers what became of each."""
    excluded = [*read_reasons(OUT_OF_SCOPE), *([] if xet else ["@xet"])]
    outputs = [scratch / f"results-{number}.jsonl" for number in range(jobs)]
    running = []
    for number, output in enumerate(outputs):
        output.unlink(missing_ok=True)
        shard = f"{number}/{jobs}"
        variables = environment(scratch, constants, shard) | {
            "GRAFT_CONFORMANCE_RESULTS": str(output),
            "GRAFT_CONFORMANCE_EXCLUDED": json.dumps(excluded),
            "HF_HUB_DISABLE_XET": "0" if xet else "1",
            "GRAFT_CONFORMANCE_CHOSEN": json.dumps(chosen),
        }
        log = (scratch / f"log-{number}.txt").open("w")
        command = [sys.executable, "-m", "pytest", "--timeout=180", f"--rootdir={scratch}"]
        command += ["-c", "pytest.ini", *wanted_files(scratch, chosen)]
        running.append(
            subprocess.Popen(command, cwd=scratch, env=variables, stdout=log, stderr=log)
        )
    for number, process in enumerate(running):
        if process.wait() not in (0, 1, 5):  # 5: no tests fell to this process
            log = (scratch / f"log-{number}.txt").read_text()
            sys.exit(f"The tests could not be run:\n{log[-3000:]}")
    lines = [line for output in outputs if output.exists() for line in output.open()]
    return {found["test"]: found for found in map(json.loads, lines)}


def wanted_files(scratch: Path, chosen: list[str] | None) -> list[str]:
    """The test files that hold something in scope; others need not even be imported."""
    whole = [p.removesuffix("::*") for p in read_reasons(OUT_OF_SCOPE) if p.endswith(".py::*")]
    names = sorted(path.name for path in (scratch / "tests").glob("test_*.py"))
    names = [n for n in names if not any(fnmatch.fnmatchcase(n, pattern) for pattern in whole)]
    if chosen is not None:
        names = [n for n in names if any(fnmatch.fnmatchcase(n, c.split("::")[0]) for c in chosen)]
    return [f"tests/{name}" for name in names]


def shorten(reason: str) -> str:
    """A failure's reason on one line."""
    return " ".join(reason.split())[:300]


def report(results: Results) -> bool:
    """Prints what failed and the count; answers whether it is what is promised."""
    known = read_reasons(KNOWN_FAILURES)
    counted = {n: r for n, r in results.items() if r["live"] and r["outcome"] != "skipped"}
    failed = {n: r for n, r in counted.items() if r["outcome"] != "passed"}
    for name, result in sorted(failed.items()):
        why = known.get(name, f"UNEXPLAINED: {shorten(result['reason'])}")
        print(f"failed: {name}\n    {why}")
    offline = Counter(r["outcome"] for r in results.values() if not r["live"])
    skipped = sum(r["outcome"] == "skipped" for r in results.values())
    print(f"besides: {offline['passed']} tests passed that need no hub, {skipped} skip themselves")
    for name, result in sorted(results.items()):
        if not result["live"] and result["outcome"] == "failed":
            print(f"    needs no hub, and failed: {name} {shorten(result['reason'])}")
    passed = len(counted) - len(failed)
    print(f"conformance: {passed} of {len(counted)} in-scope tests passed", flush=True)
    return not set(failed) - set(known) and passed >= BAR * len(counted)


def choose(arguments: argparse.Namespace, last: Results) -> list[str] | None:
    """The names of the tests to run; None for all."""
    if arguments.failed:
        names = [name for name, result in last.items() if result["outcome"] == "failed"]
        return [re.sub(r"[\[\]*?]", lambda found: f"[{found[0]}]", name) for name in names]
    if arguments.only:
        return [str(arguments.only)]
    return None


def main() -> None:
    """Fetches, starts a Hub, runs, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scratch", type=Path, help="where to work, and keep what became of it")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes run tests")
    parser.add_argument("--only", help="only tests whose names match: 'test_hf_api.py::*tag*'")
    parser.add_argument("--failed", action="store_true", help="only those that failed before")
    parser.add_argument("--without-xet", action="store_true", help="large files by LFS")
    arguments = parser.parse_args()
    version = pinned_version()
    scratch: Path = (
        arguments.scratch or Path(tempfile.gettempdir()) / f"graft-conformance-{version}"
    )
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / ("results-lfs.json" if arguments.without_xet else "results.json")
    last: Results = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = choose(arguments, last)
    original = fetch(scratch, version)
    with (
        tempfile.TemporaryDirectory(dir=scratch) as data,
        RunningHub(Path(data), name="Conformance") as hub,
    ):
        constants = seed(hub)
        prepare(scratch, original, constants)
        results = run(scratch, constants, arguments.jobs, chosen, xet=not arguments.without_xet)
    everything = results if chosen is None else last | results
    kept.write_text(json.dumps(everything, indent=1))
    sys.exit(0 if report(everything) else 1)


if __name__ == "__main__":
    main()
