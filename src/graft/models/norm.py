"""Normalisation of hidden states."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.config import Norm


class RMSNorm(nn.Module):
    """Root mean square normalisation (Zhang and Sennrich, 2019).

    Args:
        size: Of the last dimension.
        eps: Added to the mean square.
        offset: Added to the weight as it is stored.
    """

    def __init__(self, size: int, eps: float, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 1.0 - offset))
        self.eps = eps
        self.offset = offset

    def forward(self, hidden: Tensor) -> Tensor:
        """Args: hidden, any shape. Returns: the same shape."""
        weight = self.weight + self.offset if self.offset else self.weight
        return F.rms_norm(hidden, weight.shape, weight.to(hidden.dtype), self.eps)


def make_norm(norm: Norm, size: int) -> nn.Module:
    """The normalisation that a configuration names, of states of a size."""
    if norm.kind == "rms":
        return RMSNorm(size, norm.eps, norm.offset)
    return nn.LayerNorm(size, eps=norm.eps, bias=norm.bias)
