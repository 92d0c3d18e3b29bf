"""Learning-rate schedules: from the share of training done to a factor of the peak rate."""

import math
from collections.abc import Callable

from graft.errors import TaskError

Schedule = Callable[[float], float]
"""From the share of all steps that are done, 0 to 1, to a factor of the peak rate."""


def constant() -> Schedule:
    """The peak rate from the first step to the last."""
    return lambda _: 1.0


def linear(warmup: float = 0.1) -> Schedule:
    """A straight line up to the peak, and a straight line down to zero (Devlin et al., 2018).

    Args:
        warmup: The share of all steps that the way up takes.
    """

    def factor(done: float) -> float:
        return done / warmup if done < warmup else (1 - done) / (1 - warmup)

    return factor


def one_cycle(warmup: float = 0.25, start: float = 1 / 25, end: float = 1e-5) -> Schedule:
    """Half a cosine up to the peak and half a cosine down (Smith, 2018).

    Args:
        warmup: The share of all steps that the way up takes.
        start: The first factor.
        end: The last factor.
    """

    def factor(done: float) -> float:
        if done < warmup:
            return _cosine(start, 1.0, done / warmup)
        return _cosine(1.0, end, (done - warmup) / (1 - warmup))

    return factor


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "one-cycle": one_cycle,
    "linear": linear,
    "constant": constant,
}
"""The schedules by name, with their usual settings."""


def find_schedule(schedule: str | Schedule) -> Schedule:
    """The schedule of a name, or the one given.

    Raises:
        TaskError: There is no schedule of that name.
    """
    if not isinstance(schedule, str):
        return schedule
    if schedule not in SCHEDULES:
        raise TaskError(f"There is no schedule {schedule!r}; there is {', '.join(SCHEDULES)}.")
    return SCHEDULES[schedule]()


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
