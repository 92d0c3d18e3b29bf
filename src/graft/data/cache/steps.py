"""A step and what it wrote: computed once over all processes, opened ever after."""

import errno
import hashlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import Timeout

from graft.data.cache import folder as folders
from graft.data.cache import history as histories
from graft.data.cache.durability import sync_soon
from graft.data.cache.files import (
    FORMAT,
    VERSION,
    Damaged,
    EntryWriter,
    open_tables,
    read_about,
    when_unused,
)
from graft.data.cache.folder import cache_folder, size_limit
from graft.data.fingerprint.walk import Unfingerprintable
from graft.errors import DataError

_logger = logging.getLogger("graft.data")
# Bytes of an entry: to write a smaller one takes little memory, which is soon used again.
_LARGE = 16 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST}

Write = Callable[[EntryWriter], None]


@dataclass(frozen=True)
class Step:
    """Something computed from data: what it is called, and all that its result depends on.

    Attributes:
        name: Such as "map".
        parts: The digest of each thing it depends on, by what people call it, such as
            `{"input": ..., "function: code of clean": ..., "batch_size": ...}`.
    """

    name: str
    parts: Mapping[str, str]

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits of the name, the parts, Graft's version and the format of the files."""
        hashed = hashlib.blake2b(digest_size=16)
        for text in (f"graft {VERSION} {FORMAT}", self.name, *_pairs(self.parts)):
            content = text.encode("utf-8", "surrogatepass")
            hashed.update(b"%d:" % len(content))
            hashed.update(content)
        return hashed.hexdigest()


def _pairs(parts: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(parts):
        yield name
        yield parts[name]


@dataclass(frozen=True)
class Entry:
    """What a step wrote.

    Attributes:
        fingerprint: Of the step; a random one where the step has none.
        tables: The tables by name, memory-mapped.
        metadata: What else the step kept.
        folder: Where its files are.
        hit: Whether they were there before.
    """

    fingerprint: str
    tables: dict[str, pa.Table]
    metadata: dict[str, Any]
    folder: Path
    hit: bool = False


def cached(step: Step, write: Write) -> Entry:
    """What `step` wrote: opened where it is kept already, else written by `write` and kept.

    Of several processes that ask for one step, one computes it and the others wait for it.

    Args:
        step: What is computed, and from what.
        write: Writes the tables; called once at most. Nothing is kept of it when it raises.

    Raises:
        DataError: The disk is full, or the cache's folder cannot be written to.
    """
    started = time.perf_counter()
    fingerprint = step.fingerprint
    with _explained():
        found = _opened(fingerprint)
    if found is None:
        with _explained(), ExitStack() as held:
            try:
                held.enter_context(folders.locked(fingerprint, timeout=0))
            except Timeout:
                _logger.info("Another process computes the step %s: waiting for it.", step.name)
                held.enter_context(folders.locked(fingerprint))
            found = _opened(fingerprint)  # somebody may have been faster
            if found is None:
                return _kept(step, write, started)
    took = time.perf_counter() - started
    histories.record(step.name, fingerprint, "hit", _hit(found), seconds=took)
    return found


def uncached(write: Write) -> Entry:
    """What `write` wrote, kept no longer than its tables are in use by this process."""
    fingerprint = uuid.uuid4().hex
    held = ExitStack()
    with _explained():
        held.enter_context(folders.locked(fingerprint))
        held.callback(folders.forget_lock, fingerprint)
        folder = folders.new_folder(fingerprint)
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            _written(folder, Step("not kept", {}), fingerprint, write)
            entry = _read(folder, hit=False)
        except BaseException:
            held.close()
            raise
    owner = os.getpid()

    def done() -> None:
        if os.getpid() == owner:  # a forked process leaves the files alone
            held.close()

    when_unused(folder, done)
    return entry


def computed(
    name: str, parts: Callable[[], Mapping[str, str]], write: Write, *, cache: bool = True
) -> Entry:
    """`cached` where the step has a fingerprint, else `uncached` with a warning that says why.

    Args:
        name: The step's name.
        parts: Gives the digests of all that the step depends on; may raise `Unfingerprintable`.
        write: Writes the tables.
        cache: False keeps nothing, without a warning.
    """
    if not cache:
        return uncached(write)
    try:
        step = Step(name, parts())
    except Unfingerprintable as error:
        _logger.warning("%s: the result is not kept for the next time. %s", name, error)
        started = time.perf_counter()
        entry = uncached(write)
        took = time.perf_counter() - started
        histories.record(name, entry.fingerprint, "not kept", str(error), seconds=took)
        return entry
    return cached(step, write)


def _opened(fingerprint: str) -> Entry | None:
    """The entry as it is kept; None where there is none, or a damaged one, of which we warn."""
    folder = cache_folder() / fingerprint
    try:
        entry = _read(folder, hit=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Damaged as error:
        if not folder.exists():  # removed while it was being opened
            return None
        _logger.warning("The cache is damaged: %s. The step is computed again.", error)
        return None
    folders.touch(folder)
    return entry


def _read(folder: Path, *, hit: bool) -> Entry:
    about = read_about(folder)
    return Entry(about.fingerprint, open_tables(folder, about), dict(about.metadata), folder, hit)


def _hit(entry: Entry) -> str:
    rows = sum(table.num_rows for table in entry.tables.values())
    return f"{rows:,} rows"


def _kept(step: Step, write: Write, started: float) -> Entry:
    """Computes a step whose lock is held, and puts it into its place whole."""
    place = cache_folder() / step.fingerprint
    reason, changed = histories.why_missed(step.name, step.fingerprint, step.parts)
    if place.exists():
        reason, changed = "its files were damaged", ()
    folders.sweep(step.fingerprint)
    limit = size_limit()
    folder = folders.new_folder(step.fingerprint)
    try:
        _written(folder, step, step.fingerprint, write)
        folders.remove(step.fingerprint)  # a damaged one
        folder.rename(place)
        sync_soon(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    entry = _read(place, hit=False)
    took = time.perf_counter() - started
    histories.record(step.name, step.fingerprint, "miss", reason, changed=changed, seconds=took)
    _bound(limit, step.fingerprint)
    return entry


def _written(folder: Path, step: Step, fingerprint: str, write: Write) -> None:
    writer = EntryWriter(folder)
    try:
        write(writer)
        writer.finish(fingerprint, step.name, step.parts)
    except OSError as error:
        if error.errno not in _NO_SPACE or error.filename:
            raise
        written = sum(file.stat().st_size for file in folder.iterdir())
        raise _full(folder.parent, error, f" after {written / 1e6:,.1f} MB were written") from error
    finally:
        if writer.bytes > _LARGE:
            pa.default_memory_pool().release_unused()  # not kept for the next step


def _bound(limit: int, keep: str) -> None:
    """Removes what has not been used for longest where the cache has grown beyond its limit."""
    removed = folders.shrink(limit, keep)
    if removed:
        folders.sweep_locks()
    for entry in removed:
        about = entry.about
        reason = f"the cache holds more than {limit / 1e9:.1f} GB, see GRAFT_CACHE_SIZE"
        histories.record(about.step, about.fingerprint, "removed", reason)
        _logger.info("Removed %s of the step %s: %s.", about.fingerprint, about.step, reason)


@contextmanager
def _explained() -> Iterator[None]:
    """Says what to do about a full disk, and a folder that cannot be written to."""
    try:
        yield
    except OSError as error:
        folder = cache_folder()
        if error.filename and not _is_within(folder, Path(error.filename)):
            raise  # not the cache's, but of what the step itself reads or writes
        if error.errno in _NO_SPACE:
            raise _full(folder, error) from error
        above = error.filename and folder.is_relative_to(error.filename)  # which cannot be made
        if error.errno in _NO_FOLDER or above:
            raise DataError(
                f"The cache cannot be written to: {error.filename or folder} ({error.strerror}). "
                "Set GRAFT_CACHE to a folder of your own."
            ) from error
        raise


def _full(folder: Path, error: OSError, when: str = "") -> DataError:
    free = shutil.disk_usage(folder).free if folder.exists() else 0
    return DataError(
        f"The disk of the cache is full: {folder} ({error.strerror or error}){when}; "
        f"{free / 1e6:,.1f} MB are free there. Free some space, or clear the cache (graft dataset "
        "cache clear), or set GRAFT_CACHE to a folder on a larger disk. Nothing was left behind."
    )


def _is_within(folder: Path, path: Path) -> bool:
    """Whether a path is below the cache's folder, or above it."""
    return path.is_relative_to(folder) or folder.is_relative_to(path)
