"""The folder in which steps are kept: where it is, how large it may grow, who may change what.

Below it: `<fingerprint>/` is a whole entry; `.new-<fingerprint>-*` one that is being written, under
the lock of its fingerprint, and left over where that lock is free; `.old-*` one that is being
removed; `.locks/` the locks.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from graft.data.cache.files import ABOUT, About, Damaged, read_about
from graft.data.mapped import is_read
from graft.errors import DataError
from graft.files import bytes_in

# Of the disk that holds the cache, where GRAFT_CACHE_SIZE does not say how much.
SHARE_OF_DISK = 0.25

_NEW = re.compile(r"^\.new-([0-9a-f]{32})-")
# Seconds.
_LOCK_AGE = 86400
_sizes: dict[Path, int] = {}
_FINGERPRINT = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Stored:
    """An entry in the folder: what it says of itself, its size on disk and when it was used."""

    about: About
    bytes: int
    used: float


def cache_folder() -> Path:
    """Where steps are kept: `GRAFT_CACHE` (default `~/.cache/graft`), and `datasets` below it."""
    given = os.environ.get("GRAFT_CACHE")
    return _expanded(given or os.fspath(Path.home() / ".cache" / "graft"))


@lru_cache
def _expanded(folder: str) -> Path:
    return Path(folder).expanduser() / "datasets"


def size_limit() -> int:
    """How many bytes the cache may hold: `GRAFT_CACHE_SIZE`, else a quarter of its disk.

    Raises `DataError` where `GRAFT_CACHE_SIZE` is no size.
    """
    given = os.environ.get("GRAFT_CACHE_SIZE")
    if given:
        size = bytes_in(given)
        if size is None:
            raise DataError(
                f"GRAFT_CACHE_SIZE is {given!r}. Give a size such as 50GB, 800MB or 2TB."
            )
        return size
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    return int(shutil.disk_usage(folder).total * SHARE_OF_DISK)


@contextmanager
def locked(fingerprint: str, *, timeout: float = -1) -> Iterator[None]:
    """Holds the lock of a fingerprint, over threads and processes; the system frees it of the dead.

    Args:
        fingerprint: Whose.
        timeout: Seconds to wait for it; as long as it takes where it is negative.

    Raises:
        Timeout: It was not free in that time.
    """
    folder = cache_folder() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / fingerprint, timeout=timeout, poll_interval=0.02):
        yield


def entries() -> list[Stored]:
    """All whole entries, least recently used first; damaged ones are left out."""
    found = []
    for path, _ in _by_use():
        with suppress(FileNotFoundError, Damaged):  # removed meanwhile, or recomputed when needed
            found.append(stored(path))
    return found


def stored(path: Path) -> Stored:
    """The entry in `path`. Raises `FileNotFoundError` or `Damaged` where there is none."""
    about = read_about(path)
    entry = (path / ABOUT).stat()
    return Stored(about, about.bytes + entry.st_size, entry.st_mtime)


def _by_use() -> list[tuple[Path, float]]:
    """The folders of entries with the time of their last use, oldest first."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):  # there is no cache yet
        for path in cache_folder().iterdir():
            if _FINGERPRINT.match(path.name):
                with suppress(FileNotFoundError):
                    found.append((path, (path / ABOUT).stat().st_mtime))
    return sorted(found, key=lambda entry: entry[1])


def recent(limit: int) -> list[Stored]:
    """The most recently used entries, the last one first."""
    found = []
    for path, _ in reversed(_by_use()[-limit:]):
        with suppress(FileNotFoundError, Damaged):
            found.append(stored(path))
    return found


def touch(path: Path) -> None:
    """Notes that an entry was used now; a cache that may only be read does not note it."""
    with suppress(PermissionError, FileNotFoundError):
        os.utime(path / ABOUT)


def new_folder(fingerprint: str) -> Path:
    """A folder to write an entry in; the caller holds the lock of its fingerprint."""
    return Path(tempfile.mkdtemp(dir=cache_folder(), prefix=f".new-{fingerprint}-"))


def remove(fingerprint: str) -> bool:
    """Takes an entry away; its lock is held by the caller. False where there was none."""
    aside = cache_folder() / f".old-{fingerprint}-{os.getpid()}-{time.time_ns()}"
    try:
        (cache_folder() / fingerprint).rename(aside)
    except FileNotFoundError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def remove_if_free(fingerprint: str) -> bool:
    """Takes an entry away unless some process writes it, or still reads from it."""
    try:
        with locked(fingerprint, timeout=0):
            files = (cache_folder() / fingerprint).glob("*.arrow")
            return not any(map(is_read, files)) and remove(fingerprint)
    except Timeout:
        return False


def sweep(held: str = "", *, damaged: bool = False) -> None:
    """Removes what processes that died have left: half-written and half-removed entries.

    Args:
        held: The fingerprint whose lock the caller holds.
        damaged: Whether to remove damaged entries too, which costs a look at each.
    """
    for path in list(cache_folder().iterdir()):
        if path.name.startswith(".old-"):
            shutil.rmtree(path, ignore_errors=True)
        elif found := _NEW.match(path.name):
            free = nullcontext() if found[1] == held else locked(found[1], timeout=0)
            with suppress(Timeout), free:
                shutil.rmtree(path, ignore_errors=True)
        elif damaged and _FINGERPRINT.match(path.name) and not _is_whole(path):
            remove_if_free(path.name)


def _is_whole(path: Path) -> bool:
    try:
        about = read_about(path)
        return all((path / each.file).stat().st_size == each.bytes for each in about.tables)
    except (FileNotFoundError, Damaged):
        return False


def forget_lock(fingerprint: str) -> None:
    """Removes a lock that is held and that nobody else will ask for."""
    (cache_folder() / ".locks" / fingerprint).unlink(missing_ok=True)


def sweep_locks() -> None:
    """Removes locks without an entry that nobody has held for a day."""
    for path in list((cache_folder() / ".locks").glob("*")):
        with suppress(FileNotFoundError, Timeout):
            old = path.stat().st_mtime < time.time() - _LOCK_AGE
            if old and not (cache_folder() / path.name).exists():
                with locked(path.name, timeout=0):  # who waits for it sees that it is gone
                    path.unlink()


def shrink(limit: int, keep: str = "") -> list[Stored]:
    """Removes the least recently used entries until the cache holds at most `limit` bytes.

    Entries that a process reads from stay, and so does `keep`. Returns those removed.
    """
    there = {path: _size_of(path) for path, _ in _by_use()}
    total = sum(there.values())
    removed = []
    for path, size in there.items():
        if total <= limit:
            break
        with suppress(FileNotFoundError, Damaged):
            entry = stored(path)
            if path.name != keep and remove_if_free(path.name):
                total -= size
                removed.append(entry)
    return removed


def _size_of(path: Path) -> int:
    """Bytes of an entry, which never changes: looked up once."""
    if path not in _sizes:
        with suppress(FileNotFoundError, Damaged):
            _sizes[path] = stored(path).bytes
    return _sizes.get(path, 0)
