"""How much of the mapped files counts as memory of this process, while rows are read in order.

A page of a mapped file stays with a process once it was touched, until the system is short of
memory. It costs nobody anything, as the system gives it up before all else; but it counts: a data
set that is read from end to end would look as if it were in memory whole. So who reads in order
says how much, and every so often the pages are let go of. They stay in the system's cache of files.

Who reads here and there says nothing: to map a page again for each row would take most of the time.
"""

import mmap
import sys

from graft.data.mapped import mapped_files

# Files of no more than this together are left as they are.
_LEFT_ALONE = 128 << 20
_MOST_READ = 64 << 20

_read = 0


def note_read(size: int) -> None:
    """Counts bytes that are read from mapped files, and lets go of their pages every so often.

    Arrays over the pages stay valid. Threads may call it at once: what is lost of a count, or
    counted twice, changes no more than the moment.
    """
    global _read
    _read += size
    if _read < _MOST_READ or sys.platform == "win32":
        return
    _read = 0
    files = mapped_files()
    if sum(map(len, files)) > _LEFT_ALONE:
        for file in files:
            file.madvise(mmap.MADV_DONTNEED)
