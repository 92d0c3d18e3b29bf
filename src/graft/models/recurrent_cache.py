"""The states of recurrent layers, so that generation reads each token once."""

import torch
from torch import Tensor

from graft.models.config import Config

State = tuple[Tensor, Tensor]
"""The hidden state and the cell of a layer, `[directions, sequences, units]` each."""


class States:
    """What a recurrent stack keeps of sequences that grow, one row a sequence.

    It is told of rows and branches what `graft.models.cache.Cache` is told, which keeps the tokens
    of transformers. The states of a branch are all there is to it, so that they are copied.

    Args:
        config: The shape of the stack.
        capacity: The most tokens there will be in a row; nothing depends on it.
        branches: How many branches each row has after the first pass.

    Attributes:
        layers: The state of each layer; none before the first pass.
    """

    def __init__(self, config: Config, capacity: int, branches: int = 1) -> None:
        self.branches = branches
        self.layers: list[State] = []

    def keep(self, layers: list[State]) -> None:
        """Takes the states behind the tokens of a pass."""
        first = not self.layers
        self.layers = layers
        if first:
            self._pick(torch.arange(layers[0][0].shape[1]).repeat_interleave(self.branches))

    def repeat(self, times: int) -> None:
        """Makes so many rows of each, side by side; between passes."""
        self._pick(self._numbers.repeat_interleave(times, 0).flatten())

    def descend(self, parents: Tensor) -> None:
        """Says which branch each branch goes on from; between passes.

        Args:
            parents: `int64[rows, branches]`, branches of the same row, on the CPU.
        """
        self._pick(self._numbers.gather(1, parents).flatten())

    def leave(self, stays: Tensor) -> Tensor:
        """Takes rows out, `bool[rows]`, on the CPU: the old numbers of those that there are now."""
        rows = stays.nonzero()[:, 0]
        self._pick(self._numbers[rows].flatten())
        return rows

    @property
    def _numbers(self) -> Tensor:
        """`int64[rows, branches]`, where the states of each branch are."""
        return torch.arange(self.layers[0][0].shape[1]).view(-1, self.branches)

    def _pick(self, index: Tensor) -> None:
        index = index.to(self.layers[0][0].device)
        self.layers = [(state[:, index], cell[:, index]) for state, cell in self.layers]
