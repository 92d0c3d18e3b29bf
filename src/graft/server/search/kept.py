"""Results that are long to find, kept for a while.

Only those that concern thousands of repositories are kept: on a hub of a few hundred every answer
is of this moment, and on a large one a count or a common word is at most some seconds old.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key, the least used forgotten first; a value is made once for all who wait."""

    def __init__(self, seconds: float, most: int) -> None:
        """`seconds`: how long a value counts; `most`: how many are kept."""
        self._seconds = seconds
        self._most = most
        self._values: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value, where one is kept that is not too old."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            if monotonic() - found[0] > self._seconds:
                del self._values[key]
                return None
            self._values.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, value: Value) -> None:
        """Keeps a value."""
        with self._lock:
            self._values[key] = (monotonic(), value)
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """Lets go of a value."""
        with self._lock:
            self._values.pop(key, None)

    def get_or_make(
        self, key: Hashable, make: Callable[[], Value], *, keep: Callable[[Value], bool]
    ) -> Value:
        """The value that is kept, or a new one; it is kept where `keep` says that it may be."""
        found = self.get(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            found = self.get(key)
            if found is not None:
                return found
            try:
                value = make()
                if keep(value):
                    self.put(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
            return value
