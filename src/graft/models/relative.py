"""Learned biases of distances (Raffel et al., 2019), shared by all layers of a stack."""

import math

import torch
from torch import Tensor, nn

from graft.models.attention import Bias
from graft.models.config import Config


class RelativePositions(nn.Module):
    """A bias for each head and each bucket of distances."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.relative is not None
        self.shape = config.relative
        self.weight = nn.Parameter(torch.empty(config.relative.buckets, config.heads))
        nn.init.normal_(self.weight, std=config.init_std)

    def bias(self) -> Bias:
        """The bias of one pass: it depends on distances alone, so that layers share it."""
        known: dict[int, tuple[Tensor, Tensor]] = {}

        def of(query: Tensor, _: Tensor, distances: Tensor) -> Tensor:
            if id(distances) not in known:
                known[id(distances)] = (distances, self._of_distances(distances))
            return known[id(distances)][1].to(query.dtype)

        return of

    def _of_distances(self, distances: Tensor) -> Tensor:
        """`[rows, heads, queries, keys]`; few distances occur, most of them many times."""
        first, last = int(distances.min()), int(distances.max())
        buckets = self._buckets(torch.arange(first, last + 1)).to(self.weight.device)
        by_distance = self.weight.t()[:, buckets]
        return by_distance[:, (distances - first).to(self.weight.device)].transpose(0, 1)

    def _buckets(self, distances: Tensor) -> Tensor:
        """Near distances have a bucket each, farther ones share them by their logarithm."""
        buckets, offset = self.shape.buckets, torch.zeros_like(distances)
        if self.shape.both_ways:
            buckets //= 2
            offset = (distances > 0) * buckets
            distances = distances.abs()
        else:
            distances = -distances.clamp(max=0)
        near = buckets // 2
        ratio = math.log(self.shape.max_distance / near)
        far = near + (torch.log(distances.clamp(min=1) / near) / ratio * (buckets - near)).long()
        return offset + torch.where(distances < near, distances, far.clamp(max=buckets - 1))
