"""How much one asker may ask, and how much hard work is done at a time."""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers

from graft.server.errors import BusyError, RateLimitedError
from graft.server.people.attempts import network_of

WINDOW_SECONDS = 300
"""What `rate_limit` counts requests over."""
REMEMBERED = 50_000
"""Askers whose counts are kept; the one who asked longest ago is forgotten first."""


@dataclass
class _Bucket:
    """Tokens of one asker at the time `filled`; each request takes one."""

    tokens: float
    filled: float


@dataclass(frozen=True)
class Allowance:
    """What an asker has left: requests, and seconds until there are as many as there can be."""

    limit: int
    left: int
    reset: int

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-09 and stock clients write it."""
        return {
            "RateLimit": f'"api";r={self.left};t={self.reset}',
            "RateLimit-Policy": f'"token bucket";"api";q={self.limit};w={WINDOW_SECONDS}',
        }


class RateLimiter:
    """Token buckets: one for each access token or session that was seen to be right, one for each
    address for everybody else, so that nobody gets more by making up tokens.

    A bucket holds `limit` requests and fills again in `WINDOW_SECONDS`.
    """

    def __init__(self, known: int, unknown: int) -> None:
        """The limits for known tokens and for addresses; 0: none."""
        self._limits = {True: known, False: unknown}
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Whether there is any limit."""
        return any(self._limits.values())

    def take(self, secret: bytes | None, address: str) -> Allowance | None:
        """Counts one request; None where nothing limits it.

        Args:
            secret: the digest of the credentials that came with it, from `digest_of`.
            address: where it came from.

        Raises:
            RateLimitedError: nothing is left.
        """
        known = secret is not None and secret in self._known
        limit = self._limits[known]
        if limit <= 0:
            return None
        key = secret if known and secret is not None else network_of(address).encode()
        now = time.monotonic()
        bucket = self._buckets.pop(key, None) or _Bucket(limit, now)
        self._buckets[key] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        rate = limit / WINDOW_SECONDS
        bucket.tokens = min(limit, bucket.tokens + (now - bucket.filled) * rate)
        bucket.filled = now
        if bucket.tokens < 1:
            raise _limited(limit, math.ceil((1 - bucket.tokens) / rate))
        bucket.tokens -= 1
        return Allowance(limit, int(bucket.tokens), math.ceil((limit - bucket.tokens) / rate))

    def recognise(self, secret: bytes) -> None:
        """Notes that the credentials were right."""
        self._known[secret] = None
        self._known.move_to_end(secret)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, secret: bytes) -> None:
        """Notes that the credentials are worth nothing any more."""
        self._known.pop(secret, None)


def digest_of(headers: Headers) -> bytes | None:
    """What stands for a request's credentials in memory; None where it brings none."""
    given = headers.get("authorization") or headers.get("cookie")
    return hashlib.blake2b(given.encode(), digest_size=16).digest() if given else None


class Gate:
    """Lets a number of requests do hard work at a time; others wait, but not too many of them."""

    def __init__(self, name: str, at_once: int, most_waiting: int) -> None:
        self.name = name
        self.waiting = 0
        self._most_waiting = most_waiting
        self._places = asyncio.Semaphore(at_once)

    @property
    def is_full(self) -> bool:
        """Whether whoever comes next has to wait."""
        return self._places.locked()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Holds a place while the block lasts.

        Raises:
            BusyError: too many wait already.
        """
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """Waits for a place; who got one gives it back with `leave`.

        Raises:
            BusyError: too many wait already.
        """
        if self.is_full and self.waiting >= self._most_waiting:
            raise BusyError(
                f"The Hub is busy: {self.waiting} {self.name} wait already. Try again in a moment."
            )
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        self._places.release()


def _limited(limit: int, wait: int) -> RateLimitedError:
    allowance = Allowance(limit, 0, wait)
    return RateLimitedError(
        f"Too many requests: this Hub takes {limit} in {WINDOW_SECONDS} seconds from one token or "
        f"address. Go on in {wait} seconds.",
        headers={"Retry-After": str(wait), **allowance.headers()},
    )
