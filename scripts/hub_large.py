"""Large files through a Hub, by every client and back by every client, and what memory it takes.

    python scripts/hub_large.py                    # 2 GB, about ten minutes and 8 GB of disk
    python scripts/hub_large.py --megabytes 50

A Hub runs as a process of its own. A file of random bytes is uploaded by the stock client with
Xet, another by it without (`HF_HUB_DISABLE_XET=1`, LFS), a third by `git` with `git lfs`; each is
fetched in all three ways, by clients that keep nothing between runs, and compared byte for byte.
The memory of the Hub may at no moment pass 500 MB.
"""

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMORY_LIMIT_MB = 500
PIECE_BYTES = 8 * 1024**2
NAME = "weights.safetensors"

# Git takes the token from the address; the name before it says who asks.
USER = "large"


@dataclass(frozen=True)
class Server:
    """A running Hub: where it is, its process, and a token for it."""

    url: str
    pid: int
    token: str

    def forget_peak(self) -> None:
        """Begins to watch the memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """The most memory that was resident since then."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else float("nan")


@dataclass(frozen=True)
class Client:
    """Runs programs in a home of their own, which goes with it."""

    server: Server
    home: Path

    def __call__(self, *command: str | Path, cwd: Path | None = None, **variables: str) -> None:
        """Runs one; it has to succeed."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"),
            "HF_ENDPOINT": self.server.url,
            "HF_TOKEN": self.server.token,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": USER,
            "GIT_AUTHOR_EMAIL": "large@example.org",
            "GIT_COMMITTER_NAME": USER,
            "GIT_COMMITTER_EMAIL": "large@example.org",
        }
        arguments = [str(part) for part in command]
        done = subprocess.run(
            arguments, env=environment | variables, cwd=cwd, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")

    def address(self, repo: str) -> str:
        """Where git finds a repository, token included."""
        return self.server.url.replace("://", f"://{USER}:{self.server.token}@") + f"/{repo}"


def upload_by_hf(client: Client, repo: str, file: Path, **variables: str) -> None:
    """`hf upload`."""
    client("hf", "upload", repo, file, NAME, **variables)


def upload_by_git(client: Client, repo: str, file: Path) -> None:
    """A clone, a commit with the file, and a push."""
    clone = client.home / "clone"
    client("git", "lfs", "install", "--skip-repo")
    client("hf", "repos", "create", repo)
    client("git", "clone", "--quiet", client.address(repo), clone)
    os.link(file, clone / NAME)
    client("git", "add", NAME, cwd=clone)
    client("git", "commit", "--quiet", "--message", "Add weights", cwd=clone)
    client("git", "push", "--quiet", cwd=clone)


def download_by_hf(client: Client, repo: str, **variables: str) -> Path:
    """`hf download`."""
    client("hf", "download", repo, NAME, "--local-dir", client.home / "here", **variables)
    return client.home / "here" / NAME


def download_by_git(client: Client, repo: str) -> Path:
    """A clone."""
    client("git", "lfs", "install", "--skip-repo")
    client("git", "clone", "--quiet", client.address(repo), client.home / "clone")
    return client.home / "clone" / NAME


NO_XET = {"HF_HUB_DISABLE_XET": "1"}
UPLOADS: dict[str, Callable[[Client, str, Path], None]] = {
    "xet": upload_by_hf,
    "lfs": lambda client, repo, file: upload_by_hf(client, repo, file, **NO_XET),
    "git": upload_by_git,
}
DOWNLOADS: dict[str, Callable[[Client, str], Path]] = {
    "xet": download_by_hf,
    "lfs": lambda client, repo: download_by_hf(client, repo, **NO_XET),
    "git": download_by_git,
}


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """A Hub as its users run it, on a free port, with one account."""
    graft = Path(sys.executable).parent / "graft"
    variables = os.environ | {"GRAFT_DATA_FOLDER": str(folder / "data")}
    made = subprocess.run(
        [graft, "hub", "user", "add", USER], env=variables, capture_output=True, text=True
    )
    if made.returncode:
        sys.exit(f"The account could not be made:\n{made.stderr}")
    log = folder / "hub.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [graft, "hub", "serve", "--port", "0"], env=variables, stdout=file, stderr=file
        )
    try:
        yield Server(wait_for_address(process, log), process.pid, made.stdout.strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the Hub says it listens at."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found[0]
        time.sleep(0.1)
    sys.exit(f"The Hub did not start:\n{log.read_text()}")


def write_random(path: Path, megabytes: int) -> str:
    """Fills a file with bytes that nothing can be left out of; answers their SHA-256."""
    digest = hashlib.sha256()
    left = megabytes * 1024**2
    with path.open("wb") as file:
        while left:
            piece = os.urandom(min(left, PIECE_BYTES))
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Measurements:
    """Times each transfer, and holds the memory that it takes to the limit."""

    def __init__(self, server: Server, megabytes: int) -> None:
        self._server = server
        self._megabytes = megabytes
        self.worst_mb = 0.0

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Measures what happens inside."""
        self._server.forget_peak()
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        peak = self._server.peak_mb()
        self.worst_mb = max(self.worst_mb, peak)
        speed = self._megabytes / seconds
        print(f"{what:24} {seconds:7.1f} s {speed:7.1f} MB/s  {peak:6.0f} MB resident", flush=True)


def main() -> None:
    """Uploads by each way, downloads by each, compares, and reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=2048, help="how long each file is")
    parser.add_argument("--ways", nargs="+", choices=UPLOADS, default=list(UPLOADS))
    parser.add_argument("--folder", type=Path, help="where to work; must be empty, is left so")
    arguments = parser.parse_args()
    worst = 0.0
    for sent in arguments.ways:  # a Hub each, so that the disk need not hold all of them at once
        with (
            tempfile.TemporaryDirectory(dir=arguments.folder) as name,
            serve(Path(name)) as server,
        ):
            peak = transfer(server, Path(name), arguments.megabytes, sent, arguments.ways)
        worst = max(worst, peak)
    print(f"the hub's memory: at most {worst:.0f} MB, {MEMORY_LIMIT_MB} MB allowed")
    if worst > MEMORY_LIMIT_MB:
        sys.exit(1)


def transfer(server: Server, folder: Path, megabytes: int, sent: str, ways: list[str]) -> float:
    """Sends a file one way and fetches it by each; answers the most memory in MB."""
    measured = Measurements(server, megabytes)
    original = folder / NAME
    digest = write_random(original, megabytes)
    repo = f"{USER}/by-{sent}"
    with home(server, folder) as client, measured.of(f"up by {sent}"):
        UPLOADS[sent](client, repo, original)
    original.unlink()
    for fetched in ways:
        with home(server, folder) as client:
            with measured.of(f"  down by {fetched}"):
                path = DOWNLOADS[fetched](client, repo)
            if sha256(path) != digest:
                sys.exit(f"What was sent by {sent} came back changed by {fetched}.")
    return measured.worst_mb


@contextmanager
def home(server: Server, folder: Path) -> Iterator[Client]:
    """A client that remembers nothing."""
    place = folder / "home"
    place.mkdir()
    try:
        yield Client(server, place)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
