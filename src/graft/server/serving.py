"""Serving a Hub until it is told to stop: what `graft hub serve` runs."""

import socket
from collections.abc import Callable

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
    listening = _listen(settings)
    host, port = settings.host, listening.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    announce(
        settings.public_url or f"http://{shown}:{port}", accounts.count_accounts(app.state.hub)
    )
    config = uvicorn.Config(
        app, log_level="info", proxy_headers=True, timeout_graceful_shutdown=GRACE_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        raise HubError(
            f"Nothing can listen at {settings.host}, port {settings.port}: {error.strerror}. "
            "Choose another port with --port."
        ) from error
