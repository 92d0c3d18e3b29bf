"""Serving a Hub until it is told to stop: what `graft hub serve` runs."""

import asyncio
import errno
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from graft.errors import HubError
from graft.server.app import create_app
from graft.server.errors import StorageError
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.runtime import logs, starting
from graft.server.runtime.accepting import Acceptor, Counts
from graft.server.runtime.connections import configuration
from graft.server.settings import Settings, warn_of_unknown

BACKLOG = 1024
CLOSING_SECONDS = 5.0
"""How long the application may take to close after a second signal."""
LAST_REQUEST_SECONDS = 1.0
"""How long after a connection its first request may come, when the Hub stops."""
CLOSE_HEADER = (b"connection", b"close")

logger = logging.getLogger("graft.server")


class HubServer(uvicorn.Server):
    """Serves one process of a Hub. The first signal lets running requests end, the second does not.
    One of several processes leaves the second to who looks after them: both often get each signal.

    After the first signal it answers for another `drain_seconds`, each connection for the last time
    and `/readyz` with 503, so that a proxy finds the way to others without an error.

    After a signal it returns, where uvicorn would send the signal to itself once more.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        on_stop: Callable[[], None],
        counts: Counts | None = None,
    ) -> None:
        """`counts`: of the connections of all processes, where several listen at one socket."""
        super().__init__(configuration(app, settings))
        self._app = app
        self._on_stop = on_stop
        self._counts = counts
        self._acceptors: list[Acceptor] = []
        self._drain_seconds = settings.drain_seconds
        self._drained_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._counts is None:
            await super().startup(sockets)
            return
        await super().startup([])
        connections = self.server_state.connections
        self._acceptors = [
            Acceptor(listening, self._new_protocol, connections, self._counts)
            for listening in sockets or ()
        ]
        servers: list[Any] = self.servers
        servers += self._acceptors

    def _new_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def on_tick(self, counter: int) -> bool:
        for acceptor in self._acceptors:
            acceptor.tell()
        ends = await super().on_tick(counter)
        if not ends or self.force_exit or time.monotonic() >= self._drained_at:
            return ends
        # A proxy that kept a connection would send its next request just as we close it.
        headers = self.server_state.default_headers
        if CLOSE_HEADER not in headers:
            self.server_state.default_headers = [*headers, CLOSE_HEADER]
        return False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain_seconds and not self.force_exit:
            for server in self.servers:
                server.close()
            # Of those that came last, the first request may be on its way: it would be reset.
            await asyncio.sleep(LAST_REQUEST_SECONDS)
        await super().shutdown(sockets)
        if self.force_exit:  # requests are cut off, not what the application has open
            with suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), CLOSING_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._counts is not None and (self.should_exit or sig == signal.SIGINT):
            return
        if self.should_exit:
            self.force_exit = True
            return
        self.should_exit = True
        self._drained_at = time.monotonic() + self._drain_seconds
        self._app.state.readiness.is_stopping = True
        self._on_stop()


def serve(settings: Settings, announce: Callable[[str, int], None]) -> None:
    """Serves until SIGINT or SIGTERM; running requests get `grace_seconds` to end.

    Args:
        announce: called with the Hub's address and how many accounts it has, once it listens.

    Raises:
        HubError: the port is taken, or the data folder cannot be used.
    """
    with logs.written(settings.log_format, settings.log_level):
        _serve(settings, announce)


def _serve(settings: Settings, announce: Callable[[str, int], None]) -> None:
    listening = listen(settings.host, settings.port)
    try:
        starting.check_programs()
        _open(lambda: starting.check_folder(settings), settings)
        if settings.workers > 1:
            from graft.server.runtime.workers import in_another_process, supervise

            count = in_another_process(_prepare, settings)
            _warn(settings, listening)
            announce(settings.address(listening.getsockname()[1]), count)
            supervise(settings, listening)
            return
        app = _open(lambda: create_app(settings), settings)
        _check_storage(app.state.hub)
        _warn(settings, listening)
        announce(
            settings.address(listening.getsockname()[1]), accounts.count_accounts(app.state.hub)
        )
        run(app, settings, listening)
    finally:
        listening.close()


def run(app: Any, settings: Settings, listening: socket.socket) -> None:
    """Serves in this process, until a signal comes."""

    def tell() -> None:
        logger.info(
            "Stopping: requests that are being answered get %d seconds to end. A second signal "
            "(Ctrl-C) cuts them off.",
            settings.grace_seconds,
        )

    HubServer(app, settings, tell).run(sockets=[listening])
    logger.info("Stopped.")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address.

    Raises:
        HubError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that name their protocol; left on, it
    # holds every answer back for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        # An address that is no one's, and one that is another machine's.
        wrong_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        advice = (
            "Name an address of this machine with --host; 0.0.0.0 for all."
            if wrong_host
            else "Choose another port with --port."
        )
        raise HubError(
            f"Nothing can listen at {host}, port {port}: {error.strerror}. {advice}"
        ) from error
    return listening


def _prepare(settings: Settings) -> int:
    """Brings the tables up to date before the workers start, and counts the accounts."""
    hub = _open(lambda: Hub(settings), settings)
    try:
        _check_storage(hub)
        return accounts.count_accounts(hub)
    finally:
        hub.close()


def _warn(settings: Settings, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    told = [
        *warn_of_unknown(os.environ),
        *starting.ask_for_files(settings),
        *starting.warnings(settings, port),
    ]
    for text in told:
        logger.warning("%s", text)


def _check_storage(hub: Hub) -> None:
    """Warns of storage that does not answer. The Hub serves nevertheless: it may come back, and all
    that is in git can be read meanwhile."""
    try:
        hub.content.blobs.check()
    except StorageError as error:
        logger.warning(
            "Large files can be neither stored nor read: %s Look at GRAFT_STORAGE_URL (%s), at "
            "AWS_ENDPOINT, AWS_REGION and the keys, and that the bucket is there.",
            error,
            hub.settings.storage_url or hub.settings.data_folder,
        )


def _open(make: Callable[[], Any], settings: Settings) -> Any:
    try:
        return make()
    except OSError as error:
        raise HubError(
            f"The data folder {settings.data_folder} cannot be used: {error.strerror}. "
            "Name another with --data."
        ) from error
