"""Several processes that serve one Hub at one port, and the one that looks after them.

They share the port's socket, and its connections evenly (`accepting`). What they have
to know of each other is in the database; what they count goes to a folder, so that whichever is
asked for the metrics can add up all of it.
"""

import gc
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, MutableSequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from graft.server.runtime import logs
from graft.server.runtime.accepting import NEVER, Counts
from graft.server.settings import Settings

LOOK_SECONDS = 0.5
"""How often the supervisor looks whether all of them live."""
HEALTHY_SECONDS = 10.0
"""A worker that lived so long is started again at once."""
LONGEST_PAUSE_SECONDS = 30.0
EXTRA_SECONDS = 5.0
"""After the grace of running requests, what stopping itself may take."""

logger = logging.getLogger("graft.server")
Result = TypeVar("Result")
# Forked, a worker begins with all modules loaded, and shares their memory with the others. Threads
# would be missing in it and their locks stay taken: so this process starts none, and opens no Hub.
# Outside of Linux, libraries of the system have threads of their own.
_context: ForkContext | SpawnContext = (
    multiprocessing.get_context("fork")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)


def in_another_process(work: Callable[[Settings], Result], settings: Settings) -> Result:
    """What `work` answers, or raises, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=_context) as pool:
        return pool.submit(work, settings).result()


def supervise(settings: Settings, listening: socket.socket) -> None:
    """Keeps `settings.workers` processes serving until SIGINT or SIGTERM; a second signal does not
    wait for requests that are being answered."""
    folder = Path(tempfile.mkdtemp(prefix="graft-metrics-"))
    shared = replace(settings, metrics_folder=folder)
    signals: list[int] = []
    handlers = {
        number: signal.signal(number, lambda received, _frame: signals.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    counts = _context.RawArray("i", settings.workers)
    workers = [_Worker(shared, listening, counts, n) for n in range(settings.workers)]
    gc.collect()
    gc.freeze()  # else a worker's first look for garbage would copy all that it shares
    try:
        while not signals:
            for worker in workers:
                worker.keep_alive()
            time.sleep(LOOK_SECONDS)
        logger.info(
            "Stopping: requests that are being answered get %d seconds to end. A second signal "
            "(Ctrl-C) cuts them off.",
            settings.grace_seconds,
        )
        seconds = settings.drain_seconds + settings.grace_seconds + EXTRA_SECONDS
        give_up = time.monotonic() + seconds
        for worker in workers:
            worker.send(signal.SIGTERM)
        # With the last worker that listens, the port has to close: what came later would wait here
        # for nobody.
        listening.close()
        while any(worker.is_alive for worker in workers):
            if len(signals) > 1 or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        logger.info("Stopped.")
    finally:
        for worker in workers:
            worker.kill()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        shutil.rmtree(folder, ignore_errors=True)


class _Worker:
    """The place of one process: there is always one in it, unless all die at their start."""

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        counts: MutableSequence[int],
        number: int,
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._counts = Counts(counts, number)
        self._counts.tell(NEVER)  # until it says otherwise: others wait for nobody who is not there
        self._process: BaseProcess | None = None
        self._started = self._due = self._pause = 0.0

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def keep_alive(self) -> None:
        """Starts the process, where there is none: later each time, where it dies at once."""
        now = time.monotonic()
        if self._process is not None and not self._process.is_alive():
            lived = now - self._started
            again = min(max(1.0, 2 * self._pause), LONGEST_PAUSE_SECONDS)
            self._pause = 0.0 if lived > HEALTHY_SECONDS else again
            self._due = now + self._pause
            logger.error(
                "The worker %s ended with status %s; another one takes its place in %.0f seconds.",
                self._process.pid,
                self._process.exitcode,
                self._pause,
            )
            self._process = None
            self._counts.tell(NEVER)
        if self._process is None and now >= self._due:
            self._started = now
            self._process = _context.Process(
                target=_serve,
                args=(self._settings, self._listening, os.getpid(), self._counts),
                name="graft-hub",
            )
            self._process.start()

    def send(self, number: int) -> None:
        """Sends a signal, where there is somebody to get it."""
        if self._process is not None and self._process.is_alive() and self._process.pid:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _serve(settings: Settings, listening: socket.socket, parent: int, counts: Counts) -> None:
    """What a worker runs."""
    from graft.server.app import create_app
    from graft.server.runtime.serving import HubServer

    # Ctrl-C reaches all processes of the terminal: the supervisor alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the server has its own way to stop
    with logs.written(settings.log_format, settings.log_level):
        app = create_app(settings)
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        HubServer(app, settings, lambda: None, counts).run(sockets=[listening])


def _end_with(parent: int) -> None:
    """Stops the worker when its supervisor is gone: nobody would start or stop it any more."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    logger.error("The supervisor is gone; this worker stops.")
    os.kill(os.getpid(), signal.SIGTERM)
