"""What is said of a disk that fills while rows are written to a file or folder of the user's."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graft.errors import DataError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk, a user's share of it or a file cannot take more."""


@contextmanager
def told_when_full(target: Path) -> Iterator[None]:
    """Turns the system's error of a full disk, while `target` is written, into a `DataError`.

    What was written so far is to be removed within the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        there = next(folder for folder in target.absolute().parents if folder.exists())
        raise DataError(
            f"{target}: the disk is full ({error.strerror or error}); "
            f"{shutil.disk_usage(there).free / 1e6:,.1f} MB are free there. Free some space, or "
            "write to a larger disk. Nothing was left behind, and what was there before still is."
        ) from error
