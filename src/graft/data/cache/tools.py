"""Looking into the cache: what it holds, why steps hit or missed, and clearing it."""

import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from rich.table import Table as RichTable

from graft.data.cache import folder as folders
from graft.data.cache import history as histories
from graft.data.cache.folder import Stored, cache_folder
from graft.data.cache.history import Lookup, ago
from graft.display import Table
from graft.errors import DataError

_AGE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Cleared:
    """What `clear` did.

    Attributes:
        entries: How many entries it removed.
        bytes: How large they were.
        in_use: How many it left, as a process reads or writes them.
    """

    entries: int
    bytes: int
    in_use: int


class Lookups(list[Lookup]):
    """Looks into the cache, the last one first; shows itself as a table."""

    def table(self) -> Table:
        """When, which step, hit or miss, and why."""
        rows = [(ago(each.time), each.step, each.outcome, each.reason) for each in self]
        counts = Counter(each.outcome for each in self)
        title = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        return Table(title or "Nothing has been looked up yet", ["when", "step", "", "why"], rows)

    def __rich__(self) -> RichTable:
        return self.table().__rich__()

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def explain(limit: int = 20, *, step: str | None = None) -> Lookups:
    """Why the latest steps hit or missed the cache.

    Args:
        limit: At most so many.
        step: Only steps of this name, such as "map".
    """
    found = (look for look in histories.history() if step is None or look.step == step)
    return Lookups(look for look, _ in zip(found, range(limit), strict=False))


def entries(*, step: str | None = None) -> list[Stored]:
    """What the cache holds, last used first; only steps named `step` where it is given."""
    return [
        entry for entry in reversed(folders.entries()) if step is None or entry.about.step == step
    ]


def clear(older_than: timedelta | str | None = None, *, step: str | None = None) -> Cleared:
    """Removes entries of the cache, except those that a process reads or writes just now.

    Args:
        older_than: Only those that were not used for so long, such as "7d" (s, m, h, d, w).
        step: Only those of the steps of this name.

    Raises:
        DataError: `older_than` is no such time.
    """
    oldest = float("inf") if older_than is None else time.time() - _seconds(older_than)
    wanted = [entry for entry in entries(step=step) if entry.used <= oldest]
    removed = []
    for entry in wanted:
        about = entry.about
        if folders.remove_if_free(about.fingerprint):
            removed.append(entry)
            histories.record(about.step, about.fingerprint, "removed", "graft dataset cache clear")
    if cache_folder().is_dir():
        folders.sweep(damaged=True)
        folders.sweep_locks()
        if older_than is None and step is None:
            shutil.rmtree(cache_folder() / ".files", ignore_errors=True)
    size = sum(entry.bytes for entry in removed)
    return Cleared(len(removed), size, len(wanted) - len(removed))


def _seconds(age: timedelta | str) -> float:
    if isinstance(age, timedelta):
        return age.total_seconds()
    found = _AGE.match(age)
    if found is None:
        raise DataError(f"{age!r} is no length of time. Give one such as 12h, 7d or 4w.")
    return float(found[1]) * _SECONDS[found[2]]
