"""A linear layer that does bias and activation with the product, where PyTorch has such a one."""

from typing import Any

import torch
from torch import Tensor, nn

from graft.models.activations import ACTIVATIONS
from graft.models.config import Activation

_ROWS = 4096  # of the inputs that the weight is laid out for; others are right too
_FUSED = {
    None: ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "relu": ("relu", ""),
}


class Linear(nn.Linear):
    """`nn.Linear` with an activation.

    On a CPU a pass over memory costs nearly as much as the product itself. Outside training one
    operator of PyTorch's own compiler, which has no gradient and no autocast, therefore does it
    all. It reads the weight in a layout of its own, which is kept next to it.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self._packed: Tensor | None = None
        self._packed_from: tuple[int, int] | None = None

    def forward(self, hidden: Tensor, activation: Activation | None = None) -> Tensor:
        """`[tokens, inputs]` to `[tokens, outputs]`."""
        if activation in _FUSED and _can_fuse(hidden, self.weight):
            name, algorithm = _FUSED[activation]
            fused: Tensor = torch.ops.mkldnn._linear_pointwise(
                hidden, self._pack(), self.bias, name, [], algorithm
            )
            return fused
        output = super().forward(hidden)
        return output if activation is None else ACTIVATIONS[activation](output)

    def _pack(self) -> Tensor:
        """The weight in that layout, made anew where the weight is another one or was changed."""
        state = (self.weight.data_ptr(), self.weight._version)
        if self._packed is None or self._packed_from != state:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, _ROWS)
            self._packed_from = state
        return self._packed

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles go without it: it can be made again."""
        return self.__dict__ | {"_packed": None}


def _can_fuse(hidden: Tensor, weight: Tensor) -> bool:
    """Whether that operator is there, and takes these."""
    return (
        hidden.device.type == "cpu"
        and hidden.dtype == weight.dtype
        and not weight.is_inference()
        and torch.backends.mkldnn.is_available()
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
