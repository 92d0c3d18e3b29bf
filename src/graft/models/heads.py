"""Heads: what turns hidden states into a task's logits."""

import torch
from torch import Tensor, nn

from graft.models.config import Config
from graft.models.dropout import Dropout


class SequenceHead(nn.Module):
    """One answer for each sequence, from its first token (Devlin et al., 2018)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pool = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = Dropout(config.dropout)
        self.classify = nn.Linear(config.hidden_size, len(config.labels))

    def forward(self, firsts: Tensor) -> Tensor:
        """Args: firsts `[sequences, hidden]`. Returns: logits `[sequences, labels]`."""
        logits: Tensor = self.classify(self.dropout(torch.tanh(self.pool(firsts))))
        return logits


HEADS: dict[str, type[nn.Module]] = {"text-classification": SequenceHead}
"""The head of each task, by the task's name."""
