"""Sanitising HTML that may take a sanitiser very long, in a process of its own with little memory.

HTML that leaves tags open takes the square of its length: each paragraph repeats what was bold
before it. 37 kB can become 28 MB, and take a gigabyte meanwhile.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
from threading import BoundedSemaphore

from graft.server.search.kept import Kept

MEMORY_BYTES = 512 * 1024**2
SECONDS = 5
MAX_RESULT_CHARACTERS = 4_000_000
AT_ONCE = 2
KEPT = 100
KEPT_SECONDS = 24 * 3600.0
_TOO_MUCH = ""

_places = BoundedSemaphore(AT_ONCE)
_kept: Kept[str] = Kept(KEPT_SECONDS, KEPT)


def sanitise_apart(html: str, files: str, pages: str, id_prefix: str) -> str | None:
    """What `cards.sanitise` makes of `html`; None where it takes too much, or many others are being
    sanitised just now. Blocks.

    Args:
        files, pages: the fields of `CardLinks`.
    """
    asked = json.dumps([html, files, pages, id_prefix]).encode()
    key = hashlib.sha256(asked).digest()
    found = _kept.get(key)
    if found is None:
        # Nobody waits for a place: threads that wait are missed by everybody else.
        if not _places.acquire(blocking=False):
            return None
        try:
            found = _run(asked)
        finally:
            _places.release()
        _kept.put(key, found)
    return None if found == _TOO_MUCH else found


def _run(asked: bytes) -> str:
    settings = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=asked,
            env=settings,
            capture_output=True,
            timeout=4 * SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _TOO_MUCH
    return done.stdout.decode() if done.returncode == 0 else _TOO_MUCH


def main() -> int:
    """Reads what is asked from standard input, and writes what it becomes."""
    from graft.server.web.cards import CardLinks, sanitise  # it asks this module

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    html, files, pages, id_prefix = json.loads(sys.stdin.buffer.read())
    clean = sanitise(html, CardLinks(files, pages), id_prefix)
    if len(clean) > MAX_RESULT_CHARACTERS:
        return 1
    sys.stdout.buffer.write(clean.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
