"""A convolution over the tokens of each sequence (He et al., 2020)."""

import torch
from torch import Tensor, nn

from graft.models.activations import ACTIVATIONS
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.norm import make_norm


class Convolution(nn.Module):
    """Adds what neighbouring embeddings make together to the states of a block, and normalises."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.convolution is not None
        shape, width = config.convolution, config.hidden_size
        self.reach = shape.kernel // 2
        self.mix = nn.Conv1d(width, width, shape.kernel, padding=self.reach, groups=shape.groups)
        self.activation = shape.activation
        self.norm = make_norm(config.norm, width)
        self.dropout = Dropout(config.dropout)

    def forward(self, embeddings: Tensor, hidden: Tensor, batch: Batch) -> Tensor:
        """Args: embeddings and hidden `[tokens, hidden]`, batch. Returns: `[tokens, hidden]`."""
        mixed = ACTIVATIONS[self.activation](self.dropout(self._mix(embeddings, batch)))
        added: Tensor = self.norm(hidden + mixed)
        return added

    def _mix(self, states: Tensor, batch: Batch) -> Tensor:
        """The convolution: zeros between sequences keep them apart, as they end a text alone."""
        if len(batch) == 1:
            alone: Tensor = self.mix(states.T).T
            return alone
        gaps = torch.arange(len(batch)).repeat_interleave(batch.lengths) * self.reach
        places = gaps.to(states.device) + torch.arange(len(states), device=states.device)
        size = len(states) + (len(batch) - 1) * self.reach
        spread = states.new_zeros(size, states.shape[1]).index_copy(0, places, states)
        mixed: Tensor = self.mix(spread.T).T
        return mixed[places]
