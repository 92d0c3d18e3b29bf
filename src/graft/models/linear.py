"""A linear layer that does bias and activation with the product, where PyTorch has such a one."""

from typing import Any

import torch
from torch import Tensor, nn

from graft.models.activations import ACTIVATIONS
from graft.models.config import Activation

_ROWS = 4096  # of the inputs that the weight is laid out for; others are right too
_MANY = 64  # rows from which on both layouts do
_THERE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_DTYPES = (torch.float32, torch.bfloat16)
_SOME = 16  # rows from which on the operator is quicker in training
_PATIENCE = 16  # products until a layout that does not fit is changed
_FUSED = {
    None: ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "relu": ("relu", ""),
}


class Packed:
    """A weight in the layout that the operator reads, kept next to it.

    One token at a time wants another layout than several. Where tokens may come so, the one that is
    kept follows what comes, but slowly: laying a weight out costs as much as some products. Layouts
    differ in the last bit of what they give, so that elsewhere there is one: an answer does not
    depend on the questions before it.

    Args:
        by_token: Whether tokens may come one at a time, as a text is written.
    """

    def __init__(self, by_token: bool = False) -> None:
        self.by_token = by_token
        self._packed: Tensor | None = None
        self._made_from: tuple[int, int, torch.dtype] | None = None
        self._for_one = False
        self._misfits = 0  # products in a row that wanted the other layout

    def product(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation | None
    ) -> Tensor:
        """`[tokens, inputs]` to `[tokens, outputs]`, by an activation that `_FUSED` has."""
        packed = self._of(weight, len(hidden))
        if self._for_one and _widens(weight):
            product = hidden @ packed if bias is None else torch.addmm(bias, hidden, packed)
            return product if activation is None else ACTIVATIONS[activation](product)
        name, algorithm = _FUSED[activation]
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(
            hidden, packed, bias, name, [], algorithm
        )
        return fused

    def _of(self, weight: Tensor, rows: int) -> Tensor:
        """Made anew where the weight is another one or was changed, or the layout does not fit."""
        state = (weight.data_ptr(), weight._version, weight.dtype)
        one = rows == 1 and self.by_token
        misfit = rows < _MANY and one != self._for_one
        self._misfits = self._misfits + 1 if misfit else 0
        if self._packed is None or self._made_from != state or self._misfits > _PATIENCE:
            self._for_one = one
            self._packed = self._laid_out(weight)
            self._made_from, self._misfits = state, 0
        return self._packed

    def _laid_out(self, weight: Tensor) -> Tensor:
        """For one token a wide weight is best read in order, a whole input's at a time."""
        if self._for_one and _widens(weight):
            return weight.t().contiguous()
        rows = 1 if self._for_one else _ROWS
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        return packed

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles go without it: it can be made again."""
        return self.__dict__ | {"_packed": None}


def _widens(weight: Tensor) -> bool:
    """Whether a weight gives clearly more than it is given."""
    return weight.shape[0] >= 2 * weight.shape[1]


class Linear(nn.Linear):
    """`nn.Linear` with an activation.

    On a CPU a pass over memory costs nearly as much as the product itself. Outside training one
    operator of PyTorch's own compiler, which has no gradient and no autocast, therefore does it
    all. It reads the weight in a layout of its own. In training it does the product alone.

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
        bias: Whether there is one.
        by_token: Whether tokens may come one at a time, as a text is written.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: bool = True, *, by_token: bool = False
    ) -> None:
        super().__init__(inputs, outputs, bias)
        self._packed = Packed(by_token)

    def forward(self, hidden: Tensor, activation: Activation | None = None) -> Tensor:
        """`[tokens, inputs]` to `[tokens, outputs]`."""
        if activation in _FUSED and can_fuse(hidden, self.weight):
            return self._packed.product(hidden, self.weight, self.bias, activation)
        output = _product(hidden, self.weight, self.bias)
        return output if activation is None else ACTIVATIONS[activation](output)


def linear(hidden: Tensor, weight: Tensor, bias: Tensor | None, packed: Packed) -> Tensor:
    """The same of a weight that another module may share.

    Args:
        hidden: `[tokens, inputs]`.
        weight: `[outputs, inputs]`.
        bias: `[outputs]`, or None.
        packed: Keeps the weight's layout.
    """
    if can_fuse(hidden, weight):
        return packed.product(hidden, weight, bias, None)
    return _product(hidden, weight, bias)


def can_fuse(hidden: Tensor, weight: Tensor) -> bool:
    """Whether that operator is there, and takes these."""
    return not torch.is_grad_enabled() and weight.dtype in _DTYPES and _takes(hidden, weight)


def _takes(hidden: Tensor, weight: Tensor) -> bool:
    return (
        _THERE
        and hidden.device.type == "cpu"
        and hidden.dtype == weight.dtype
        and not weight.is_inference()
        and not torch.is_autocast_enabled("cpu")
    )


def _product(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """With gradients; from some rows on that operator is the quicker one in float32."""
    many = hidden.dim() == 2 and len(hidden) >= _SOME and weight.dtype == torch.float32
    if not many or not torch.is_grad_enabled() or not _takes(hidden, weight):
        return nn.functional.linear(hidden, weight, bias)
    output: Tensor = _Product.apply(hidden, weight, bias)  # type: ignore[no-untyped-call]
    return output


class _Product(torch.autograd.Function):
    """The gradient of the weight, whose factors are both transposed, is PyTorch's own product."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, hidden: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        return _times(hidden, weight, bias)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        hidden, weight = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.needs_input_grad
        return (
            _times(gradient, weight.t()) if of_hidden else None,
            gradient.t() @ hidden if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def _times(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
