"""One pass of generation after the first: a new token for each branch of each row."""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.attention import Rules
from graft.models.blocks import as_bias, seen_at
from graft.models.rectangle import plain_attention
from graft.models.slots import Slots, Span


class MemoryStep:
    """Attention of the new tokens to what an encoder made of their rows.

    Args:
        spans: The rows that are attended to in one call each.
        branches: Of each row.
        lengths: `int64[rows]`, the keys of each row, on the CPU.
    """

    def __init__(self, spans: list[Span], branches: int, lengths: Tensor) -> None:
        self.branches = branches
        self._views = []
        first = 0
        for span in spans:
            rows = slice(first, first + span.rows)
            self._views.append(_View(span, rows, lengths[rows]))
            first = rows.stop
        self._biases: dict[tuple[int, int | None], Tensor | None] = {}

    def attend(self, query: Tensor, slots: Slots, rules: Rules) -> Tensor:
        """Args: query `[rows * branches, heads, size]`. Returns: the same shape of values."""
        query = query.unflatten(0, (-1, self.branches))
        outputs = []
        for number, view in enumerate(self._views):
            key, value = slots.read(view.span, view.longest)
            part = query[view.rows]
            bias = self._bias(number, part, key, rules)
            outputs.append(_attend(part, key, value, bias, rules))
        joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return joined.flatten(0, 1)

    def _bias(self, number: int, query: Tensor, key: Tensor, rules: Rules) -> Tensor | None:
        """`[rows, heads or 1, branches or 1, keys]`, added to the scores of a call."""
        return self._mask(number, rules.window, query)

    def _mask(self, number: int, window: int | None, like: Tensor) -> Tensor | None:
        """The part of it that keeps keys from being seen; the same in all layers."""
        at = number, window
        if at not in self._biases:
            seen = self._seen(number, window)
            self._biases[at] = None if seen is None else as_bias(seen[:, None], like)
        return self._biases[at]

    def _seen(self, number: int, window: int | None) -> Tensor | None:
        """`bool[rows, branches or 1, keys]`; None where all is seen."""
        view = self._views[number]
        return None if view.full else view.keys < view.lengths[:, None, None]


class OwnStep(MemoryStep):
    """Attention of the new tokens to those before them in their sequences, and to themselves.

    Args:
        spans: The rows that are attended to in one call each.
        branches: Of each row.
        lengths: `int64[rows]`, the keys of each row, on the CPU.
        prompts: `int64[rows]`, how many of these are shared by all branches.
        position: `int64[rows]`, where the new tokens stand in their sequences.
        descent: `bool[rows, branches, keys]`, the keys behind the prompt that each branch
            descends from; None where there is one branch.
        slots: `int64[rows * branches]`, where the new keys go.
        places: `int64[rows * branches]`, where in these.
    """

    def __init__(
        self,
        spans: list[Span],
        branches: int,
        lengths: Tensor,
        *,
        prompts: Tensor,
        position: Tensor,
        descent: Tensor | None,
        slots: Tensor,
        places: Tensor,
    ) -> None:
        super().__init__(spans, branches, lengths)
        self.slots, self.places = slots, places
        self._prompts, self._position, self._descent = prompts, position, descent
        self._known: dict[int, Tensor] = {}

    def _bias(self, number: int, query: Tensor, key: Tensor, rules: Rules) -> Tensor | None:
        mask = self._mask(number, rules.window, query)
        if rules.bias is None:
            return mask
        added = rules.bias(query * rules.scale, key.transpose(1, 2), self._distances(number))
        return added if mask is None else added + mask

    def _seen(self, number: int, window: int | None) -> Tensor | None:
        view = self._views[number]
        near = window is None or int(self._position[view.rows].max()) <= window
        if view.full and near and self._descent is None:
            return None
        distances = self._distances(number)
        seen = seen_at(distances, True, window)
        assert seen is not None
        if self._descent is None:
            return seen
        shared = view.keys < self._prompts[view.rows, None, None]
        return seen & (shared | self._descent[view.rows, :, : view.longest])

    def _distances(self, number: int) -> Tensor:
        """`int64[rows, 1, keys]`, of keys from the new token; above zero for those not there."""
        if number not in self._known:
            view = self._views[number]
            prompts = self._prompts[view.rows, None, None]
            behind = view.keys - prompts
            places = torch.where(behind < 0, view.keys, prompts + behind // self.branches)
            self._known[number] = places - self._position[view.rows, None, None]
        return self._known[number]


class _View:
    """The keys of one call.

    Attributes:
        span: Where they are.
        rows: Which rows of the batch.
        lengths: `int64[rows]`, how many each has.
        longest: The most.
        full: Whether all have as many.
    """

    def __init__(self, span: Span, rows: slice, lengths: Tensor) -> None:
        self.span, self.rows, self.lengths = span, rows, lengths
        self.longest = int(lengths.max())
        self.full = bool((lengths == self.longest).all())

    @cached_property
    def keys(self) -> Tensor:
        """`int64[1, 1, keys]`, their numbers."""
        return torch.arange(self.longest)[None, None]


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, rules: Rules) -> Tensor:
    """Attention of one call.

    Args:
        query: `[rows, branches, heads, size]`.
        key: `[rows, key_heads, keys, size]`.
        value: `[rows, key_heads, keys, value_size]`.
        bias: `[rows or 1, heads or 1, branches or 1, keys]`.
        rules: Scale and cap.

    Returns:
        `[rows, branches, heads, value_size]`.
    """
    if rules.cap is not None or rules.weights is not None:
        key, value = key.transpose(1, 2), value.transpose(1, 2)
        output, weights = plain_attention(query * rules.scale, key, value, bias, cap=rules.cap)
        if rules.weights is not None:
            rules.weights.extend(weights)
        return output
    output = F.scaled_dot_product_attention(
        query.transpose(1, 2),
        key,
        value,
        bias,
        scale=rules.scale,
        enable_gqa=query.shape[2] != key.shape[1],
    )
    return output.transpose(1, 2)
