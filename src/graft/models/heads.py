"""Heads: what turns hidden states into a task's logits."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graft.models.activations import ACTIVATIONS
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.linear import Linear, Packed, linear
from graft.models.norm import make_norm
from graft.models.pooling import pooled
from graft.models.sentences import SentenceHead


class SequenceHead(nn.Module):
    """One answer for each sequence (Devlin et al., 2018)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = config.classifier
        self.shape = shape
        width = config.hidden_size
        self.pool = nn.Linear(width, width, bias=shape.dense_bias) if shape.dense else None
        self.norm = make_norm(config.norm, width) if shape.norm else None
        usual = head_dropout(config)
        self.dropout = Dropout(usual if shape.share is None else shape.share)
        before = shape.share_before
        self.dropout_before = self.dropout if before is None else Dropout(before)
        self.classify = nn.Linear(width, len(config.labels), bias=shape.bias)

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: logits `[sequences, labels]`."""
        return self.of_pooled(pooled(hidden, batch, self.shape.pool))

    def of_pooled(self, states: Tensor) -> Tensor:
        """Args: states `[sequences, hidden]`. Returns: logits `[sequences, labels]`."""
        if self.pool is not None:
            if self.shape.dropout_before:
                states = self.dropout_before(states)
            states = ACTIVATIONS[self.shape.activation](self.pool(states))
        if self.norm is not None:
            states = self.norm(states)
        logits: Tensor = self.classify(self.dropout(states))
        return logits


class TokenHead(nn.Module):
    """One answer for each token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        outputs, dropout = self._answers(config)
        shape, width = config.classifier, config.hidden_size
        self.activation = shape.activation
        self.pool = self.norm = None
        if shape.of_tokens:
            self.pool = nn.Linear(width, width, bias=shape.dense_bias)
            self.norm = make_norm(config.norm, width) if shape.norm else None
        self.dropout = Dropout(dropout)
        self.classify = nn.Linear(width, outputs)

    @staticmethod
    def _answers(config: Config) -> tuple[int, float]:
        """How many logits a token has, and the share dropped ahead of them."""
        return len(config.labels), head_dropout(config)

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: logits `[tokens, labels]`."""
        if self.pool is not None:
            hidden = ACTIVATIONS[self.activation](self.pool(hidden))
        if self.norm is not None:
            hidden = self.norm(hidden)
        logits: Tensor = self.classify(self.dropout(hidden))
        return logits


class SpanHead(TokenHead):
    """For each token, whether an answer starts there and whether it ends there: two logits."""

    @staticmethod
    def _answers(config: Config) -> tuple[int, float]:
        return 2, config.span_dropout


class ReplacedHead(nn.Module):
    """For each token, whether another stood there before: one logit (Clark et al., 2020)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.activation = config.activation
        self.replaced = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: logits `[tokens, 1]`."""
        logits: Tensor = self.replaced(self.dense(hidden, self.activation))
        return logits


class VocabularyHead(nn.Module):
    """For each token, the logits of a vocabulary: of a masked token, or of the next one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = config.vocabulary
        self.shape = shape
        width = config.embedding_size or config.hidden_size
        self.dense = self.norm = self.weight = self.bias = None
        self._packed = Packed(config.causal)
        if shape.dense:
            self.dense = Linear(config.hidden_size, width, bias=shape.dense_bias)
            self.norm = make_norm(config.norm, width)
        if not shape.tied:
            self.weight = nn.Parameter(torch.empty(config.vocab_size, width))
            nn.init.normal_(self.weight, std=config.init_std)
        if shape.bias:
            self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`, embedding `[vocabulary, hidden]`.

        Returns: logits `[tokens, vocabulary]`.
        """
        if self.dense is not None and self.norm is not None:
            hidden = self.norm(self.dense(hidden, self.shape.activation))
        if self.shape.scale != 1.0:
            hidden = hidden * self.shape.scale
        weight = embedding if self.weight is None else self.weight
        bias: Tensor | None = self.bias
        if bias is not None and self.shape.fixed_bias:
            bias = bias.detach()
        logits = linear(hidden, weight, bias, self._packed)
        cap = self.shape.cap
        return logits if cap is None else cap * torch.tanh(logits / cap)


def head_dropout(config: Config) -> float:
    """The share that heads drop."""
    return config.dropout if config.head_dropout is None else config.head_dropout


@dataclass(frozen=True)
class HeadKind:
    """What a task's head is, and what it needs.

    Attributes:
        module: Its class.
        named: Whether its answers are labels with names.
        apart: Whether it is kept in files of its own, beside those of the body alone.
    """

    module: type[nn.Module]
    named: bool = False
    apart: bool = False


HEADS: dict[str, HeadKind] = {
    "text-classification": HeadKind(SequenceHead, named=True),
    "token-classification": HeadKind(TokenHead, named=True),
    "question-answering": HeadKind(SpanHead),
    "fill-mask": HeadKind(VocabularyHead),
    "replaced-token-detection": HeadKind(ReplacedHead),
    "text-generation": HeadKind(VocabularyHead),
    "text2text-generation": HeadKind(VocabularyHead),
    "sentence-similarity": HeadKind(SentenceHead, apart=True),
}
"""The head of each task, by the task's name."""
