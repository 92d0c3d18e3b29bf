"""The recurrence of an LSTM (Hochreiter and Schmidhuber, 1997) on packed sequences.

PyTorch's own, on a CPU, adds up a gradient as large as the batch at each position, so that the cost
of training grows with the square of the length. Here it grows with the tokens.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Result = tuple[Tensor, Tensor, Tensor]
"""States of all tokens, `[tokens, units]`; state and cell behind the last, `[sequences, units]`."""


def unroll(
    gates: Tensor, weight: Tensor, sizes: list[int], state: Tensor, cell: Tensor, backwards: bool
) -> Result:
    """Reads packed sequences, token by token, all sequences at once.

    Args:
        gates: `[tokens, 4 * units]`, what the inputs give to the gates, biases included, in order
            of time (`TimeOrder`): input gate, forget gate, cell, output gate.
        weight: `[4 * units, units]`, from the state before to the gates.
        sizes: How many sequences reach each position.
        state: `[sequences, units]`, before the first token read, the longest sequence first.
        cell: The same of the cell.
        backwards: Whether sequences are read from their last token to their first.
    """
    result: Result = _Unroll.apply(gates, weight, sizes, state, cell, backwards)  # type: ignore[no-untyped-call]
    return result


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        weight: Tensor,
        sizes: list[int],
        state: Tensor,
        cell: Tensor,
        backwards: bool,
    ) -> Result:
        steps = _steps(sizes, backwards)
        opened = torch.empty_like(gates)
        before, cells_before, cells, states = (
            gates.new_empty(len(gates), weight.shape[1]) for _ in range(4)
        )
        last_state, last_cell = state.clone(), cell.clone()
        for rows, count in steps:
            # A sequence that does not reach the position keeps what it has.
            before[rows], cells_before[rows] = last_state[:count], last_cell[:count]
            there = torch.addmm(gates[rows], before[rows], weight.T, out=opened[rows])
            _open(there)
            enter, keep, new, leave = there.chunk(4, 1)
            torch.addcmul(keep * cells_before[rows], enter, new, out=cells[rows])
            torch.mul(leave, cells[rows].tanh(), out=states[rows])
            last_state[:count], last_cell[:count] = states[rows], cells[rows]
        ctx.steps = steps
        ctx.save_for_backward(weight, opened, before, cells_before, cells)
        return states, last_state, last_cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_states: Tensor, of_state: Tensor, of_cell: Tensor) -> Any:
        weight, opened, before, cells_before, cells = ctx.saved_tensors
        of_gates, of_new_cell = _slopes(opened, cells_before, cells)
        of_state, of_cell = of_state.clone(), of_cell.clone()
        units = cells.shape[1]
        for rows, count in reversed(ctx.steps):
            above = of_state[:count] + of_states[rows]
            here = torch.addcmul(of_cell[:count], above, of_new_cell[rows])
            there = of_gates[rows]
            there[:, : 3 * units].view(count, 3, units).mul_(here[:, None])
            there[:, 3 * units :].mul_(above)
            torch.mm(there, weight, out=of_state[:count])
            torch.mul(here, opened[rows, units : 2 * units], out=of_cell[:count])
        return of_gates, of_gates.T @ before, None, of_state, of_cell, None


def _steps(sizes: list[int], backwards: bool) -> list[tuple[slice, int]]:
    """The tokens of each position, in the order in which they are read, and how many."""
    steps = []
    start = 0
    for count in sizes:
        steps.append((slice(start, start + count), count))
        start += count
    return steps[::-1] if backwards else steps


def _open(gates: Tensor) -> None:
    """Applies the activations, in place."""
    units = gates.shape[1] // 4
    gates[:, : 2 * units].sigmoid_()
    gates[:, 2 * units : 3 * units].tanh_()
    gates[:, 3 * units :].sigmoid_()


def _slopes(opened: Tensor, cells_before: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """How the cell depends on the gates that make it, and the state on its own gate and the cell.

    Args:
        opened: `[tokens, 4 * units]`, the gates.
        cells_before: `[tokens, units]`.
        cells: `[tokens, units]`.

    Returns:
        `[tokens, 4 * units]` of the gates, before their activations, and `[tokens, units]`.
    """
    enter, keep, new, leave = opened.chunk(4, 1)
    squashed = cells.tanh()
    of_gates = torch.cat(
        [
            new * enter * (1 - enter),
            cells_before * keep * (1 - keep),
            enter * (1 - new * new),
            squashed * leave * (1 - leave),
        ],
        1,
    )
    return of_gates, leave * (1 - squashed * squashed)
