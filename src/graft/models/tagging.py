"""What labels of tokens mean whose prefixes say where a span begins and ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graft.errors import ModelError

_OUTSIDE = "O"
SCHEMES = {"bio": "BI", "bioes": "BIES"}
"""The prefixes of each scheme, next to "O" for tokens in no span (Ramshaw and Marcus, 1995):
**b**egin, **i**nside, **e**nd, and **s**ingle for a span of one token."""


@dataclass(frozen=True)
class MayFollow:
    """Which sequences of labels make sense.

    Attributes:
        start: `bool[labels]`, which may come first.
        transitions: `bool[labels, labels]`, which (row) may stand before which (column).
        end: `bool[labels]`, which may come last.
    """

    start: Tensor
    transitions: Tensor
    end: Tensor


def may_follow(labels: Sequence[str], scheme: str) -> MayFollow:
    """Which labels may follow which.

    Args:
        labels: Such as "O", "B-place", "I-place".
        scheme: A key of `SCHEMES`.

    Raises:
        ModelError: There is no such scheme, or a label has none of its prefixes.
    """
    if scheme not in SCHEMES:
        raise ModelError(f"scheme is {scheme!r}; it may be {' or '.join(SCHEMES)}.")
    parts = [_parts(label, scheme) for label in labels]
    closed = scheme == "bioes"  # whether a span's last token has a prefix of its own
    outside = (_OUTSIDE, "")
    return MayFollow(
        start=_cpu([_joins(outside, there, closed) for there in parts]),
        transitions=_cpu([[_joins(here, there, closed) for there in parts] for here in parts]),
        end=_cpu([_joins(here, outside, closed) for here in parts]),
    )


def _joins(here: tuple[str, str], there: tuple[str, str], closed: bool) -> bool:
    """Whether a label may stand right before another one."""
    goes_on = there[0] in ("I", "E")
    open_span = here[0] in (("B", "I") if closed else ("B", "I", "E", "S"))
    if goes_on:
        return open_span and here[1] == there[1]
    return not (closed and open_span)


def _parts(label: str, scheme: str) -> tuple[str, str]:
    prefix, _, kind = label.partition("-")
    if label == _OUTSIDE or (prefix in SCHEMES[scheme] and kind):
        return prefix, kind
    allowed = ", ".join(f"{letter}-..." for letter in SCHEMES[scheme])
    raise ModelError(f"The label {label!r} is not of the scheme {scheme}: {_OUTSIDE}, {allowed}.")


def _cpu(values: list[bool] | list[list[bool]]) -> Tensor:
    """A tensor that holds its values even where models are made without any."""
    return torch.tensor(values, dtype=torch.bool, device="cpu")
