"""A Hub inside this process: for tests, demonstrations and notebooks."""

from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import uvicorn

from graft.errors import HubError
from graft.server.app import create_app
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.records import Role
from graft.server.runtime.connections import configuration
from graft.server.runtime.serving import listen
from graft.server.settings import Settings

START_SECONDS = 30.0


class RunningHub:
    """A Hub on a port of 127.0.0.1, served by a background thread while the block lasts.

    >>> with RunningHub(folder) as hub:
    ...     token = hub.add_user("ada")
    ...     api = huggingface_hub.HfApi(endpoint=hub.url, token=token)
    """

    def __init__(self, data_folder: Path, *, port: int = 0, **settings: Any) -> None:
        """`port` 0 takes a free one; `settings` are fields of `Settings`."""
        self._socket = listen("127.0.0.1", port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(data_folder=Path(data_folder), port=self.port, **settings)
        self.app = create_app(self.settings)
        self._server = uvicorn.Server(configuration(self.app, self.settings))
        self._thread = Thread(target=self._serve, name="graft-hub", daemon=True)

    @property
    def hub(self) -> Hub:
        """The Hub's inside."""
        hub: Hub = self.app.state.hub
        return hub

    def add_user(
        self,
        name: str,
        *,
        password: str | None = None,
        role: Role = "write",
        token_name: str = "first",
    ) -> str:
        """Makes an account and answers a token for it."""
        account = accounts.create_account(self.hub, name, password=password)
        _, secret = accounts.create_token(self.hub, account, name=token_name, role=role)
        return secret

    def start(self) -> "RunningHub":
        """
        Raises:
            HubError: it does not answer in time.
        """
        self._thread.start()
        give_up = monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > give_up:
                raise HubError(f"The Hub in {self.settings.data_folder} did not start.")
            sleep(0.01)
        return self

    def stop(self) -> None:
        """Lets running requests end, then closes the port and the database."""
        self.app.state.readiness.is_stopping = True
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> "RunningHub":
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()
