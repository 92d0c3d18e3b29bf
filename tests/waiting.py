"""Waiting for what has to happen, as long as it takes a busy machine, and no longer."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

LONGEST_SECONDS = 60.0


def wait_until(
    look: Callable[[], Found],
    missing: str = "nothing happened",
    *,
    seconds: float = LONGEST_SECONDS,
) -> Found:
    """What `look` finds, as soon as that is true in the sense of `if`.

    Raises:
        AssertionError: it never was; says what is `missing`.
    """
    give_up = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up, missing
        time.sleep(0.02)
    return found
