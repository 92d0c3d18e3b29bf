"""Where a cache keeps keys and values, and which rows of it are attended to in one call."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_CALL_COST = 96  # padded keys that cost as much to read as one more attention call


@dataclass
class Span:
    """Rows that are attended to in one call: their slots lie side by side.

    Attributes:
        start: The first slot.
        rows: How many there are; fewer once some have left.
    """

    start: int
    rows: int

    @property
    def stop(self) -> int:
        """The slot behind the last one."""
        return self.start + self.rows


def plan_spans(widths: Tensor) -> list[Span]:
    """Groups neighbouring rows so that little of what is read is padding.

    Args:
        widths: `int64[kinds, rows]`, the keys that each row has, of each kind of attention.
    """
    spans: list[Span] = []
    members: list[list[int]] = []
    for row, width in enumerate(widths.T.tolist()):
        if members and _padding([*members, width]) <= _CALL_COST:
            members.append(width)
            spans[-1].rows += 1
        else:
            members = [width]
            spans.append(Span(row, 1))
    return spans


def _padding(members: list[list[int]]) -> int:
    """How many keys more than there are a rectangle of these rows has."""
    return sum(max(kind) * len(kind) - sum(kind) for kind in zip(*members, strict=True))


class Slots:
    """The keys and values of one layer: a slot a row, each with room for its longest.

    What is not written to is zero, as what masks leave out is still multiplied.

    Attributes:
        keys: `[slots, key_heads, room, head_size]`.
        values: `[slots, key_heads, room, value_size]`.
    """

    def __init__(self, slots: int, room: int, key: Tensor, value: Tensor) -> None:
        """Sets memory aside for tokens like `key` and `value`, `[tokens, key_heads, size]`."""
        self.keys, self.values = (
            _zeros((slots, part.shape[1], room, part.shape[2]), part) for part in (key, value)
        )

    def write(self, slots: Tensor, places: Tensor, key: Tensor, value: Tensor) -> None:
        """Puts tokens at their places.

        Args:
            slots: `int64[tokens]`.
            places: `int64[tokens]`, below the room that there is.
            key: `[tokens, key_heads, head_size]`.
            value: `[tokens, key_heads, value_size]`.
        """
        self.keys[slots, :, places] = key
        self.values[slots, :, places] = value

    def read(self, span: Span, longest: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a span, `[rows, key_heads, longest, size]` each; not copied."""
        rows = slice(span.start, span.stop)
        return self.keys[rows, :, :longest], self.values[rows, :, :longest]

    def move(self, source: int, target: int, tokens: int) -> None:
        """Copies the first tokens of one slot to another."""
        for part in (self.keys, self.values):
            part[target, :, :tokens] = part[source, :, :tokens]
            part[target, :, tokens:].zero_()

    def repeat(self, slots: Tensor, tokens: int) -> None:
        """Makes these the slots; of each, its first tokens are kept."""
        self.keys, self.values = (
            _repeated(part, slots, tokens) for part in (self.keys, self.values)
        )


def _repeated(part: Tensor, slots: Tensor, tokens: int) -> Tensor:
    new = _zeros((len(slots), *part.shape[1:]), part)
    new[:, :, :tokens] = part[slots.to(part.device), :, :tokens]
    return new


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros, of which a CPU's system gives memory only where it is written to."""
    if like.device.type != "cpu":
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    size = math.prod(shape) * like.element_size()
    return torch.from_numpy(np.zeros(size, dtype=np.uint8)).view(like.dtype).view(shape)
