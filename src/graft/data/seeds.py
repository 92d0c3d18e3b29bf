"""The seeds of what is drawn at random."""

import secrets
from numbers import Integral

from graft.errors import DataError


def check_epoch(epoch: int) -> None:
    """Raises `DataError` for a number that no epoch has."""
    if epoch < 0:
        raise DataError(f"epoch is {epoch}; they are counted from 0.")


def checked_seed(verb: str, seed: object) -> int:
    """A whole number from 0 on: `seed`, or a new one where None is given.

    What is drawn from None differs each time, and so has to be told apart by its fingerprint.

    Raises `DataError` for anything else.
    """
    if seed is None:
        return secrets.randbits(32)
    if not isinstance(seed, Integral) or seed < 0:
        raise DataError(
            f"{verb}: seed={seed!r} is no seed. Give a whole number from 0 on, or None for another "
            "order each time."
        )
    return int(seed)
