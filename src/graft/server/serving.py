"""Serving a Hub until it is told to stop: what `graft hub serve` runs."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from graft.errors import HubError
from graft.server import accounts
from graft.server.app import create_app
from graft.server.settings import Settings

GRACE_SECONDS = 10


def serve(settings: Settings, announce: Callable[[str, int], None]) -> None:
    """Serves until SIGINT or SIGTERM; running requests get some seconds to end.

    Args:
        announce: called with the Hub's address and how many accounts it has, once it listens.

    Raises:
        HubError: the port is taken, or the data folder cannot be used.
    """
    try:
        app = create_app(settings)
    except OSError as error:
        raise HubError(
            f"The data folder {settings.data_folder} cannot be used: {error.strerror}. "
            "Name another with --data."
        ) from error
    listening = listen(settings.host, settings.port)
    host, port = settings.host, listening.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    announce(
        settings.public_url or f"http://{shown}:{port}", accounts.count_accounts(app.state.hub)
    )
    config = uvicorn.Config(
        app, log_level="info", proxy_headers=True, timeout_graceful_shutdown=GRACE_SECONDS
    )
    with suppress(KeyboardInterrupt):  # Ctrl-C is how one stops a Hub, not an accident
        uvicorn.Server(config).run(sockets=[listening])


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
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise HubError(
            f"Nothing can listen at {host}, port {port}: {error.strerror}. "
            "Choose another port with --port."
        ) from error
    return listening
