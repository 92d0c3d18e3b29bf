"""Arrow files mapped into memory, and tables of them pickled by path instead of by content.

A table whose buffers lie in a mapped file costs another process nothing: what is pickled is the
file's path and where in it each buffer lies, and the other process maps the same file.
"""

import mmap
import os
import pickle
import sys
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias
from weakref import WeakValueDictionary

import pyarrow as pa

from graft.errors import DataError

if sys.platform != "win32":  # which lets nobody remove a file that is mapped
    import fcntl

# A buffer in a mapped file (path, first byte, bytes), or one that is pickled by its content.
_Place: TypeAlias = tuple[str, int, int] | bytes


class MappedFile(mmap.mmap):
    """A file mapped read-only. It lives as long as any Arrow buffer in it."""

    path: Path
    address: int
    __hash__ = object.__hash__


# By address and by path. Arrow's buffers keep the mapping alive, so that an entry vanishes with
# the last table over its file, and no address of an unmapped file is ever found here.
_by_address: WeakValueDictionary[int, MappedFile] = WeakValueDictionary()
_by_path: WeakValueDictionary[tuple[Path, int, int, int], MappedFile] = WeakValueDictionary()


def open_mapped(path: str | Path) -> pa.Table:
    """The rows of an Arrow IPC file, which stays on disk: pages are read when they are touched.

    Raises `DataError` when the file is missing or not a whole Arrow file.
    """
    try:
        with pa.ipc.open_file(pa.py_buffer(_mapping(Path(path)))) as reader:
            return reader.read_all()
    except (OSError, ValueError) as error:  # pa.ArrowInvalid is a ValueError
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: this is not a whole Arrow file ({reason}). Make it again."
        ) from error


def mapped_files() -> list[MappedFile]:
    """The files that tables of this process read from."""
    return list(_by_address.values())


def dump_table(table: pa.Table) -> bytes:
    """`table` as bytes for `load_table` in a process on the same machine.

    Columns in mapped files are told by place; others are copied, only the rows they show.
    """
    mapped, copied = [], []
    files = sorted(_by_address.items())
    for name, column in zip(table.column_names, table.columns, strict=True):
        buffers: list[pickle.PickleBuffer] = []
        content = pickle.dumps(column, protocol=5, buffer_callback=buffers.append)
        places = [_place_of(pa.py_buffer(buffer), files) for buffer in buffers]
        if None in places:
            copied.append(name)
        else:
            mapped.append((name, content, places))
    sink = pa.BufferOutputStream()
    rest = table.select(copied)
    with pa.ipc.new_stream(sink, rest.schema) as writer:
        writer.write_table(rest)
    return pickle.dumps((table.schema, mapped, sink.getvalue().to_pybytes()))


def load_table(content: bytes) -> pa.Table:
    """The table that `dump_table` was given. Raises `DataError` when a file of it is gone."""
    schema, mapped, rest = pickle.loads(content)
    columns = {}
    for name, column, places in mapped:
        columns[name] = pickle.loads(column, buffers=[_buffer_at(place) for place in places])
    if len(columns) < len(schema.names):
        table = pa.ipc.open_stream(rest).read_all()
        columns |= {name: table.column(name) for name in table.column_names}
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _mapping(path: Path) -> MappedFile:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        key = (path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)
        known = _by_path.get(key)
        if known is not None:
            return known
        _hold(file.fileno())
        mapping = MappedFile(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapping.path = key[0]
    mapping.address = pa.py_buffer(mapping).address
    _by_path[key] = _by_address[mapping.address] = mapping
    return mapping


def is_read(path: Path) -> bool:
    """Whether a table of this or another process reads from a mapped file."""
    if sys.platform == "win32":
        return any(file.path == path.absolute() for file in mapped_files())
    with path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _hold(handle: int) -> None:
    """Marks a file as read from, as long as its mapping lives: that has the handle's twin."""
    if sys.platform != "win32":
        with suppress(OSError):  # held by who is about to remove it, or on a disk without locks
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _place_of(buffer: pa.Buffer, files: list[tuple[int, MappedFile]]) -> _Place | None:
    """Where in a mapped file `buffer` lies; None for one that lies in no such file."""
    if buffer.size == 0:
        return b""
    position = bisect_right(files, buffer.address, key=lambda item: item[0]) - 1
    if position < 0:
        return None
    start, mapping = files[position]
    if buffer.address + buffer.size > start + len(mapping):
        return None
    return str(mapping.path), buffer.address - start, buffer.size


def _buffer_at(place: _Place) -> pa.Buffer:
    if isinstance(place, bytes):
        return pa.py_buffer(place)
    path, start, size = place
    try:
        whole = pa.py_buffer(_mapping(Path(path)))
    except OSError as error:
        raise DataError(
            f"{path}: this file of the data set is gone ({error.strerror}). Load or make the data "
            "set again."
        ) from error
    return whole.slice(start, size)
