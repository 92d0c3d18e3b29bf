"""Who asks the other hub about a thing, one at a time, and for how long what it said holds."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

MOST_WAITING = 32
"""Requests that wait for the other hub at a time, each in a thread, and one for each thing with a
connection to the database: a class that asks for the same. Large files take none."""
REMEMBERED = 20_000
"""How many things a `Deadlines` keeps: the oldest go first."""


class Places:
    """Lets some threads wait for the other hub at a time: those that wait are missed here."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Holds a place and gives True, or gives False at once where there is none."""
        free = self._free.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._free.release()


class Locks:
    """A lock for each thing, as long as somebody needs it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[object, tuple[Lock, int]] = {}

    @contextmanager
    def held(self, thing: object) -> Iterator[None]:
        """Waits for the lock and holds it."""
        with self._borrowed(thing) as lock, lock:
            yield

    @contextmanager
    def tried(self, thing: object) -> Iterator[bool]:
        """Holds the lock and gives True, or gives False at once where somebody else holds it."""
        with self._borrowed(thing) as lock:
            free = lock.acquire(blocking=False)
            try:
                yield free
            finally:
                if free:
                    lock.release()

    @contextmanager
    def _borrowed(self, thing: object) -> Iterator[Lock]:
        with self._lock:
            lock, users = self._known.get(thing, (Lock(), 0))
            self._known[thing] = lock, users + 1
        try:
            yield lock
        finally:
            with self._lock:
                lock, users = self._known[thing]
                if users == 1:
                    del self._known[thing]
                else:
                    self._known[thing] = lock, users - 1


class Deadlines:
    """Until when something holds, for as many things as fit in memory."""

    def __init__(self) -> None:
        self._ends: OrderedDict[object, float] = OrderedDict()
        self._lock = Lock()

    def set(self, thing: object, seconds: float) -> None:
        """Lets it hold for so long from now on."""
        with self._lock:
            self._ends[thing] = time.monotonic() + seconds
            self._ends.move_to_end(thing)
            if len(self._ends) > REMEMBERED:
                self._ends.popitem(last=False)

    def holds(self, thing: object) -> bool:
        """Whether it still does; not where nothing was ever said of it."""
        return self._ends.get(thing, 0.0) > time.monotonic()
