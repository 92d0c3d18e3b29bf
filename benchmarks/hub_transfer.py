"""Bytes to a Hub and back: stock clients against a plain copy, and against nginx.

The Hub is a process of its own, as `graft hub serve` starts it, and so is every client. Each figure
is MB/s of one file of random bytes that nobody has sent before, until all of it is on the disk
(`sync`). Up, the peer is `cp` on the same disk, which hashes nothing; its bar is 40%. Down, it
is nginx and `curl`; the bar is 70%. The last row is what a client sends again after 1% of the file
has changed, as a share of the file, by the counters of the loopback network; the bar is 5%.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
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


def transfers(bench: Bench, size: int, repeats: int) -> list[Row]:
    """MB/s of every way in and out, each beside its peer."""
    seconds: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        seconds.setdefault(name, []).append(value)

    static = bench.folder / "static"
    static.mkdir()
    port = free_port()
    settings = static / "nginx.conf"
    settings.write_text(_NGINX.format(folder=static, port=port))
    url = f"http://127.0.0.1:{port}"
    command = ["nginx", "-c", str(settings)]
    with serving(command, f"{url}/nginx.conf", bench.folder / "nginx.log"):
        for repeat in range(repeats):
            for way in ("Xet", "LFS"):
                file = random_file(static / "weights.safetensors", size)
                repo = f"bench/{way.lower()}-{repeat}"
                note("cp", copy(file, bench.folder))
                environment = bench.environment(xet=way == "Xet")
                up = bench.client(_UPLOAD, str(file), repo, environment=environment)
                note(f"up {way}", on_disk(bench.folder, up))
                note("nginx", fetch(f"{url}/weights.safetensors", bench.folder))
                address = f"{bench.url}/{repo}/resolve/main/weights.safetensors"
                note(f"down {way}, curl", fetch(address, bench.folder))
                for client in ("Xet", "LFS"):
                    target = tempfile.mkdtemp(dir=bench.folder)
                    environment = bench.environment(xet=client == "Xet")
                    down = bench.client(_DOWNLOAD, target, repo, environment=environment)
                    note(f"down {way}, client {client}", on_disk(bench.folder, down))
                    same = ["cmp", str(file), f"{target}/weights.safetensors"]
                    subprocess.run(same, check=True)
                    shutil.rmtree(target)
    speeds = {name: size / MB / statistics.median(values) for name, values in seconds.items()}
    return [
        Row(
            _case(name),
            speeds["cp" if name.startswith("up") else "nginx"],
            speed,
            speed / speeds["cp" if name.startswith("up") else "nginx"],
            "MB/s",
        )
        for name, speed in speeds.items()
        if name.startswith(("up", "down"))
    ]


def _case(name: str) -> str:
    direction, _, rest = name.partition(" ")
    way, _, client = rest.partition(", ")
    if direction == "up":
        return f"upload by {way}"
    by = "curl" if client == "curl" else f"the stock client, {client.removeprefix('client ')}"
    return f"download of what came by {way}, by {by}".replace("client, LFS", "client, plain GET")


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
