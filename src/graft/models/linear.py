"""A linear layer that does bias and activation with the product, where PyTorch has such a one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from weakref import ref

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


@dataclass(frozen=True)
class _LaidOut:
    """A weight in another layout.

    Attributes:
        tensor: That layout.
        turned: Whether it is the transpose, and not one of the operator's own.
        for_one: Whether it is the one for one token at a time.
        source: Holds the numbers that it was made from, while they are in use: another weight may
            come to lie where one was.
        state: Where in the source, of which version and format.
    """

    tensor: Tensor
    turned: bool
    for_one: bool
    source: ref[torch.UntypedStorage]
    state: tuple[int, int, torch.dtype]

    @classmethod
    def of(cls, weight: Tensor, for_one: bool) -> Self:
        """For one token a wide weight is best read in order, a whole input's at a time."""
        turned = for_one and _widens(weight)
        if turned:
            laid_out = weight.t().contiguous()
        else:
            rows = 1 if for_one else _ROWS
            laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        return cls(laid_out, turned, for_one, ref(weight.untyped_storage()), _state(weight))

    def is_of(self, weight: Tensor) -> bool:
        """Whether it was made from this weight as it is now."""
        return self.source() is weight.untyped_storage() and self.state == _state(weight)

    def product(self, hidden: Tensor, bias: Tensor | None, activation: Activation | None) -> Tensor:
        """`[tokens, inputs]` to `[tokens, outputs]`, by an activation that `_FUSED` has."""
        tensor = self.tensor
        if self.turned:
            product = hidden @ tensor if bias is None else torch.addmm(bias, hidden, tensor)
            return product if activation is None else ACTIVATIONS[activation](product)
        name, algorithm = _FUSED[activation]
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(
            hidden, tensor, bias, name, [], algorithm
        )
        return fused


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
        self._kept: _LaidOut | None = None
        self._misfits = 0  # products in a row that wanted the other layout

    def product(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation | None
    ) -> Tensor:
        """`[tokens, inputs]` to `[tokens, outputs]`, by an activation that `_FUSED` has."""
        return self._of(weight, len(hidden)).product(hidden, bias, activation)

    def forget(self) -> None:
        """Lets go of it."""
        self._kept = None

    def _of(self, weight: Tensor, rows: int) -> _LaidOut:
        """Made anew where the weight is another one or was changed, or the layout does not fit.

        It is read and replaced as a whole, as several threads may ask at once.
        """
        kept = self._kept
        one = rows == 1 and self.by_token
        misfit = kept is not None and rows < _MANY and one != kept.for_one
        self._misfits = self._misfits + 1 if misfit else 0
        if kept is None or not kept.is_of(weight) or self._misfits > _PATIENCE:
            kept = self._kept = _LaidOut.of(weight, one)
            self._misfits = 0
        return kept

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles go without it: it can be made again."""
        return self.__dict__ | {"_kept": None}


def _state(weight: Tensor) -> tuple[int, int, torch.dtype]:
    return weight.data_ptr(), weight._version, weight.dtype


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

    def train(self, mode: bool = True) -> Self:
        """Training may change weights by ways that leave no trace, such as `weight.data`."""
        if mode != self.training:
            self._packed.forget()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Another device or format makes another weight: the memory of this one's layout is let
        go."""
        self._packed.forget()
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved


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
