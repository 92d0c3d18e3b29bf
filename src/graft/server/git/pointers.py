"""Git LFS pointers: the few lines that stand in git for a large object (the LFS specification)."""

import re

from graft.server.records import Lfs

VERSION = "https://git-lfs.github.com/spec/v1"
MIN_POINTER_BYTES = 100
MAX_POINTER_BYTES = 1024

_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n"
    rb"(?:ext-[^\n]*\n)*"
    rb"oid sha256:(?P<sha256>[0-9a-f]{64})\n"
    rb"size (?P<size>[0-9]{1,15})\n?"
)


def format_pointer(sha256: str, size: int) -> bytes:
    """The pointer's text for an object of `size` bytes."""
    return f"version {VERSION}\noid sha256:{sha256}\nsize {size}\n".encode()


def is_pointer_size(size: int) -> bool:
    """Whether a file of so many bytes could be a pointer: few others need to be read to know."""
    return MIN_POINTER_BYTES <= size <= MAX_POINTER_BYTES


def parse_pointer(data: bytes) -> Lfs | None:
    """What the pointer `data` stands for, or None where it is not a pointer."""
    if len(data) > MAX_POINTER_BYTES:
        return None
    match = _POINTER.fullmatch(data)
    if match is None:
        return None
    return Lfs(match["sha256"].decode(), int(match["size"]), len(data))
