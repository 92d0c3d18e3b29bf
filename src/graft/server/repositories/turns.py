"""Taking turns: who waits for a repository holds no thread while waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Lets one task of this process at a time do something with one thing, in order of arrival.

    Other processes are kept out by the thing's own lock; this keeps hundreds of waiting requests
    from taking all worker threads.
    """

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, thing: object) -> AsyncIterator[None]:
        """Waits for the turn, and has it while the block lasts."""
        lock, waiting = self._locks.get(thing, (asyncio.Lock(), 0))
        self._locks[thing] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[thing]
            if waiting == 1:
                del self._locks[thing]
            else:
                self._locks[thing] = lock, waiting - 1
