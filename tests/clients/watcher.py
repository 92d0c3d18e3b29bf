"""What a program asks of the world outside: none of it is let through, all is remembered."""

import socketserver
import threading
from pathlib import Path

# In front of what a Python started with this folder on its path imports first.
_SITE = """
import os, sys


def _watch(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and host != "localhost" and not host.startswith(("127.", "::")):
        with open(os.environ["GRAFT_TEST_OUTSIDE"], "a") as file:
            file.write(f"{host}\\n")
        raise OSError(f"{host} is outside")


sys.addaudithook(_watch)
"""


class Watcher:
    """A proxy for programs that heed one, and an import for those in Python that do not."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "outside.txt"
        self._log.touch()
        self._site = folder / "site"
        self._site.mkdir()
        (self._site / "sitecustomize.py").write_text(_SITE)
        log = self._log

        class Refuser(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline(1000).decode("latin-1").strip()
                with log.open("a") as file:
                    file.write(f"{line}\n")
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        self._proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuser)
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program ask here."""
        proxy = f"http://127.0.0.1:{self._proxy.server_address[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        here = "127.0.0.1,localhost"
        return dict.fromkeys(names, proxy) | {
            "no_proxy": here,
            "NO_PROXY": here,
            "PYTHONPATH": str(self._site),
            "GRAFT_TEST_OUTSIDE": str(self._log),
        }

    def asked(self) -> list[str]:
        """What was asked for so far, a line each."""
        return self._log.read_text().splitlines()

    def close(self) -> None:
        """Stops the proxy."""
        self._proxy.shutdown()
        self._proxy.server_close()
