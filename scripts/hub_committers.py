"""Many people commit to one repository at once: no commit may be lost, and none be made twice.

Each thread commits without `parentCommit`: all have to land. Then all commit on top of the same
commit (`parentCommit`): exactly one may, and the others are told so (412). In the end the history
has exactly the commits that were acknowledged, and each file is there.

    python scripts/hub_committers.py --committers 200 --workers 2
"""

import argparse
import base64
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from graft.server.people import accounts
from graft.server.running import RunningHub
from hub_kill import Server

REPO = "writer/busy"


class Committer(threading.Thread):
    """One person: some commits in turn, whatever the others do."""

    def __init__(self, url: str, token: str, number: int, commits: int, go: threading.Barrier):
        super().__init__()
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=600)
        self.number, self.commits, self.go = number, commits, go
        self.made: list[str] = []
        self.paths: list[str] = []
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        self.go.wait()
        for turn in range(self.commits):
            self._commit(f"queued/{self.number}-{turn}.txt", None)
        for turn in range(self.commits):
            self.go.wait()  # until everybody is here, ...
            parent = self._head()
            self.go.wait()  # ... and has read the same newest commit
            self._commit(f"optimistic/{self.number}-{turn}.txt", parent)

    def _head(self) -> str:
        return str(self.http.get(f"/api/models/{REPO}/commits/main?limit=1").json()[0]["id"])

    def _commit(self, path: str, parent: str | None) -> bool:
        header = {"summary": path} | ({"parentCommit": parent} if parent else {})
        content = base64.b64encode(path.encode()).decode()
        value = {"path": path, "content": content, "encoding": "base64"}
        lines = [{"key": "header", "value": header}, {"key": "file", "value": value}]
        body = "\n".join(map(json.dumps, lines))
        answer = self.http.post(f"/api/models/{REPO}/commit/main", content=body)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            self.made.append(answer.json()["commitOid"])
            self.paths.append(path)
        return answer.status_code == 200


def prepare(data: Path) -> str:
    """An account with a repository; answers its token."""
    with RunningHub(data) as hub:
        account = accounts.create_account(hub.hub, "writer")
        _, token = accounts.create_token(hub.hub, account, name="writers")
        headers = {"Authorization": f"Bearer {token}"}
        body = {"name": "busy", "type": "model"}
        httpx.post(f"{hub.url}/api/repos/create", json=body, headers=headers).raise_for_status()
    return token


def history(url: str) -> list[str]:
    """The ids of all commits."""
    found, address = [], f"{url}/api/models/{REPO}/commits/main?limit=1000"
    while address:
        answer = httpx.get(address, timeout=600)
        found += [commit["id"] for commit in answer.json()]
        address = answer.links.get("next", {}).get("url", "")
    return found


def files(url: str) -> set[str]:
    """The paths of all files."""
    found, address = set(), f"{url}/api/models/{REPO}/tree/main?recursive=true"
    while address:
        answer = httpx.get(address, timeout=600)
        found |= {entry["path"] for entry in answer.json() if entry["type"] == "file"}
        address = answer.links.get("next", {}).get("url", "")
    return found


def run(options: argparse.Namespace, folder: Path) -> int:
    """Lets all commit, and answers how many things are wrong."""
    token = prepare(folder / "data")
    server = Server(folder / "data", options.workers)
    server.start()
    try:
        go = threading.Barrier(options.committers)
        people = [
            Committer(server.url, token, number, options.commits, go)
            for number in range(options.committers)
        ]
        begun = time.monotonic()
        for person in people:
            person.start()
        for person in people:
            person.join()
        seconds = time.monotonic() - begun
        found, paths = history(server.url), files(server.url)
    finally:
        server.kill()
    made = [oid for person in people for oid in person.made]
    wanted = {path for person in people for path in person.paths}
    statuses = sum((person.statuses for person in people), Counter[int]())
    expected = (options.committers + 1) * options.commits
    wrong = [
        ("commits more or fewer than may be", expected - len(made)),
        ("acknowledged commits that are lost", len(set(made) - set(found))),
        ("commits that nobody made", len(found) - 1 - len(made)),
        ("files that are lost", len(wanted - paths)),
        ("answers other than 200 and 412", sum(statuses.values()) - statuses[200] - statuses[412]),
    ]
    print(f"{len(made)} commits by {options.committers} people in {seconds:.1f} s, over")
    print(f"{options.workers} processes; answers {dict(statuses)}")
    for what, count in wrong:
        print(f"{what}: {count}")
    return sum(abs(count) for _, count in wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--committers", type=int, default=200)
    parser.add_argument("--commits", type=int, default=1, help="by each, of either kind")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hub-committers-") as folder:
        return 1 if run(options, Path(folder)) else 0


if __name__ == "__main__":
    sys.exit(main())
