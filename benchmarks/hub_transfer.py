"""Bytes to a Hub and back: stock clients against a plain copy, and against nginx.

The Hub is a process of its own, as `graft hub serve` starts it, and so is every client. Each figure
is MB/s of one file of random bytes that nobody has sent before, until all of it is on the disk
(`sync`). Up, the peers are nginx's PUT and `cp` on the same disk, which hash nothing; the bar is
40%. The stock client's own work is part of its figures: beside them stands what it reaches with a
server that throws everything away (`hub_discard`). Down, the peer is nginx with `curl`; the bar is
70%. The last row is what a client sends again after 1% of the file
has changed, as a share of the file, by the counters of the loopback network; the bar is 5%.
"""

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi

from common import Row
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.settings import Settings
from processes import free_port, serving

MB = 1e6
_EDITS = 10

_UPLOAD = """
import json, sys, time
from huggingface_hub import HfApi
api, path, repo = HfApi(), *sys.argv[1:]
api.create_repo(repo, exist_ok=True)
started = time.perf_counter()
api.upload_file(path_or_fileobj=path, path_in_repo="weights.safetensors", repo_id=repo)
print(json.dumps(time.perf_counter() - started))
"""
_DOWNLOAD = """
import json, sys, time
from huggingface_hub import hf_hub_download
folder, repo = sys.argv[1:]
started = time.perf_counter()
hf_hub_download(repo, "weights.safetensors", local_dir=folder)
print(json.dumps(time.perf_counter() - started))
"""
_NGINX = """
daemon off; pid {folder}/pid; error_log stderr; user root;
events {{ }}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {folder}/incoming;
  server {{ listen 127.0.0.1:{port}; root {folder}; location /sent/ {{ dav_methods PUT; }} }}
}}
"""


@dataclass(frozen=True)
class Bench:
    """A Hub that runs, somebody with a token, and a folder on the same disk."""

    url: str
    token: str
    folder: Path

    def environment(self, *, xet: bool) -> dict[str, str]:
        """A client's own: nothing that an earlier one kept is there."""
        home = tempfile.mkdtemp(dir=self.folder)
        settings = {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HOME": home}
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "0" if xet else "1"}
        return {"PATH": os.environ["PATH"], "HOME": home} | settings | quiet

    def send(self, path: Path, repo: str) -> float:
        """Seconds of `curl`, which sends a file by Git LFS, until it is on the disk."""
        HfApi(self.url, self.token).create_repo(repo)
        size, sha256 = path.stat().st_size, file_hash(path)
        wanted = {"operation": "upload", "objects": [{"oid": sha256, "size": size}]}
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        address = f"{self.url}/{repo}.git/info/lfs/objects/batch"
        request = urllib.request.Request(address, json.dumps(wanted).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            action = json.load(answer)["objects"][0]["actions"]["upload"]
        return put(path, action["href"], self.folder)

    def client(self, script: str, *arguments: str, environment: dict[str, str]) -> float:
        """The seconds that a stock client takes in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return float(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def running(folder: Path) -> Iterator[Bench]:
    """A Hub with one account."""
    data = folder / "hub"
    hub = Hub(Settings(data_folder=data))
    account = accounts.create_account(hub, "bench")
    _, token = accounts.create_token(hub, account, name="bench", role="write")
    hub.close()
    port = free_port()
    program = Path(sys.executable).with_name("graft")
    url = f"http://127.0.0.1:{port}"
    command = [str(program), "hub", "serve", "--data", str(data), "--port", str(port)]
    with serving(command, url, folder / "hub.log"):
        yield Bench(url, token, folder)


def on_disk(folder: Path, seconds: float) -> float:
    """`seconds`, and those until all that was written is on the disk."""
    started = time.perf_counter()
    subprocess.run(["sync", "--file-system", str(folder)], check=True)
    return seconds + time.perf_counter() - started


def random_file(path: Path, size: int) -> Path:
    """A file of random bytes, already on the disk, so that nothing is left to be written."""
    with path.open("wb") as file:
        for start in range(0, size, 1 << 24):
            file.write(os.urandom(min(1 << 24, size - start)))
    on_disk(path.parent, 0)
    return path


def copy(source: Path, folder: Path) -> float:
    """Seconds of `cp`, until the copy is on the disk."""
    target = folder / "copy"
    started = time.perf_counter()
    subprocess.run(["cp", str(source), str(target)], check=True)
    seconds = on_disk(folder, time.perf_counter() - started)
    target.unlink()
    return seconds


def fetch(address: str, folder: Path) -> float:
    """Seconds of `curl`, until what it fetched is on the disk."""
    target = folder / "fetched"
    started = time.perf_counter()
    subprocess.run(["curl", "-sSfL", "-o", str(target), address], check=True)
    seconds = on_disk(folder, time.perf_counter() - started)
    target.unlink()
    return seconds


def put(source: Path, address: str, folder: Path) -> float:
    """Seconds of `curl`, until what it sent is on the disk."""
    started = time.perf_counter()
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-T", str(source), address], check=True)
    return on_disk(folder, time.perf_counter() - started)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def nginx(static: Path) -> Iterator[str]:
    """The address at which nginx gives the files of a folder, and takes those below `sent`."""
    (static / "sent").mkdir(parents=True)
    port = free_port()
    settings = static / "nginx.conf"
    settings.write_text(_NGINX.format(folder=static, port=port))
    url = f"http://127.0.0.1:{port}"
    with serving(["nginx", "-c", str(settings)], f"{url}/nginx.conf", static / "nginx.log"):
        yield url


@contextmanager
def discarding(folder: Path) -> Iterator[str]:
    """The address of a server that throws away what stock clients send it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Path(__file__).with_name("hub_discard.py")
    with serving([sys.executable, str(program), str(port)], url, folder / "discard.log"):
        yield url


class Transfers:
    """The seconds of every way in and out, and of its peers, all in turn."""

    def __init__(self, bench: Bench, nginx: str, discarding: str, static: Path) -> None:
        self._bench = bench
        self._alone = replace(bench, url=discarding)
        self._nginx = nginx
        self._static = static
        self._seconds: dict[str, list[float]] = {}

    def speed(self, name: str, size: int) -> float:
        """MB/s, of the median."""
        return size / MB / statistics.median(self._seconds[name])

    def up(self, way: str, size: int, repo: str) -> None:
        """A new file to every server, by the stock client (`way` "Xet" or "LFS") or by curl."""
        bench, file = self._bench, random_file(self._static / "weights.safetensors", size)
        self._note("cp", copy(file, bench.folder))
        self._note("nginx PUT", put(file, f"{self._nginx}/sent/{way}", bench.folder))
        (self._static / "sent" / way).unlink()
        if way == "curl":
            self._note(f"up {way}", bench.send(file, repo))
            return
        for name, server in ((f"up {way}", bench), (f"alone {way}", self._alone)):
            environment = server.environment(xet=way == "Xet")
            seconds = server.client(_UPLOAD, str(file), repo, environment=environment)
            self._note(name, on_disk(bench.folder, seconds))

    def down(self, way: str, repo: str) -> None:
        """What was sent last, from every server."""
        bench, name = self._bench, "weights.safetensors"
        self._note("nginx", fetch(f"{self._nginx}/{name}", bench.folder))
        address = f"{bench.url}/{repo}/resolve/main/{name}"
        self._note(f"down {way}, curl", fetch(address, bench.folder))
        for client in ("Xet", "plain GET"):
            target = tempfile.mkdtemp(dir=bench.folder)
            environment = bench.environment(xet=client == "Xet")
            seconds = bench.client(_DOWNLOAD, target, repo, environment=environment)
            self._note(f"down {way}, {client}", on_disk(bench.folder, seconds))
            subprocess.run(["cmp", str(self._static / name), f"{target}/{name}"], check=True)
            shutil.rmtree(target)

    def _note(self, name: str, seconds: float) -> None:
        self._seconds.setdefault(name, []).append(seconds)


def transfers(bench: Bench, size: int, repeats: int) -> list[Row]:
    """MB/s of every way in and out, each beside its peers."""
    static = bench.folder / "static"
    with nginx(static) as address, discarding(bench.folder) as nowhere:
        timed = Transfers(bench, address, nowhere, static)
        for repeat in range(repeats):
            timed.up("curl", size, f"bench/curl-{repeat}")
            for way in ("Xet", "LFS"):
                repo = f"bench/{way.lower()}-{repeat}"
                timed.up(way, size, repo)
                timed.down(way, repo)

    def row(case: str, ours: str, peer: str) -> Row:
        speed, theirs = timed.speed(ours, size), timed.speed(peer, size)
        return Row(case, theirs, speed, speed / theirs, "MB/s")

    rows = []
    for way, by in (("curl", "curl"), ("Xet", "client, Xet"), ("LFS", "client, LFS")):
        rows.append(row(f"up by {by} (nginx PUT)", f"up {way}", "nginx PUT"))
        rows.append(row(f"up by {by} (cp)", f"up {way}", "cp"))
        if way != "curl":
            rows.append(row(f"up by {by} (thrown away)", f"up {way}", f"alone {way}"))
    for way in ("Xet", "LFS"):
        for by in ("curl", "Xet", "plain GET"):
            case = f"down by {by}, came by {way} (nginx)"
            rows.append(row(case, f"down {way}, {by}", "nginx"))
    return rows


def sent_again(bench: Bench, size: int) -> Row:
    """What is sent after 1% of a file has changed in ten places, as a share of the file."""
    file = random_file(bench.folder / "again.safetensors", size)
    environment = bench.environment(xet=True)
    bench.client(_UPLOAD, str(file), "bench/again", environment=environment)
    edit = size // 100 // _EDITS
    with file.open("r+b") as changed:
        for place in range(_EDITS):
            changed.seek(size // _EDITS * place + size // (2 * _EDITS))
            changed.write(os.urandom(edit))
    before = _loopback_bytes()
    bench.client(_UPLOAD, str(file), "bench/again", environment=environment)
    share = (_loopback_bytes() - before) / size
    return Row("sent again after 1% changed, share", 1.0, share, 1 / share, "of the file")


def _loopback_bytes() -> int:
    return int(Path("/sys/class/net/lo/statistics/rx_bytes").read_text())


def measured(size: int, repeats: int) -> list[Row]:
    """Every case; the disk needs room for about ten times the file."""
    for program in ("nginx", "curl"):
        if shutil.which(program) is None:
            sys.exit(f"This benchmark needs {program}: apt-get install {program}")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as bench:
        return [*transfers(bench, size, repeats), sent_again(bench, size)]
