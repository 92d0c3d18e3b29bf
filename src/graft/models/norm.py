"""Normalisation of hidden states."""

from typing import Any

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
        on_cpu = hidden.device.type == "cpu" and hidden.dtype == weight.dtype == torch.float32
        if on_cpu and torch.is_grad_enabled():
            output: Tensor = _RMSNorm.apply(hidden, weight, self.eps)  # type: ignore[no-untyped-call]
            return output
        return F.rms_norm(hidden, weight.shape, weight.to(hidden.dtype), self.eps)


class _RMSNorm(torch.autograd.Function):
    """PyTorch has a kernel of its own for it on GPUs alone; this passes over memory less often than
    its parts do one by one, and keeps one number a row for backward."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, eps: float) -> Tensor:  # type: ignore[no-untyped-def]
        size = hidden.shape[-1]
        squares = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True).square_()
        scale = squares.div_(size).add_(eps).rsqrt_()
        ctx.save_for_backward(hidden, weight, scale)
        output: Tensor = (hidden * scale).mul_(weight)
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        hidden, weight, scale = ctx.saved_tensors
        size = hidden.shape[-1]
        normed = hidden * scale
        product = gradient * normed
        of_weight = product.flatten(0, -2).sum(0)
        along = (product @ weight).div_(size)[..., None]
        of_hidden = (gradient * weight).addcmul_(normed, along, value=-1).mul_(scale)
        return of_hidden, of_weight, None


def make_norm(norm: Norm, size: int) -> nn.Module:
    """The normalisation that a configuration names, of states of a size."""
    if norm.kind == "rms":
        return RMSNorm(size, norm.eps, norm.offset)
    return nn.LayerNorm(size, eps=norm.eps, bias=norm.bias)
