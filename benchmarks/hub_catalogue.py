"""Lists and searches of a large Hub: latencies under load, and what a hundred times more costs.

A Hub with a hundred thousand models and twenty thousand data sets is filled (`hub_fill`, two
minutes), served by `graft hub serve --workers 2`, and asked by 16 clients at once (`wrk`, or a few
lines of asyncio for HEAD, which `wrk` cannot). The peer of each row is the same Hub with a
thousand repositories in all. Bars, for the 95th percentile: 50 ms for words, filters and lists,
20 ms for a model's information and for HEAD of a file; 3 s until the first answer after the start.

The bars are for a machine that does nothing else: two processes, `wrk` and PostgreSQL's or SQLite's
work share its cores.
"""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from common import Row
from hub_fill import DATASETS, FAMILIES, LANGUAGES, LICENSES, TASKS, Filled, fill, pick
from processes import free_port, serving

CLIENTS = 16
ADDRESSES = 4000
SORTS = ("lastModified", "downloads", "likes", "trendingScore", "createdAt")
BARS = {"search": 50, "filter": 50, "list": 50, "info": 20, "head": 20}
"""Milliseconds."""
START_BAR = 3.0
SCRIPT = Path(__file__).parent / "hub_requests.lua"


@dataclass(frozen=True)
class Load:
    """What came of asking for some seconds: milliseconds, and requests a second."""

    p50: float
    p95: float
    rate: float
    errors: int


def addresses(filled: Filled, seed: int) -> dict[str, list[str]]:
    """What is asked for, by case: `METHOD PATH`."""
    chance = random.Random(seed)
    public = filled.public
    makers: dict[str, Callable[[], str]] = {
        "search": lambda: f"GET {_models(search=_words(filled, chance))}",
        "filter": lambda: f"GET {_models(filter=_tags(chance), sort=chance.choice(SORTS))}",
        "list": lambda: f"GET {_models(sort=chance.choice(SORTS))}",
        "info": lambda: f"GET /api/models/{chance.choice(public)}",
        "head": lambda: f"HEAD /{chance.choice(public)}/resolve/main/config.json",
    }
    return {case: [make() for _ in range(ADDRESSES)] for case, make in makers.items()}


def _models(**asked: object) -> str:
    return f"/api/models?{urlencode({**asked, 'limit': 30}, doseq=True)}"


def _words(filled: Filled, chance: random.Random) -> str:
    """A word or two of the cards, a part of a name, or a number that one name has."""
    kinds = (
        lambda: pick(chance, filled.words),
        lambda: f"{pick(chance, filled.words)} {pick(chance, filled.words)}",
        lambda: f"{chance.choice(FAMILIES)}-base",
        lambda: str(chance.randrange(len(filled.models))),
    )
    return chance.choice(kinds)()


def _tags(chance: random.Random) -> list[str]:
    tags = [chance.choice(TASKS)]
    if chance.random() < 0.6:
        tags.append(chance.choice(LANGUAGES))
    if chance.random() < 0.3:
        tags.append(f"license:{chance.choice(LICENSES)}")
    if chance.random() < 0.2:
        tags.append(f"dataset:{chance.choice(DATASETS)}")
    return tags


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[int, float]]:
    """A Hub over `folder`: its port, and the seconds from its start to its first answer."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "graft"), "hub", "serve", "--port", str(port)]
    environment = os.environ | {"GRAFT_DATA_FOLDER": str(folder), "OMP_NUM_THREADS": "1"}
    first = f"http://127.0.0.1:{port}/api/models?limit=1"
    with serving(
        [*command, "--workers", str(workers)], first, folder / "serve.log", environment
    ) as seconds:
        yield port, seconds


def ask(port: int, case: str, wanted: list[str], seconds: int) -> Load:
    """Asks with 16 clients at once for some seconds."""
    if case == "head" or shutil.which("wrk") is None:
        return _ask_by_sockets(port, wanted, seconds)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        command = ["wrk", "-t2", f"-c{CLIENTS}", f"-d{seconds}", "-s", str(SCRIPT)]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}", "--", file.name, "1"],
            capture_output=True,
            text=True,
            check=True,
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    rate = said["requests"] / said["seconds"]
    return Load(said["p50"], said["p95"], rate, int(said["errors"]))


def _ask_by_sockets(port: int, wanted: list[str], seconds: float) -> Load:
    """As `wrk`, which waits for the bodies that answers to HEAD do not have."""
    took, errors = asyncio.run(_all_clients(port, wanted, seconds))
    took.sort()
    return Load(took[len(took) // 2], took[int(len(took) * 0.95)], len(took) / seconds, errors)


async def _all_clients(port: int, wanted: list[str], seconds: float) -> tuple[list[float], int]:
    loop = asyncio.get_running_loop()
    clients = [_Client(wanted, seed, loop.time() + seconds) for seed in range(CLIENTS)]
    for client in clients:
        await loop.create_connection(lambda one=client: one, "127.0.0.1", port)
    await asyncio.gather(*(client.done for client in clients))
    return [t for client in clients for t in client.took], sum(c.errors for c in clients)


class _Client(asyncio.Protocol):
    """One connection, on which the next request goes out when an answer has come."""

    def __init__(self, wanted: list[str], seed: int, end: float) -> None:
        self._wanted, self._chance, self._end = wanted, random.Random(seed), end
        self._loop = asyncio.get_running_loop()
        self._answer = b""
        self.took: list[float] = []
        """Milliseconds of each request."""
        self.errors = 0
        self.done = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, ended, body = self._answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not ended or (self._has_body and length and len(body) < int(length[1])):
            return
        self.took.append(1000 * (self._loop.time() - self._began))
        self.errors += not head.startswith(b"HTTP/1.1 2")
        if self._loop.time() < self._end:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("The Hub ended a connection."))

    def _ask(self) -> None:
        line = self._chance.choice(self._wanted)
        self._has_body, self._answer = not line.startswith("HEAD "), b""
        self._began = self._loop.time()
        self._transport.write(f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def measure(
    folder: Path, filled: Filled, workers: int, seconds: int
) -> tuple[float, dict[str, Load]]:
    """The seconds until the first answer, and what came of each case."""
    asked = addresses(filled, seed=1)
    with served(folder, workers) as (port, start):
        for wanted in asked.values():  # each process reads what it needs once
            _ask_by_sockets(port, wanted[:200], 1)
        return start, {case: ask(port, case, wanted, seconds) for case, wanted in asked.items()}


def measured(
    models: int, datasets: int, workers: int, seconds: int, kept: Path | None
) -> list[Row]:
    """Every case; `kept` is a folder for the Hubs, which another run finds again."""
    with tempfile.TemporaryDirectory() as scratch:
        found = {}
        for name, (some, others) in {"small": (850, 150), "large": (models, datasets)}.items():
            folder = (kept or Path(scratch)) / f"hub-{some}-{others}"
            filled = fill(folder, some, others)
            found[name] = measure(folder, filled, workers, seconds)
    rows = []
    (small_start, small), (large_start, large) = found["small"], found["large"]
    for case, load in large.items():
        peer = small[case]
        rows.append(
            Row(f"{case}: p95 (bar {BARS[case]} ms)", peer.p95, load.p95, peer.p95 / load.p95, "ms")
        )
        rows.append(
            Row(f"{case}: requests a second", peer.rate, load.rate, load.rate / peer.rate, "1/s")
        )
        if load.errors or peer.errors:
            sys.exit(f"{case}: {load.errors + peer.errors} requests failed.")
    ratio = small_start / large_start
    rows.append(Row(f"start to first answer (bar {START_BAR} s)", small_start, large_start, ratio))
    return rows
