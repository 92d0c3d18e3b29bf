"""Proof that a Hub loses nothing: `kill -9` of the server at random moments, while stock clients in
other processes commit by Xet, by LFS, inline and by `git push`, and make branches and tags.

After each kill the server starts again, and then:
- every commit that was acknowledged is in its branch's history, and every branch and tag is there;
- every commit that is there at all is whole: each file of its manifest has the bytes that the
  manifest says, downloaded anew;
- the index says what git says, and `fsck` finds nothing;
- at the end, commits are acknowledged by every way again.

    python scripts/hub_kill.py --rounds 200 --seed 0
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from graft.server.git.repository import locked
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.running import RunningHub
from graft.server.runtime.serving import listen
from graft.server.settings import Settings
from graft.server.upkeep.fsck import check

WAYS = ("xet", "lfs", "inline", "git")
START_SECONDS = 60.0
COMMIT_SECONDS = 60.0
"""How long any way to commit may take until the Hub acknowledges a commit by it."""
SHARED = "writer/shared"
INDEX_LOOKS = 20
SAMPLE = 5
"""Commits of earlier rounds that are read again in each."""

# What a client is told when it is neither the server's stop nor its own fault to come second.
EXPECTED_STATUS = {None, 412, 502, 503, 504}


class Server:
    """`graft hub serve` in a process of its own, and its children."""

    def __init__(self, data: Path, workers: int) -> None:
        with listen("127.0.0.1", 0) as found:
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-c", "from graft.cli import main; main()"]
        self._command += ["hub", "serve", "--data", str(data), "--port", str(self.port)]
        self._command += ["--workers", str(workers)]
        self._log = (data.parent / "server.log").open("ab")
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Starts it, and answers how long it took until it answered."""
        begun = time.monotonic()
        self._child = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, start_new_session=True
        )
        while True:
            try:
                if httpx.get(f"{self.url}/api/models", timeout=5).status_code == 200:
                    return time.monotonic() - begun
            except httpx.HTTPError:
                pass
            if time.monotonic() - begun > START_SECONDS or self._child.poll() is not None:
                raise SystemExit("The server does not start: see its log.")
            time.sleep(0.02)

    def kill(self) -> None:
        """`kill -9` to it and to all that it started."""
        assert self._child is not None
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


class Journal:
    """What the writers were told."""

    def __init__(self, paths: list[Path]) -> None:
        self._places = dict.fromkeys(paths, 0)
        self.commits: list[dict[str, Any]] = []
        self.refs: dict[str, dict[str, str]] = {}
        self.errors: Counter[str] = Counter()
        self.unexpected: list[str] = []

    def read(self) -> None:
        """Takes in the lines that were written since the last time."""
        for path, place in self._places.items():
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(place)
                for line in file:
                    if line.endswith(b"\n"):
                        place += len(line)
                        self._take(json.loads(line))
            self._places[path] = place

    def wait_for_all(self) -> list[str]:
        """Waits until each way has one more commit acknowledged; answers which have none."""
        self.read()
        before = self.by_way()
        give_up = time.monotonic() + COMMIT_SECONDS
        while True:
            self.read()
            silent = [way for way in WAYS if self.by_way()[way] == before[way]]
            if not silent or time.monotonic() > give_up:
                return silent
            time.sleep(0.1)

    def by_way(self) -> Counter[str]:
        """How many commits were acknowledged, by how they were sent."""
        return Counter(line["way"] for line in self.commits)

    def _take(self, line: dict[str, Any]) -> None:
        if "commit" in line:
            self.commits.append(line)
        elif "refs" in line:
            self.refs.setdefault(line["repo"], {}).update(line["refs"])
        else:
            self.errors[f"{line['way']}: {line['error'][:100]}"] += 1
            refused = "remote rejected" in line["error"] and "fetch first" not in line["error"]
            if line["status"] not in EXPECTED_STATUS or refused:
                self.unexpected.append(f"{line['way']}: {line['status']} {line['error']}")


class Witness:
    """Looks at the Hub as a new client would, and says what is wrong."""

    def __init__(self, url: str, data: Path) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.data = data
        self.seen: dict[str, set[str]] = {}
        """For each repository, the commits that were found whole."""

    def look(self, journal: Journal, repos: list[str], rng: random.Random) -> list[str]:
        """Everything that is wrong."""
        wrong = list(journal.unexpected)
        for repo in repos:
            wrong += self._look_at(repo, journal, rng)
        return wrong + self._fsck()

    def _look_at(self, repo: str, journal: Journal, rng: random.Random) -> list[str]:
        wrong = []
        history = self._history(repo)
        acknowledged = {line["commit"] for line in journal.commits if line["repo"] == repo}
        wrong += [
            f"{repo}: {oid} was acknowledged and is lost" for oid in acknowledged - set(history)
        ]
        seen = self.seen.setdefault(repo, set())
        new = [oid for oid in history if oid not in seen]
        for oid in new + rng.sample(sorted(seen), min(SAMPLE, len(seen))):
            wrong += self._check_commit(repo, oid, history)
        seen.update(new)
        refs = self.http.get(f"/api/models/{repo}/refs").json()
        found = {ref["ref"]: ref["targetCommit"] for ref in refs["branches"] + refs["tags"]}
        for ref, oid in journal.refs.get(repo, {}).items():
            if found.get(ref) != oid:
                wrong.append(f"{repo}: {ref} was acknowledged at {oid} and is at {found.get(ref)}")
        return wrong + self._check_index(repo)

    def _check_index(self, repo: str) -> list[str]:
        """That what lists show is what `main` is; writers may go on meanwhile."""
        for _ in range(INDEX_LOOKS):
            before = self._head(repo)
            indexed = self.http.get(f"/api/models/{repo}", params={"expand": "sha"}).json()["sha"]
            if indexed == before:
                return []
            if self._head(repo) == before:
                return [f"{repo}: the index says {indexed}, git says {before}"]
        return [f"{repo}: the index never says what git says"]

    def _head(self, repo: str) -> str:
        refs = self.http.get(f"/api/models/{repo}/refs").json()
        return next(str(r["targetCommit"]) for r in refs["branches"] if r["name"] == "main")

    def _history(self, repo: str) -> list[str]:
        """The ids of all commits of `main`, the newest first."""
        found, address = [], f"/api/models/{repo}/commits/main?limit=1000"
        while address:
            answer = self.http.get(address)
            answer.raise_for_status()
            found += [commit["id"] for commit in answer.json()]
            address = answer.links.get("next", {}).get("url", "")
        return found

    def _check_commit(self, repo: str, oid: str, history: list[str]) -> list[str]:
        """That all manifests which a commit brought say the truth."""
        parent = history[history.index(oid) + 1] if oid != history[-1] else None
        before = self._manifests(repo, parent) if parent else set()
        wrong = []
        for path in sorted(self._manifests(repo, oid) - before):
            manifest = json.loads(self._read(repo, oid, path) or b"{}")
            for name, sha256 in manifest.items():
                data = self._read(repo, oid, name)
                if data is None or hashlib.sha256(data).hexdigest() != sha256:
                    wrong.append(f"{repo}: {oid} is half: {name}")
        return wrong

    def _manifests(self, repo: str, oid: str) -> set[str]:
        address: str = f"/api/models/{repo}/tree/{oid}/commits"
        answer = self.http.get(address)
        if answer.status_code == 404:
            return set()
        folders: set[str] = set()
        while address:
            answer = self.http.get(address)
            folders |= {entry["path"] for entry in answer.json()}
            address = answer.links.get("next", {}).get("url", "")
        return {f"{folder}/manifest.json" for folder in folders}

    def _read(self, repo: str, oid: str, path: str) -> bytes | None:
        answer = self.http.get(f"/{repo}/resolve/{oid}/{path}", follow_redirects=True)
        return answer.content if answer.status_code == 200 else None

    def _fsck(self, *, deep: bool = False) -> list[str]:
        hub = Hub(Settings(data_folder=self.data))
        try:
            report = check(hub, deep=deep)
        finally:
            hub.close()
        wrong = [f"fsck: {p.kind} {p.where}: {p.text}" for p in report.problems if not p.repaired]
        options = ["--full", "--strict"] if deep else ["--connectivity-only"]
        for folder in sorted((self.data / "repositories").glob("*/*.git")):
            command = [
                "git",
                "-c",
                "safe.directory=*",
                f"--git-dir={folder}",
                "fsck",
                "--no-dangling",
            ]
            command += options
            with locked(folder):  # it takes what comes about meanwhile for missing
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                wrong.append(f"git fsck: {folder.name}: {done.stdout} {done.stderr}")
        return wrong


def prepare(data: Path) -> tuple[str, list[str]]:
    """An account and its repositories; answers a token, and the repositories' names."""
    repos = [SHARED, *(f"writer/{way}" for way in WAYS)]
    with RunningHub(data) as hub:
        account = accounts.create_account(hub.hub, "writer")
        _, token = accounts.create_token(hub.hub, account, name="writers")
        headers = {"Authorization": f"Bearer {token}"}
        for repo in repos:
            body = {"name": repo.partition("/")[2], "type": "model"}
            answer = httpx.post(f"{hub.url}/api/repos/create", json=body, headers=headers)
            answer.raise_for_status()
    return token, repos


def start_writers(folder: Path, url: str, token: str, seed: int) -> list[subprocess.Popen[bytes]]:
    """One for each way to commit."""
    script = Path(__file__).with_name("hub_writers.py")
    children = []
    for way in WAYS:
        command = [sys.executable, str(script), "--way", way, "--url", url, "--token", token]
        command += ["--own", f"writer/{way}", "--shared", SHARED, "--seed", str(seed)]
        command += ["--journal", str(folder / f"{way}.jsonl")]
        environment = os.environ | {
            "HF_HOME": str(folder / f"home-{way}"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "" if way == "xet" else "1",
            # It doubles with each try: from the usual 3 s on, a few kills make it longer than
            # a round, and nothing more comes by Xet.
            "HF_XET_CLIENT_RETRY_BASE_DELAY": "100ms",
            "OMP_NUM_THREADS": "1",
        }
        log = (folder / f"{way}.log").open("ab")
        children.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    return children


@contextmanager
def held(children: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Stops processes for a while."""
    for child in children:
        child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            child.send_signal(signal.SIGCONT)


def silent(journal: Journal, when: str) -> list[str]:
    """What is wrong if some way to commit gets nothing acknowledged any more."""
    return [
        f"{way}: no commit was acknowledged within {COMMIT_SECONDS:.0f} s {when}"
        for way in journal.wait_for_all()
    ]


def run(options: argparse.Namespace, folder: Path) -> int:
    """All rounds; answers how many things went wrong."""
    rng = random.Random(options.seed)
    data = folder / "data"
    token, repos = prepare(data)
    server = Server(data, options.workers)
    server.start()
    writers = start_writers(folder, server.url, token, options.seed)
    journal = Journal([folder / f"{way}.jsonl" for way in WAYS])
    witness = Witness(server.url, data)
    slowest = 0.0
    wrong: list[str] = []
    try:
        wrong += silent(journal, "before the first kill")  # clients take a while to be imported
        for number in range(1, options.rounds + 1):
            if wrong:
                break
            time.sleep(rng.uniform(0.3, options.seconds))
            server.kill()
            # Clients that try again and again while nobody answers wait longer each time, and
            # those that look go on finding something new.
            with held(writers):
                slowest = max(slowest, server.start())
                journal.read()
                wrong = witness.look(journal, repos, rng)
            print(
                f"round {number}: {len(journal.commits)} commits acknowledged, "
                f"{sum(map(len, witness.seen.values()))} found whole, "
                f"{sum(journal.errors.values())} broken off, {len(wrong)} wrong",
                flush=True,
            )
        if not wrong:
            wrong += silent(journal, "after the last kill")
            for writer in writers:
                writer.kill()
            journal.read()
            wrong += witness.look(journal, repos, rng) + witness._fsck(deep=True)
    finally:
        for writer in writers:
            writer.kill()
        server.kill()
    print(f"commits by way: {dict(journal.by_way())}; slowest start {slowest:.1f} s")
    for text in wrong[:20]:
        print(f"WRONG {text}")
    return len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3.0, help="the longest time to a kill")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server")
    parser.add_argument("--folder", type=Path, help="keep what was made in this folder")
    options = parser.parse_args()
    # Whoever is told to end ends what it started: servers, and writers without end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.folder is not None:
        options.folder.mkdir(parents=True)
        wrong = run(options, options.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="hub-kill-") as folder:
            wrong = run(options, Path(folder))
    print(f"prove-hub: {options.rounds} kills, {wrong} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
