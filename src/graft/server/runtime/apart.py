"""Work on what anybody may have sent, in a process of its own with little memory and time."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Hashable
from threading import BoundedSemaphore
from typing import Generic, TypeVar

from graft.server.errors import BusyError
from graft.server.search.kept import Kept

Value = TypeVar("Value")

KEPT_SECONDS = 24 * 3600.0
_BUSY = "this Hub has much to read just now; reload the page in a moment."


class Apart(Generic[Value]):
    """Work of one kind, done once for all who ask for the same, and kept."""

    def __init__(self, *, at_once: int, waiting: int, kept: int) -> None:
        """
        Args:
            at_once: how many processes may be at work.
            waiting: how many threads may wait for them, those that are worked for included: all
                other requests miss these.
            kept: how many results are kept.
        """
        self._line = BoundedSemaphore(waiting)
        self._places = BoundedSemaphore(at_once)
        self._kept: Kept[Value] = Kept(KEPT_SECONDS, kept)

    def made(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What was made of the same before, or is now. Blocks.

        Raises:
            BusyError: too many wait already.
        """
        found = self._kept.get(key)
        if found is not None:
            return found
        if not self._line.acquire(blocking=False):
            raise BusyError(_BUSY)
        try:
            return self._kept.get_or_make(key, lambda: self._in_place(make), keep=lambda _: True)
        finally:
            self._line.release()

    def _in_place(self, make: Callable[[], Value]) -> Value:
        with self._places:
            return make()


def run(module: str, given: bytes, seconds: float, **settings: str) -> tuple[int, bytes]:
    """Runs a module that keeps itself `within` limits; answers its exit status and output. Blocks.

    Args:
        given: what it reads from standard input.
        seconds: of the clock; many times what it may take of a processor.
        settings: environment variables; of the Hub's own it gets none that could be secret.

    Raises:
        BusyError: it could not be started, or not be done in time: the machine has too much to do.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module],  # -P: nothing out of the folder that it starts in
            input=given,
            env=environment | settings,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise BusyError(_BUSY) from error
    return done.returncode, done.stdout


def within(memory_bytes: int, seconds: int) -> None:
    """Holds this process to so much memory, and so much time of a processor."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
