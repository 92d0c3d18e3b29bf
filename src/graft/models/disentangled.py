"""Disentangled attention (He et al., 2020): contents look at positions, and positions at contents.

Positions are relative: an embedding for each distance, or logarithmic bucket of distances. A pass
looks at the few distances that its batch has. Scores of a query against all distances, laid out row
by row, hold those against all keys as well: in each row they begin one place further to the left,
so that a view with other strides finds them, where a gather would visit each one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.attention import Bias
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.linear import Linear
from graft.models.norm import make_norm

_BLOCK = 128  # tokens; fewer make matrix products too small, more look at too many distances


@dataclass(frozen=True)
class Places:
    """The embeddings of all distances in a batch.

    Attributes:
        states: `[embeddings, hidden]`.
        ahead: `int64[2 * longest]`, which embedding is that of a key from `longest - 1` before its
            query to `longest` behind it.
        behind: The same of a query, by where it stands from its key.
    """

    states: Tensor
    ahead: Tensor
    behind: Tensor


class DistanceEmbeddings(nn.Module):
    """An embedding of each distance, or of each bucket of distances, shared by all layers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.disentangled is not None
        self.shape = config.disentangled
        self.weight = nn.Parameter(torch.empty(2 * self.shape.span, config.hidden_size))
        nn.init.normal_(self.weight, std=config.init_std)
        self.norm = make_norm(config.norm, config.hidden_size) if self.shape.norm else None

    def forward(self, longest: int) -> Places:
        """Those that a batch needs.

        Args:
            longest: Tokens of its longest sequence.
        """
        distances = torch.arange(1 - longest, longest + 1)
        span = self.shape.span
        ahead, behind = (
            (span + self._buckets(signed)).clamp(0, 2 * span - 1)
            for signed in (-distances, distances)
        )
        least = int(min(ahead.min(), behind.min()))
        states = self.weight[least : int(max(ahead.max(), behind.max())) + 1]
        if self.norm is not None:
            states = self.norm(states)
        device = states.device
        return Places(states, (ahead - least).to(device), (behind - least).to(device))

    def _buckets(self, distances: Tensor) -> Tensor:
        """Near distances have a bucket each, farther ones share them by their logarithm."""
        if self.shape.farthest is None:
            return distances
        near = self.shape.span // 2
        size = distances.abs().clamp(min=near)
        ratio = torch.log(torch.tensor((self.shape.farthest - 1) / near))
        far = torch.ceil(torch.log(size / near) / ratio * (near - 1)).long() + near
        return torch.where(distances.abs() <= near, distances, far * distances.sign())


class DisentangledBias(nn.Module):
    """What one layer adds to its scores: contents to positions, and positions to contents."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.disentangled is not None
        shape = config.disentangled
        self.heads, self.scale = config.heads, config.scale
        self.widths = (config.query_width, config.key_width)
        self.to_position, self.to_content = shape.content_to_position, shape.position_to_content
        self.key = self.query = None
        if not shape.shared and shape.content_to_position:
            self.key = Linear(config.hidden_size, config.key_width)
        if not shape.shared and shape.position_to_content:
            self.query = Linear(config.hidden_size, config.query_width)
        self.dropout = Dropout(config.dropout)

    def forward(self, qkv: Linear, places: Places) -> Bias:
        """The bias of one pass.

        Args:
            qkv: Projects contents, and positions where these share its weights.
            places: The embeddings of distances.
        """
        states = self.dropout(places.states)
        queries, keys = self._projected(states, qkv)
        to_keys = self._table(keys, places.ahead) if self.to_position else None
        to_queries = self._table(queries * self.scale, places.behind) if self.to_content else None

        def of(query: Tensor, key: Tensor, _: Tensor) -> Tensor:
            tables = (t if t is None else t.to(query.dtype) for t in (to_keys, to_queries))
            scores: Tensor = _Scores.apply(query, key, *tables)  # type: ignore[no-untyped-call]
            return scores

        return of

    def _projected(self, states: Tensor, qkv: Linear) -> tuple[Tensor, Tensor]:
        """Queries and keys of positions, `[embeddings, width]`; the states where there are none."""
        if self.key is not None or self.query is not None:
            return tuple(  # type: ignore[return-value]
                states if layer is None else layer(states) for layer in (self.query, self.key)
            )
        wide = sum(self.widths)
        bias = None if qkv.bias is None else qkv.bias[:wide]
        queries, keys = F.linear(states, qkv.weight[:wide], bias).split(self.widths, dim=1)
        return queries, keys

    def _table(self, projected: Tensor, rows: Tensor) -> Tensor:
        """`[heads, head_size, 2 * longest]`, by distance."""
        return projected[rows].view(len(rows), self.heads, -1).permute(1, 2, 0)


class _Scores(torch.autograd.Function):
    """The scores of contents with positions, in order of memory.

    A block of tokens at a time looks at the distances that it has: each token alone would look at
    as many as there are others, all together at twice as many.
    """

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, query: Tensor, key: Tensor, to_keys: Tensor | None, to_queries: Tensor | None
    ) -> Tensor:
        """Args: query and key `[sequences, length, heads, size]`; tables `[heads, size, distances]`
        of positions as keys and as queries. Returns: `[sequences, heads, queries, keys]`."""
        ctx.save_for_backward(query, key, to_keys, to_queries)
        (sequences, queries, heads, _), keys = query.shape, key.shape[1]
        scores = query.new_empty(sequences, heads, queries, keys)
        if to_keys is None:
            scores.zero_()
        else:
            for block in _blocks(queries):
                scores[:, :, block] = _looks(query, to_keys, block, keys)
        if to_queries is not None:
            for block in _blocks(keys):
                scores[..., block] += _looks(key, to_queries, block, queries).mT
        return scores

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        query, key, to_keys, to_queries = ctx.saved_tensors
        of_query = of_key = of_keys = of_queries = None
        if to_keys is not None:
            of_query, of_keys = _look_back(gradient, query, to_keys)
        if to_queries is not None:
            of_key, of_queries = _look_back(gradient.mT, key, to_queries)
        return of_query, of_key, of_keys, of_queries


def _blocks(length: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK)]


def _looks(contents: Tensor, table: Tensor, block: slice, others: int) -> Tensor:
    """The scores of a block of contents with the positions of all others.

    Args:
        contents: `[sequences, length, heads, size]`.
        table: `[heads, size, distances]`, of positions, by how far they stand from a content.
        block: Of the contents of each sequence.
        others: How many there are in a sequence.

    Returns:
        `[sequences, heads, block, others]`.
    """
    rows = _by_head(contents[:, block])
    return _by_other(rows @ table[:, :, _reach(table, block, others)], len(contents), others)


def _look_back(gradient: Tensor, contents: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of contents and of a table.

    Args:
        gradient: Of the scores, `[sequences, heads, length, others]`.
        contents: `[sequences, length, heads, size]`.
        table: `[heads, size, distances]`.
    """
    of_contents, of_table = torch.empty_like(contents), torch.zeros_like(table)
    (sequences, length, heads, _), others = contents.shape, gradient.shape[3]
    for block in _blocks(length):
        part = _by_head(contents[:, block])
        reach = _reach(table, block, others)
        of_rows = part.new_zeros(heads, part.shape[1], reach.stop - reach.start)
        _by_other(of_rows, sequences, others).copy_(gradient[:, :, block])
        of_part = (of_rows @ table[:, :, reach].mT).unflatten(1, (sequences, -1))
        of_contents[:, block] = of_part.permute(1, 2, 0, 3)
        of_table[:, :, reach] += part.mT @ of_rows
    return of_contents, of_table


def _by_head(contents: Tensor) -> Tensor:
    """`[sequences, length, heads, size]` to `[heads, sequences * length, size]`."""
    return contents.permute(2, 0, 1, 3).flatten(1, 2)


def _reach(table: Tensor, block: slice, others: int) -> slice:
    """The distances from a block to all others, from its last token to the first and on."""
    here = table.shape[2] // 2
    return slice(here - block.stop, here - block.start + others)


def _by_other(rows: Tensor, sequences: int, others: int) -> Tensor:
    """A view of scores by distance, as scores by the other that stands there.

    Args:
        rows: `[heads, sequences * length, length + others]`.
        sequences: How many there are.
        others: How many there are in a sequence.

    Returns:
        `[sequences, heads, length, others]`.
    """
    heads, tokens, width = rows.shape
    length = tokens // sequences
    # That of token i and other j, in its sequence, is at i * width + (length - 1 - i + j).
    flat = rows.view(heads, sequences, length * width)
    flat = flat.narrow(2, length - 1, length * (width - 1))
    square: Tensor = flat.unflatten(2, (length, width - 1))[..., :others]
    return square.transpose(0, 1)
