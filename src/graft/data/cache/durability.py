"""Whether the files of an entry have reached the disk itself: they get there in the background.

A process that is killed loses nothing that it wrote; a machine that stops can lose what was
written shortly before, and leave files of the right size with holes in them. So an entry carries a
mark once its files are on the disk, and one without is trusted only while the machine runs on.
"""

import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from graft.files import sync

SYNCED = "synced"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """What tells this run of the machine from others; "" where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_trusted(folder: Path, boot: str) -> bool:
    """Whether the files in `folder`, written in the run `boot` of the machine, are all there."""
    return (folder / SYNCED).exists() or (boot != "" and boot == boot_id())


def sync_soon(folder: Path) -> None:
    """Has the files in `folder` written to the disk: at once where a stop could not be noticed."""
    if boot_id() == "":
        sync_now(folder)
    else:
        _background(os.getpid()).put(folder)


@cache
def _background(process: int) -> SimpleQueue[Path]:
    """What a process wants written; a thread of its own does so, one folder after the other."""
    waiting: SimpleQueue[Path] = SimpleQueue()
    name = f"graft-sync-{process}"
    threading.Thread(target=_sync_all, args=[waiting], name=name, daemon=True).start()
    return waiting


def _sync_all(waiting: SimpleQueue[Path]) -> None:
    while True:
        # An entry that was removed in the meantime needs no mark, and one that cannot be marked is
        # computed again when the machine has stopped.
        with suppress(OSError):
            sync_now(waiting.get())


def sync_now(folder: Path) -> None:
    """Has the files in `folder` written to the disk, and marks that they are."""
    for path in [*folder.iterdir(), folder, folder.parent]:
        sync(path)
    (folder / SYNCED).touch()
