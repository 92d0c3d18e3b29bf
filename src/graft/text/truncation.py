"""Which tokens of a row that is too long are kept."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def kept_tokens(sequences: Sequence[int | None], max_length: int) -> npt.NDArray[np.int64]:
    """The places of the tokens to keep: all special ones, and the first ones of each text.

    Args:
        sequences: For each token of a row, 0 for its first text, 1 for its second, None for a
            special token.
        max_length: How many tokens to keep; at least as many as are special.

    Returns:
        `int64[max_length]`, rising.
    """
    owner = np.array([-1 if value is None else value for value in sequences], np.int64)
    first, second = np.flatnonzero(owner == 0), np.flatnonzero(owner == 1)
    special = np.flatnonzero(owner < 0)
    sizes = shared_room(len(first), len(second), max_length - len(special))
    return np.sort(np.concatenate([special, first[: sizes[0]], second[: sizes[1]]]))


def shared_room(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each of two texts fit: the longer one is cut first, then both alike.

    Where both are cut, the longer one gets the odd token, the second where both are as long.
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    return (room - shorter, shorter) if first > second else (shorter, room - shorter)
