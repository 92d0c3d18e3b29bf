"""Heads: what turns hidden states into a task's logits."""

import torch
from torch import Tensor, nn

from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.layers import Dropout


class SequenceHead(nn.Module):
    """One answer for each sequence, from its first token (Devlin et al., 2018)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pool = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = Dropout(config.dropout)
        self.classify = nn.Linear(config.hidden_size, len(config.labels))

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Args: hidden `[tokens, hidden]`, batch. Returns: logits `[sequences, labels]`."""
        first = hidden[batch.starts[:-1]]
        logits: Tensor = self.classify(self.dropout(torch.tanh(self.pool(first))))
        return logits


HEADS: dict[str, type[nn.Module]] = {"text-classification": SequenceHead}
"""The head of each task, by the task's name."""
