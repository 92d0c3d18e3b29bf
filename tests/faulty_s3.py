"""A server between the Hub and its S3 that fails in the ways that networks and servers do."""

import socket
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Literal

Fault = Literal["none", "500", "503", "403", "hang", "break", "refuse"]

_CANNED = {
    "500": ("500 Internal Server Error", "InternalError", "We encountered an internal error."),
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "403": ("403 Forbidden", "AccessDenied", "Access Denied"),
}
_PIECE = 64 * 1024


class FaultyS3:
    """Passes on what it gets, unless `fault` says otherwise. Real sockets, real HTTP.

    "break" cuts the connection after `after` bytes that the client sends, or the server answers.
    `only` are the methods that fail; all where it is empty.
    """

    def __init__(self, target: int) -> None:
        """`target` is the port of the S3 server on 127.0.0.1."""
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.fault: Fault = "none"
        self.only: tuple[str, ...] = ()
        self.after = 1000
        self.requests = 0
        """How many requests met the fault."""
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._thread = Thread(target=self._accept, daemon=True)

    def fail(self, fault: Fault, *only: str) -> None:
        """From now on, requests meet this; connections that are open are cut."""
        self.fault, self.only, self.requests = fault, only, 0
        self._cut()

    def __enter__(self) -> "FaultyS3":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._cut()
        self._thread.join()

    def _cut(self) -> None:
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._kept(client):
            head = client.recv(_PIECE)
            method = head.split(b" ", 1)[0].decode("ascii", "replace")
            if not head:
                return
            fault = self.fault if not self.only or method in self.only else "none"
            if fault != "none":
                self.requests += 1
            if fault in _CANNED:
                self._answer(client, head, fault)
            elif fault == "hang":
                while client.recv(_PIECE):
                    pass
            elif fault != "refuse":
                self._pass_on(client, head, breaks=fault == "break")

    def _answer(self, client: socket.socket, head: bytes, fault: str) -> None:
        status, code, text = _CANNED[fault]
        length = 0
        for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        left = length - len(head.partition(b"\r\n\r\n")[2])
        while left > 0 and (data := client.recv(min(_PIECE, left))):
            left -= len(data)
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
        client.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )

    def _pass_on(self, client: socket.socket, head: bytes, *, breaks: bool) -> None:
        """One request and its answer; clients connect again for the next."""
        with socket.create_connection(("127.0.0.1", self._target)) as server, self._kept(server):
            there = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            most = self.after if breaks else None
            back = Thread(target=self._pump, args=(server, client, most), daemon=True)
            back.start()
            server.sendall(there[:most])
            if most is None or len(there) < most:
                self._pump(client, server, most and most - len(there))
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket, most: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE if most is None else min(_PIECE, most) or 1):
                if most is not None:
                    most -= len(data)
                    if most <= 0:
                        break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _kept(self, connection: socket.socket) -> "_Kept":
        return _Kept(self._open, self._lock, connection)


class _Kept:
    """Lists a connection while the block lasts, so that it can be cut."""

    def __init__(
        self, connections: set[socket.socket], lock: Lock, connection: socket.socket
    ) -> None:
        self._connections, self._lock, self._connection = connections, lock, connection

    def __enter__(self) -> None:
        with self._lock:
            self._connections.add(self._connection)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._connections.discard(self._connection)
