"""What is said of a disk that fills, or takes nothing, while rows are written to it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graft.errors import DataError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk, a user's share of it or a file cannot take more."""


@contextmanager
def told_when_full(target: Path) -> Iterator[None]:
    """Turns the system's errors of the disk, while `target` is written, into a `DataError`.

    What was written so far is to be removed within the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            if not _is_at(target, error):
                raise  # of what is read, not of what is written
            raise DataError(
                f"{target} cannot be written: {error.filename}: {error.strerror}. Give another "
                "place, or a new name."
            ) from error
        there = next(folder for folder in target.absolute().parents if folder.exists())
        raise DataError(
            f"{target}: the disk is full ({error.strerror or error}); "
            f"{shutil.disk_usage(there).free / 1e6:,.1f} MB are free there. Free some space, or "
            "write to a larger disk. Nothing was left behind, and what was there before still is."
        ) from error


def _is_at(target: Path, error: OSError) -> bool:
    """Whether an error is that of a target, of what is above it, or of what lies beside it."""
    if not isinstance(error.filename, str | os.PathLike):
        return False
    path, target = Path(error.filename).absolute(), target.absolute()
    return target.is_relative_to(path) or path.parent == target.parent
