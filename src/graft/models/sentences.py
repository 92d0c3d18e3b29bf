"""The head that makes one vector of a text, for comparing texts (Reimers and Gurevych, 2019)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.activations import ACTIVATIONS
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.pooling import pooled


class SentenceHead(nn.Module):
    """Pooled states, concatenated where they are pooled in several ways, projected, normalised."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = config.sentence
        self.pooling = shape.pooling
        self.normalized = shape.normalized
        self.activations = [each.activation for each in shape.projections]
        width = config.hidden_size * len(shape.pooling)
        self.projections = nn.ModuleList()
        for each in shape.projections:
            self.projections.append(nn.Linear(width, each.outputs, bias=each.bias))
            width = each.outputs

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: `[sequences, width]`."""
        return self.of_pooled(torch.cat([pooled(hidden, batch, how) for how in self.pooling], 1))

    def of_pooled(self, states: Tensor) -> Tensor:
        """Args: states `[sequences, pooled width]`. Returns: `[sequences, width]`."""
        for project, activation in zip(self.projections, self.activations, strict=True):
            states = project(states)
            if activation is not None:
                states = ACTIVATIONS[activation](states)
        return F.normalize(states, dim=1) if self.normalized else states
