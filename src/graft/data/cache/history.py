"""What became of each look into the cache: hit or miss, and for a miss which part was another."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from graft.data.cache.folder import Stored, cache_folder, locked, recent
from graft.files import atomic_file

_FILE = ".history.jsonl"
_LOCK = "history"
# Beyond this many bytes the older half goes.
_BOUND = 1 << 20
# How many of the latest entries a missed step is compared with.
_COMPARED = 200
_SHOWN = 4


@dataclass(frozen=True)
class Lookup:
    """One look into the cache.

    Attributes:
        step: The step's name.
        fingerprint: Which entry it asked for.
        outcome: "hit", "miss", "not kept" (it has no fingerprint), or "removed" (by a size limit
            or by hand: no look, but the reason of a later miss).
        reason: Why, for people.
        time: When, in seconds since 1970.
        changed: For a miss, the parts that differ from the nearest entry of the same step.
        seconds: How long the step took, or the hit.
    """

    step: str
    fingerprint: str
    outcome: str
    reason: str
    time: float
    changed: tuple[str, ...] = ()
    seconds: float = 0.0


def record(
    step: str,
    fingerprint: str,
    outcome: str,
    reason: str,
    *,
    changed: tuple[str, ...] = (),
    seconds: float = 0.0,
) -> None:
    """Appends a look to the history; a cache that may only be read keeps none."""
    lookup = Lookup(step, fingerprint, outcome, reason, time.time(), changed, round(seconds, 4))
    line = json.dumps(vars(lookup), ensure_ascii=False).encode() + b"\n"
    path = cache_folder() / _FILE
    with suppress(OSError):  # the history is a convenience: a full disk does not fail a hit
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, line)
            size = os.fstat(handle).st_size
        finally:
            os.close(handle)
        if size > _BOUND:
            _halve()


def _halve() -> None:
    with locked(_LOCK):
        path = cache_folder() / _FILE
        content = path.read_bytes()
        if len(content) > _BOUND:
            with atomic_file(path) as temporary:
                temporary.write_bytes(content[content.index(b"\n", len(content) // 2) + 1 :])


def history(limit: int | None = None) -> list[Lookup]:
    """The latest looks, the last one first."""
    try:
        lines = (cache_folder() / _FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in reversed(lines):
        with suppress(ValueError, TypeError):  # a line that a dying process has cut short
            content = json.loads(line)
            found.append(Lookup(**{**content, "changed": tuple(content["changed"])}))
        if limit is not None and len(found) == limit:
            break
    return found


def why_missed(
    step: str, fingerprint: str, parts: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """Why there is no entry of this fingerprint: in words, and the parts that are others.

    The parts are compared with those of the nearest entry of the same step: the one that shares
    most of them, and of several such the last used.
    """
    for lookup in history():
        if lookup.fingerprint == fingerprint and lookup.outcome == "removed":
            return f"it was removed {ago(lookup.time)} ({lookup.reason})", ()
    same = [entry for entry in recent(_COMPARED) if entry.about.step == step]
    if not same:
        return f"there is no entry of the step {step} yet", ()
    nearest = max(same, key=lambda entry: _alike(entry, parts))
    changed = differing(nearest.about.parts, parts)
    when = ago(nearest.about.created)
    if not changed:
        return f"the entry of {when} was written by another version of Graft", ()
    shown = [_told(name, nearest.about.parts, parts) for name in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{'; '.join(shown)}{more}; everything else as in the entry of {when}", changed


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the parts that are not the same in both."""
    return tuple(name for name in {**now, **before} if before.get(name) != now.get(name))


def ago(then: float) -> str:
    """How long ago a time was: "12 seconds ago"."""
    seconds = max(time.time() - then, 0)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{int(seconds)} second{'' if int(seconds) == 1 else 's'} ago"


def _alike(entry: Stored, parts: Mapping[str, str]) -> tuple[int, float]:
    before = entry.about.parts
    return -len(differing(before, parts)), entry.used


def _told(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    if name not in before:
        return f"{name} is new"
    return f"{name} changed" if name in now else f"{name} is gone"
