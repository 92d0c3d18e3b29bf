"""Digests of files by content, remembered while the file stays as it is."""

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from graft.data.cache.folder import cache_folder
from graft.errors import DataError
from graft.files import atomic_file

# A change within a tick of the file system's clock leaves the times of a file as they are; the
# coarsest clock in use (FAT) ticks every two seconds.
_TICK_NS = 2_000_000_000
# Below this many bytes, reading a file again is quicker than looking up what is remembered of it.
_SMALL = 1 << 16
_BLOCK = 1 << 20
_MOST_THREADS = 8

_remembered: dict[str, tuple[list[int], str]] = {}


def file_digest(path: str | os.PathLike[str]) -> str:
    """32 hex digits of a file's content.

    They are remembered, also for other processes, by path, size, times and inode; but not while
    the file is so young that it could change without any of them changing.

    Raises `DataError` where there is no such file, or it changes while it is read.
    """
    name = os.path.realpath(path)
    try:
        now = time.time_ns()
        status = _status(name)
        known = _remembered.get(name) or _recalled(name, status)
        if known is not None and known[0] == status:
            return known[1]
        found = _digest(name, status[0])
        if _status(name) != status:
            raise DataError(f"{path} changes while it is read. Load it when it is complete.")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    if max(status[1:3]) < now - _TICK_NS:
        _remember(name, status, found)
    return found


def _digest(name: str, size: int) -> str:
    """32 hex digits of the digests of all blocks, which several threads compute."""

    def of_block(start: int) -> bytes:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            file.seek(start)
            return hashlib.sha256(file.read(_BLOCK)).digest()

    starts = range(0, max(size, 1), _BLOCK)
    if len(starts) == 1:
        blocks = [of_block(0)]
    else:
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
            blocks = list(pool.map(of_block, starts))
    return hashlib.sha256(b"".join([size.to_bytes(8, "little"), *blocks])).hexdigest()[:32]


def _status(name: str) -> list[int]:
    """What tells that a file is not the one it was: size, times in nanoseconds, inode, device."""
    status = os.stat(name)  # noqa: PTH116
    return [
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
    ]


def _place(name: str) -> Path:
    hashed = hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()
    return cache_folder() / ".files" / f"{hashed}.json"


def _recalled(name: str, status: list[int]) -> tuple[list[int], str] | None:
    """What another process has remembered; None where there is nothing, or nothing readable."""
    if status[0] < _SMALL:
        return None
    try:
        content = json.loads(_place(name).read_bytes())
        known = [int(each) for each in content["status"]], str(content["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    _remembered[name] = known
    return known


def _remember(name: str, status: list[int], found: str) -> None:
    _remembered[name] = status, found
    if status[0] >= _SMALL:
        with suppress(OSError), atomic_file(_place(name)) as temporary:  # to save time, no more
            content = {"path": name, "status": status, "digest": found}
            temporary.write_text(json.dumps(content), encoding="utf-8")
