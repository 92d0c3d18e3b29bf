"""Bodies of uploads, received straight into the memory of who reads them.

An HTTP parser hands a body on in pieces of its own, each copied several times before it is there.
The rest of a long one, after its first piece, is taken off its connection without a parser. An
application finds out whether that can be by the ASGI extension `EXTENSION` of a request: a function
that answers an `Intake`, or None.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect

EXTENSION = "graft.intake"

SECONDS = 0.2
"""After so long, who waits for a block is told of what has come, so that it knows who is slow."""


class Intake(ABC):
    """What is left of a body."""

    @property
    @abstractmethod
    def left(self) -> int:
        """How many bytes that is."""

    @abstractmethod
    async def receive_into(self, buffer: memoryview) -> int:
        """Fills the buffer with the next bytes, as far as they come within `SECONDS`; answers how
        many, one at least, and 0 only behind the end.

        Raises:
            ClientDisconnect: the connection was lost before the body's end.
        """


class ConnectionIntake(asyncio.BufferedProtocol, Intake):
    """Has a connection until `left` bytes of the body have come, and then gives it back."""

    def __init__(
        self,
        connection: asyncio.Protocol,
        transport: asyncio.Transport,
        left: int,
        taken: Callable[[], None],
    ) -> None:
        """`taken` is called once all bytes have come, and `connection` has the transport again."""
        self._connection = connection
        self._transport = transport
        self._left = left
        self._taken = taken
        self._buffer = memoryview(b"")  # what is still to be filled
        self._until = 0.0
        self._coming: asyncio.Future[None] | None = None
        self._lost = False
        transport.pause_reading()  # nothing comes but while somebody waits for it
        transport.set_protocol(self)

    @property
    def left(self) -> int:
        return self._left

    async def receive_into(self, buffer: memoryview) -> int:
        if not self._left or not buffer:
            return 0
        if self._lost:
            raise ClientDisconnect
        loop = asyncio.get_running_loop()
        self._buffer = wanted = buffer[: self._left]
        self._until = loop.time() + SECONDS
        self._coming = loop.create_future()
        self._transport.resume_reading()
        try:
            await self._coming
        finally:
            self._transport.pause_reading()
        if not self._left:
            self._give_back()
        return len(wanted) - len(self._buffer)

    def _give_back(self) -> None:
        self._transport.set_protocol(self._connection)
        self._taken()
        self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> Any:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer = self._buffer[nbytes:]
        self._left -= nbytes
        coming = self._coming
        if coming is None or coming.done():
            return
        if not self._buffer or coming.get_loop().time() > self._until:
            self._transport.pause_reading()
            coming.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._coming is not None and not self._coming.done():
            self._coming.set_exception(ClientDisconnect())
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
