"""Dropout (Srivastava et al., 2014), with random bits drawn four numbers at a time on the CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LANES = 1 << 16  # values of the 16 random bits that decide on one element


class Dropout(nn.Module):
    """Sets a share of the activations to zero in training, and scales the others up.

    Args:
        share: Between 0 and 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, hidden: Tensor) -> Tensor:
        """Args: hidden, any shape. Returns: the same shape."""
        if not self.training or not self.share:
            return hidden
        if hidden.device.type != "cpu":
            return F.dropout(hidden, self.share)
        return hidden * keep_factors(hidden.shape, self.share, hidden.dtype)


def keep_factors(shape: torch.Size, share: float, dtype: torch.dtype) -> Tensor:
    """Zero for a `share` of the elements and `1 / (1 - share)` for the others, on the CPU.

    PyTorch draws one random number for each element, one after another; here each 64-bit draw
    decides on four elements, to a precision of 1/65,536 in `share`.

    Args:
        shape: Of the result.
        share: Of zeros.
        dtype: Of the result.
    """
    elements = shape.numel()
    draws = torch.empty((elements + 3) // 4, dtype=torch.int64)
    lanes = draws.random_(-(2**63), None).view(torch.int16)[:elements].view(shape)
    threshold = round(share * _LANES) - _LANES // 2  # lanes are signed
    return (lanes >= threshold).to(dtype).mul_(1 / (1 - share))
