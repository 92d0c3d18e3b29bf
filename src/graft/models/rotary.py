"""Positions as rotations of queries and keys (Su et al., 2021)."""

import torch
from torch import Tensor

from graft.models.config import Rotary

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of each token's angles, `float32[tokens, 1, head_size / 2]` each."""


def rotation(rotary: Rotary, head_size: int, positions: Tensor) -> Rotation:
    """The angles of some tokens.

    Args:
        rotary: The frequencies.
        head_size: Width of one attention head.
        positions: `int64[tokens]`, the position of each token in its sequence.
    """
    turns = frequencies(rotary, head_size).to(positions.device)
    angles = positions[:, None].float() * turns
    return angles.cos()[:, None], angles.sin()[:, None]


def frequencies(rotary: Rotary, head_size: int) -> Tensor:
    """`float32[head_size / 2]`, how far each pair of features turns from token to token."""
    exponents = torch.arange(0, head_size, 2, dtype=torch.float32) / head_size
    return rotary.theta**-exponents


def rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Turns `[tokens, heads, head_size]`: feature `i` is paired with the one half a head on."""
    cos, sin = (part.to(heads.dtype) for part in rotation)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
