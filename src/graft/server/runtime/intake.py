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


class Intake(ABC):
    """What is left of a body."""

    @property
    @abstractmethod
    def left(self) -> int:
        """How many bytes that is."""

    @abstractmethod
    async def receive_into(self, buffer: memoryview) -> int:
        """Puts the next bytes at the beginning of the buffer; answers how many, 0 at the end.

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
        self._buffer = memoryview(b"")
        self._coming: asyncio.Future[int] | None = None
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
        self._buffer = buffer[: self._left]
        self._coming = asyncio.get_running_loop().create_future()
        self._transport.resume_reading()
        try:
            count = await self._coming
        finally:
            self._coming = None
            self._transport.pause_reading()
        self._left -= count
        if not self._left:
            self._give_back()
        return count

    def _give_back(self) -> None:
        self._transport.set_protocol(self._connection)
        self._taken()
        self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> Any:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._transport.pause_reading()
        if self._coming is not None and not self._coming.done():
            self._coming.set_result(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._coming is not None and not self._coming.done():
            self._coming.set_exception(ClientDisconnect())
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
