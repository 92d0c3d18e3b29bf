"""Work that nobody waits for: threads that look for some, do it, and look again."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from graft.server.community.deliveries import Courier
from graft.server.conversion import work as conversion
from graft.server.hub import Hub
from graft.server.scan import scans

logger = logging.getLogger("graft.server")

IDLE_SECONDS = 1.0
"""How long a worker waits before it looks again where there was nothing to do."""
TROUBLE_SECONDS = 30.0
"""How long it waits after an error that nobody expected."""
STOP_SECONDS = 5.0


class Worker:
    """A thread that calls `work(hub)` again and again: True says that it did something."""

    def __init__(self, name: str, hub: Hub, work: Callable[[Hub], bool]) -> None:
        self._hub = hub
        self._work = work
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=f"graft-{name}", daemon=True)

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    def stop(self) -> None:
        """Lets the present piece of work end, but waits no longer than some seconds for that: work
        that is broken off is done again by whoever comes next."""
        self._stopped.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                did_something = self._work(self._hub)
            except Exception:  # the next piece of work may be another
                logger.exception("Work in the background failed: %s.", self._thread.name)
                self._stopped.wait(TROUBLE_SECONDS)
                continue
            if not did_something:
                self._stopped.wait(IDLE_SECONDS)


def workers(hub: Hub) -> list[Worker]:
    """The workers of one process, not started yet."""
    found = [Worker("scan", hub, scans.work), Worker("webhooks", hub, Courier().work)]
    if hub.settings.convert_weights:
        found.append(Worker("convert", hub, conversion.work))
    return found
