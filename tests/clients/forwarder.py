"""A Hub's address that stops passing bytes on: what is being sent breaks off for certain."""

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType

_PIECE_BYTES = 1 << 16


class Forwarder:
    """Passes connections on to a Hub on this machine until `limit` bytes went there, then holds all
    of them still; to be used as a block."""

    def __init__(self, port: int, limit: int) -> None:
        self._port = port
        self._left: float = limit
        self._lock = threading.Lock()
        self._released = threading.Event()
        self.held = threading.Event()
        """That the limit was reached."""
        forwarder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                forwarder._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Breaks off what is held, and from now on passes on all that comes."""
        with self._lock:
            self._left = float("inf")
        self._released.set()

    def __enter__(self) -> "Forwarder":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as hub:
            back = threading.Thread(target=_pass_on, args=(hub, client), daemon=True)
            back.start()
            with suppress(ConnectionError):  # whoever sent was killed
                while data := client.recv(_PIECE_BYTES):
                    if not self._passes(len(data)):
                        self._released.wait()
                        break
                    hub.sendall(data)
            with suppress(OSError):  # the Hub was quicker
                hub.shutdown(socket.SHUT_RDWR)
            back.join()

    def _passes(self, size: int) -> bool:
        """Whether so many bytes more may go to the Hub."""
        with self._lock:
            self._left -= size
            if self._left >= 0:
                return True
        self.held.set()
        return False


def _pass_on(hub: socket.socket, client: socket.socket) -> None:
    """What the Hub answers, until it or the client is gone."""
    with suppress(OSError):
        while data := hub.recv(_PIECE_BYTES):
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
