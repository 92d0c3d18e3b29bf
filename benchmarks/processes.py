"""Servers that are measured: each a process of its own, at a port that nobody else has."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

_START_SECONDS = 60
_STOP_SECONDS = 30


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def serving(
    command: list[str], address: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[float]:
    """A server, and the seconds from its start until `address` answers; stopped in the end.

    What it says goes into `log`.
    """
    with log.open("wb") as said:
        started = time.perf_counter()
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        while not _answers(address):
            if server.poll() is not None or time.perf_counter() - started > _START_SECONDS:
                sys.exit(f"{command[0]} did not start: {log.read_text()}")
            time.sleep(0.02)
        yield time.perf_counter() - started
    finally:
        server.terminate()
        server.wait(_STOP_SECONDS)


def _answers(address: str) -> bool:
    try:
        urlopen(address, timeout=10).close()
    except OSError:
        return False
    return True
