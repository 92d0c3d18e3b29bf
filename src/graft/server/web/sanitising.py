"""Sanitising HTML that may take a sanitiser very long, in a process of its own with little memory.

HTML that leaves tags open takes the square of its length: each paragraph repeats what was bold
before it. 37 kB can become 28 MB, and take a gigabyte meanwhile.
"""

import hashlib
import json
import sys

from graft.server.runtime.apart import Apart, run, within

MEMORY_BYTES = 512 * 1024**2
SECONDS = 5
MAX_RESULT_BYTES = 4_000_000
_TOO_MUCH = b""

_work: Apart[bytes] = Apart(at_once=2, waiting=8, kept=16)


def sanitise_apart(html: str, files: str, pages: str, id_prefix: str) -> str | None:
    """What `cards.sanitise` makes of `html`; None where it takes too much. Blocks.

    Args:
        files, pages: the fields of `CardLinks`.

    Raises:
        BusyError: many others are being sanitised just now.
    """
    asked = json.dumps([html, files, pages, id_prefix]).encode()
    found = _work.made(hashlib.sha256(asked).digest(), lambda: _run(asked))
    return None if found == _TOO_MUCH else found.decode()


def _run(asked: bytes) -> bytes:
    status, said = run(__name__, asked, 4 * SECONDS)
    return said if status == 0 else _TOO_MUCH


def main() -> int:
    """Reads what is asked from standard input, and writes what it becomes."""
    from graft.server.web.cards import CardLinks, sanitise  # it asks this module

    within(MEMORY_BYTES, SECONDS)
    html, files, pages, id_prefix = json.loads(sys.stdin.buffer.read())
    clean = sanitise(html, CardLinks(files, pages), id_prefix).encode()
    if len(clean) > MAX_RESULT_BYTES:
        return 1
    sys.stdout.buffer.write(clean)
    return 0


if __name__ == "__main__":
    sys.exit(main())
