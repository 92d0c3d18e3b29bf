"""How often somebody may be wrong about a secret before they have to wait.

Counted in the memory of each process, over a window that slides: what is right is never refused
because of what others got wrong, but for a password, where right and wrong cannot be told apart
without trying.
"""

import ipaddress
import math
import time
from collections import OrderedDict, deque
from threading import Lock

from graft.server.errors import RateLimitedError

WINDOW_SECONDS = 900
REMEMBERED = 20_000

WRONG_BY_PAIR = 10
"""Wrong passwords for one account from one address."""
WRONG_BY_ADDRESS = 100
"""Wrong passwords from one address, whatever the account."""
WRONG_BY_ACCOUNT = 200
"""Wrong passwords for one account, from wherever: many, for nobody is to lock others out."""
WRONG_TOKENS = 1000
"""Requests with unknown or expired tokens from one address; tokens cannot be guessed, but asking
for them costs."""
WRONG_CODES = 20
"""Device codes that nobody waits with, typed in by one account."""


def network_of(address: str) -> str:
    """What of a network address its holder cannot choose: of IPv6 the first 64 bits. Limits count
    by this: whoever has one such address has more of them than anybody could count."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(found) >> 64 << 64)}/64"


class Attempts:
    """The wrong attempts of the last `WINDOW_SECONDS`, by who made them."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, limit: int, *key: str) -> None:
        """
        Raises:
            RateLimitedError: there were `limit` wrong attempts; says when to try again.
        """
        now = time.monotonic()
        with self._lock:
            times = self._recent(key, now)
            if len(times) < limit:
                return
            seconds = max(1, math.ceil(times[-limit] + WINDOW_SECONDS - now))
        raise RateLimitedError(
            f"Too many wrong attempts: try again in {math.ceil(seconds / 60)} minutes.",
            headers={"Retry-After": str(seconds)},
        )

    def note(self, limit: int, *key: str) -> None:
        """Counts a wrong attempt; no more of them are kept than `limit`."""
        now = time.monotonic()
        with self._lock:
            times = self._recent(key, now)
            times.append(now)
            while len(times) > limit:
                times.popleft()
            self._times[key] = times
            self._times.move_to_end(key)
            if len(self._times) > REMEMBERED:
                self._times.popitem(last=False)

    def forget(self, *key: str) -> None:
        """Begins anew, after an attempt that was right."""
        with self._lock:
            self._times.pop(key, None)

    def _recent(self, key: tuple[str, ...], now: float) -> deque[float]:
        times = self._times.get(key, deque())
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        return times
