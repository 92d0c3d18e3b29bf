"""Having the disk hold what was written, before anybody is told that it is kept.

libgit2 could do so itself, but would hold Python's interpreter for as long as the disk takes.
"""

import ctypes
import os
from pathlib import Path

from graft.files import sync

_libc = ctypes.CDLL(None, use_errno=True)


def sync_all(folder: Path) -> None:
    """Waits until all that was written to the folder's file system is on its disk: once, however
    many files they are.

    Raises:
        OSError: the disk could not take all of it.
    """
    if not hasattr(_libc, "syncfs"):  # elsewhere than on Linux
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def sync_ref(repository: Path, ref: str, *, stays: bool) -> None:
    """Waits until a ref that was moved is so on the disk, too.

    Args:
        stays: it is a file as before, so that no folder came or went with it.

    Raises:
        OSError: the disk could not take it.
    """
    path = repository / ref
    if stays:
        sync(path)
        sync(path.parent)
    else:
        sync_all(repository)
