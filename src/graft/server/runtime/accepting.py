"""Sharing the connections of one port out to processes: none has many while others have few.

The system gives a connection to whichever process comes first, and the one that is awake comes
first again and again: of sixteen connections one of two processes often had thirteen, and whoever
asked it waited longest. So a process that has more than another leaves what comes to that one for a
moment, and takes it itself only where nobody else did.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, MutableSequence, Sized
from contextlib import suppress

PATIENCE_SECONDS = 0.002
"""How long a connection is left to another process, for each that this one has more than it."""
MOST_PATIENCE_SECONDS = 0.02
PAUSE_SECONDS = 1.0
"""How long none is taken after the system had no room for one."""
NEVER = 2**31 - 1
"""So many has who takes no more."""

logger = logging.getLogger("graft.server")


class Counts:
    """How many connections each process has, in memory that all of them share."""

    def __init__(self, shared: MutableSequence[int], mine: int) -> None:
        """`mine` is this process's place in `shared`."""
        self._shared = shared
        self._mine = mine

    def tell(self, count: int) -> None:
        """Says how many this process has."""
        self._shared[self._mine] = count

    @property
    def ahead(self) -> int:
        """How many this process has more than the one with the fewest."""
        return self._shared[self._mine] - min(self._shared)


class Acceptor:
    """Takes connections from a socket that others take them from, too; stands in uvicorn's list of
    servers, which it closes when it stops."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Sized,
        counts: Counts,
    ) -> None:
        """`connections` are those that this process has. To be made inside the loop."""
        self._listening = listening
        self._make_protocol = make_protocol
        self._connections = connections
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[object]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._is_closed = False
        listening.setblocking(False)
        self._loop.add_reader(listening, self._come)

    def close(self) -> None:
        """Takes what has come, which the system would reset, and no more; the others wait for it no
        more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._counts.tell(NEVER)
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        with suppress(OSError):  # no room for one more
            while self._take_one():
                pass
        self._listening.close()

    async def wait_closed(self) -> None:
        """Waits for the connections that were taken last to begin."""
        if self._beginning:
            await asyncio.wait(self._beginning)

    def tell(self) -> None:
        """Says how many connections this process has."""
        if not self._is_closed:
            self._counts.tell(len(self._connections) + len(self._beginning))

    def _come(self) -> None:
        self.tell()
        ahead = self._counts.ahead
        if ahead > 0:
            self._wait(min(ahead * PATIENCE_SECONDS, MOST_PATIENCE_SECONDS))
        else:
            self._take()

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._later = None
        self._loop.add_reader(self._listening, self._come)
        self._take()

    def _take(self) -> None:
        try:
            self._take_one()
        except OSError as error:
            logger.error("No connection can be taken: %s. Trying again in a second.", error)
            self._wait(PAUSE_SECONDS)

    def _take_one(self) -> bool:
        """Takes a connection, and answers whether there was one.

        Raises:
            OSError: the system has no room for one.
        """
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another process was faster, or the client is gone
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._begin(accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        self.tell()
        return True

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, accepted)
        except OSError as error:
            accepted.close()
            logger.info("A connection ended before it began: %s", error)
