"""Keys and values of the tokens so far, so that generation computes each token once."""

from functools import cached_property

import torch
from torch import Tensor

from graft.models.attention import Rules, attend
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.layout import as_bias, seen_at
from graft.models.rectangle import rectangle_attention


class Cache:
    """What a stack of blocks keeps of sequences that grow, one row a sequence.

    The memory of all tokens there will be is set aside at the start, so that nothing is copied as
    the sequences grow; on a CPU the system gives memory only as it is written to. It is zero, as
    what masks leave out is still multiplied.

    Args:
        config: The shape of the stack.
        rows: How many sequences there are.
        capacity: The longest sequence there will be, in tokens.
        device: Where the model is.
        dtype: Of keys and values.
    """

    def __init__(
        self,
        config: Config,
        rows: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        heads, size = config.key_heads or config.heads, config.width_of_head
        shape = (rows, heads, capacity, size)
        self.keys, self.values = (
            [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
            for _ in range(2)
        )
        self.lengths = torch.zeros(rows, dtype=torch.int64)
        self.memory: dict[int, tuple[Tensor, Tensor]] = {}  # of cross-attention, by layer
        self._step: _Step | None = None

    def begin(self, batch: Batch) -> None:
        """Starts a pass: the first brings whole prompts, each later one a token a sequence."""
        self._step = None
        if int(self.lengths.max()) > 0:
            if batch.tokens != len(batch):
                raise ValueError("after the prompts, each sequence grows by one token at a time")
            self._step = _Step(self.lengths, self.keys[0])

    def end(self, batch: Batch) -> None:
        """Ends the pass: its tokens are part of what came before."""
        self.lengths = self.lengths + batch.lengths

    def positions(self, batch: Batch) -> Tensor:
        """`int64[tokens]`, where the tokens of a pass stand in their sequences."""
        return batch.positions if self._step is None else self._step.lengths

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, batch: Batch, rules: Rules
    ) -> Tensor:
        """Keeps a pass's keys and values, and attends to all that were kept."""
        keys, values = self.keys[layer], self.values[layer]
        if self._step is None:
            rows = torch.arange(len(batch)).repeat_interleave(batch.lengths).to(query.device)
            keys.transpose(1, 2)[rows, batch.positions] = key
            values.transpose(1, 2)[rows, batch.positions] = value
            return attend(query, key, value, batch.layout, rules)
        return self._step.attend(query, key, value, keys, values, rules)

    def select(self, rows: Tensor) -> None:
        """Keeps these rows, in this order; a row may be kept several times.

        Args:
            rows: `int64[new rows]`.
        """
        longest = int(self.lengths.max())
        for kept in (self.keys, self.values):
            for layer, old in enumerate(kept):
                new = (
                    old
                    if len(rows) == len(old)
                    else torch.empty_like(old[:1]).repeat(len(rows), 1, 1, 1)
                )
                new[:, :, :longest] = old[rows, :, :longest]
                kept[layer] = new
        self.lengths = self.lengths[rows.cpu()]


class _Step:
    """One more token a sequence."""

    def __init__(self, lengths: Tensor, like: Tensor) -> None:
        self.lengths = lengths.to(like.device)
        self.longest = int(lengths.max()) + 1
        self._rows = torch.arange(len(lengths), device=like.device)
        self._biases: dict[int | None, Tensor | None] = {}

    @cached_property
    def distances(self) -> Tensor:
        """`int64[rows, 1, keys]`, of keys from the new token; above zero for those not there."""
        places = torch.arange(self.longest, device=self.lengths.device)
        return (places - self.lengths[:, None])[:, None]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, rules: Rules
    ) -> Tensor:
        """`[rows, heads, size]` of the new tokens, with what is kept of the others."""
        keys[self._rows, :, self.lengths] = key
        values[self._rows, :, self.lengths] = value
        query = query[:, None] * rules.scale
        k, v = (kept[:, :, : self.longest].transpose(1, 2) for kept in (keys, values))
        bias = self._bias(rules.window, query)
        if rules.bias is not None:
            added = rules.bias(query, k, self.distances)
            bias = added if bias is None else added + bias
        return rectangle_attention(query, k, v, bias, cap=rules.cap)[:, 0]

    def _bias(self, window: int | None, like: Tensor) -> Tensor | None:
        if window not in self._biases:
            seen = seen_at(self.distances, True, window)
            all_seen = seen is None or bool(seen.all())
            self._biases[window] = (
                None if seen is None or all_seen else as_bias(seen[:, None], like)
            )
        return self._biases[window]
