"""Telling a full disk from other trouble, whichever library met it."""

import errno

from graft.server.errors import StorageFullError

_SIGNS = ("no space left", "os error 28", "disk is full", "quota exceeded")


def is_full(error: BaseException | None) -> bool:
    """Whether `error`, or one that led to it, says that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        # obstore (Rust), libgit2 and SQLite say it in words only.
        if any(sign in str(error).lower() for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def storage_full() -> StorageFullError:
    """The error for people."""
    return StorageFullError(
        "The Hub has no space left for this; nothing of it was kept. "
        "Ask whoever runs the Hub to free some space, then try again."
    )
