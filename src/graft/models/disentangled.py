"""Disentangled attention (He et al., 2020): contents look at positions, and positions at contents.

Positions are relative: an embedding for each distance, or logarithmic bucket of distances. A pass
looks at the few distances that its batch has. Scores of a query against all distances, laid out row
by row, hold those against all keys as well: in each row they begin one place further to the left,
so that a view with other strides finds them, where a gather would visit each one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.attention import Bias
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.linear import Linear
from graft.models.norm import make_norm


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
        parts = []
        if self.to_position:
            parts.append((self._table(keys, places.ahead), False))
        if self.to_content:
            parts.append((self._table(queries * self.scale, places.behind), True))

        def of(query: Tensor, key: Tensor, _: Tensor) -> Tensor:
            if not parts:
                return query.new_zeros(1, 1, 1, key.shape[1])
            scores = [
                _looks(key, table, query.shape[1]).mT
                if by_content
                else _looks(query, table, key.shape[1])
                for table, by_content in parts
            ]
            return _sum(scores)

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


def _looks(contents: Tensor, table: Tensor, others: int) -> Tensor:
    """The scores of contents with the positions of others, by how far these stand from them.

    Args:
        contents: `[sequences, length, heads, size]`.
        table: `[heads, size, 2 * longest]`.
        others: How many there are in a sequence.

    Returns:
        `[sequences, heads, length, others]`.
    """
    sequences, length, heads, _ = contents.shape
    middle, width = table.shape[2] // 2, length + others
    table = table[:, :, middle - length : middle + others]
    rows = contents.permute(2, 0, 1, 3).flatten(1, 2) @ table.to(contents.dtype)
    # The distance from token i to token j is at i * width + (j - i + length - 1).
    flat = rows.view(heads, sequences, length * width)
    flat = flat.narrow(2, length - 1, length * (width - 1))
    shape = (heads, sequences, length, width - 1)
    return flat.reshape(shape)[..., :others].transpose(0, 1)


def _sum(scores: Sequence[Tensor]) -> Tensor:
    """Their sum, in order of memory where no gradient is wanted."""
    if torch.is_grad_enabled():
        return sum(scores[1:], scores[0])
    total = scores[0].contiguous()
    for more in scores[1:]:
        total += more
    return total
