"""Proof that `graft hub gc` takes nothing that anything leads to: it runs over and over while
people upload by Xet and by LFS (often the same bytes again, in other repositories), delete files,
squash histories, duplicate and delete repositories, and download what is there.

Every file of a commit that a reader finds has to come whole, unless the repository or the commit
was deleted meanwhile; in the end, `fsck --deep` has to find nothing.

    python scripts/hub_churn.py --seconds 600 --seed 0
"""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import disable_progress_bars

from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.settings import Settings
from hub_kill import Server

GRAFT = (sys.executable, "-c", "from graft.cli import main; main()", "hub")
UNUSED_SECONDS = 20.0
"""How long what nobody uses is kept: longer than an upload here takes from its first byte to its
commit, and than the client of one upload remembers."""
REPOSITORIES = [f"ada/churn-{number}" for number in range(6)]
# A change that came second, a repository that another thread has just deleted or made.
EXPECTED_STATUS = {404, 409, 412, 503}


class Pool:
    """Bytes to upload: some over and over, some that share chunks with others, some new."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._known = [rng.randbytes(rng.randint(200_000, 3_000_000)) for _ in range(6)]

    def take(self) -> bytes:
        kind = self._rng.random()
        data = self._rng.choice(self._known)
        if kind < 0.4:
            return data
        if kind < 0.7:
            place = self._rng.randrange(len(data))
            return data[:place] + self._rng.randbytes(50) + data[place:]
        new = self._rng.randbytes(self._rng.randint(200_000, 3_000_000))
        self._known[self._rng.randrange(len(self._known))] = new
        return new


class People:
    """What is done to the Hub, a method each."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder
        self.api = HfApi(endpoint=url, token=token)
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()

    def upload_by_lfs(self, rng: random.Random, pool: Pool) -> None:
        files = [
            CommitOperationAdd(f"files/{rng.randrange(12)}.bin", io.BytesIO(pool.take()))
            for _ in range(rng.randint(1, 3))
        ]
        operations = {each.path_in_repo: each for each in files}
        self.api.create_commit(rng.choice(REPOSITORIES), operations.values(), commit_message="LFS")

    def upload_by_xet(self, rng: random.Random, pool: Pool) -> None:
        """By a client in a process of its own, which remembers nothing of others."""
        with tempfile.TemporaryDirectory(dir=self.folder) as home:
            file = Path(home, "file.bin")
            file.write_bytes(pool.take())
            script = (
                "import sys; from huggingface_hub import HfApi; repo, file, name = sys.argv[1:]; "
                "HfApi().upload_file(path_or_fileobj=file, path_in_repo=name, repo_id=repo)"
            )
            name = f"files/{rng.randrange(12)}.bin"
            command = [sys.executable, "-c", script, rng.choice(REPOSITORIES), str(file), name]
            settings = {"HF_HOME": home, "HF_ENDPOINT": self.url, "HF_TOKEN": self.token}
            done = subprocess.run(
                command,
                env=os.environ | settings,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines()[-1]
                if not any(word in said + done.stderr for word in ("404", "412", "409")):
                    raise RuntimeError(said)

    def delete_files(self, rng: random.Random, pool: Pool) -> None:
        repo = rng.choice(REPOSITORIES)
        paths = [path for path in self.api.list_repo_files(repo) if path.endswith(".bin")]
        if paths:
            operations = [CommitOperationDelete(path) for path in rng.sample(paths, 1)]
            self.api.create_commit(repo, operations, commit_message="Deleted")

    def squash(self, rng: random.Random, pool: Pool) -> None:
        self.api.super_squash_history(rng.choice(REPOSITORIES))

    def duplicate(self, rng: random.Random, pool: Pool) -> None:
        source, target = rng.sample(REPOSITORIES, 2)
        self.api.delete_repo(target, missing_ok=True)
        self.api.duplicate_repo(source, target)

    def read(self, rng: random.Random, pool: Pool) -> None:
        """All large files of a repository's newest commit, each whole."""
        repo = rng.choice(REPOSITORIES)
        info = self.api.model_info(repo, files_metadata=True)
        for file in info.siblings or ():
            if file.lfs is not None:
                address = f"{self.url}/{repo}/resolve/{info.sha}/{file.rfilename}"
                answer = httpx.get(
                    address, headers={"Authorization": f"Bearer {self.token}"}, timeout=60
                )
                self._judge(address, answer, file.lfs.sha256)

    def _judge(self, address: str, answer: httpx.Response, sha256: str) -> None:
        code = answer.headers.get("X-Error-Code")
        if answer.status_code == 404 and code in ("RepoNotFound", "RevisionNotFound"):
            self.counts["deleted while it was read"] += 1
        elif answer.status_code != 200:
            self.failures.append(f"{address}: {answer.status_code} {answer.text[:200]}")
        elif hashlib.sha256(answer.content).hexdigest() != sha256:
            self.failures.append(f"{address}: other bytes")
        else:
            self.counts["files read whole"] += 1

    def live(self, deeds: list[Callable[..., None]], seed: str, ends: float) -> None:
        """Does one thing after the other until it is time."""
        rng = random.Random(seed)
        pool = Pool(random.Random(seed.split()[0]))  # the same bytes for all
        while time.monotonic() < ends:
            deed = rng.choice(deeds)
            try:
                deed(rng, pool)
                self.counts[deed.__name__] += 1
            except (RepositoryNotFoundError, RevisionNotFoundError):
                with contextlib.suppress(HfHubHTTPError):
                    self.api.create_repo(rng.choice(REPOSITORIES), exist_ok=True)
            except HfHubHTTPError as error:
                if error.response.status_code not in EXPECTED_STATUS:
                    self.failures.append(f"{deed.__name__}: {error}")
            except Exception as error:
                if _is_expected(error):
                    continue
                self.failures.append(f"{deed.__name__}: {type(error).__name__}: {error}")
            time.sleep(0.2)


def _is_expected(error: BaseException) -> bool:
    """Whether a client tells, in words of its own, that the repository was deleted meanwhile: the
    one it writes to, or the one whose chunks it was told of."""
    cause = error.__cause__
    status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
    return status in EXPECTED_STATUS or "which you did not send" in str(error)


def collect(data: Path, ends: float, people: People) -> None:
    """`graft hub gc`, over and over."""
    days = str(UNUSED_SECONDS / 86400)
    command = [*GRAFT, "gc", "--data", str(data), "--unused-days", days, "--json"]
    while time.monotonic() < ends:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            people.failures.append(f"gc: {done.stderr.strip()[-500:]}")
            return
        freed = json.loads(done.stdout)
        for name in ("links", "objects", "xorbs", "stray", "folders", "packed"):
            people.counts[f"gc: {name}"] += freed[name]
        people.counts["gc: runs"] += 1
        time.sleep(2)


def main() -> int:
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    disable_progress_bars()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graft-churn-") as name:
        data = Path(name, "hub")
        hub = Hub(Settings.from_environment(data_folder=data))
        ada = accounts.create_account(hub, "ada")
        _, token = accounts.create_token(hub, ada, name="churn", role="write")
        hub.close()
        server = Server(data, workers=2)
        server.start()
        people = People(server.url, token, Path(name))
        for repo in REPOSITORIES:
            people.api.create_repo(repo)
        ends = time.monotonic() + options.seconds
        change = [people.delete_files, people.squash, people.duplicate]
        lives = {
            "lfs": [people.upload_by_lfs] * 4 + change,
            "lfs again": [people.upload_by_lfs] * 4 + change,
            "xet": [people.upload_by_xet],
            "reader": [people.read],
            "another reader": [people.read],
        }
        threads = [
            threading.Thread(target=people.live, args=(deeds, f"{options.seed} {who}", ends))
            for who, deeds in lives.items()
        ]
        threads.append(threading.Thread(target=collect, args=(data, ends, people)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        checked = subprocess.run([*GRAFT, "fsck", "--deep", "--data", str(data)], check=False)
        server.kill()
    print(json.dumps(dict(sorted(people.counts.items())), indent=1))
    for failure in people.failures[:20]:
        print(failure)
    print(f"{len(people.failures)} failures; fsck ended with {checked.returncode}")
    return 1 if people.failures or checked.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
