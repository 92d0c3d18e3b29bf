"""The heads of recurrent models."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.batch import Batch
from graft.models.crf import CRF, precise
from graft.models.dropout import Dropout
from graft.models.heads import HeadKind, TokenHead, VocabularyHead, head_dropout
from graft.models.losses import IGNORED
from graft.models.pooling import pooled
from graft.models.recurrent import LockedDropout
from graft.models.recurrent_config import RecurrentConfig


class BatchNorm(nn.Module):
    """Normalises each feature over a batch (Ioffe and Szegedy, 2015).

    Outside training, and for a batch of one sequence, which has no variance, it goes by what it
    has seen so far.

    Args:
        width: How many features there are.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def initialize(self, std: float) -> None:
        """At first it changes nothing, whatever `std` is."""
        for ones in (self.weight, self.variance):
            nn.init.ones_(ones)
        for zeros in (self.bias, self.mean):
            nn.init.zeros_(zeros)

    def forward(self, states: Tensor) -> Tensor:
        """Args: states `[sequences, width]`. Returns: the same shape."""
        several = self.training and len(states) > 1
        return F.batch_norm(
            states, self.mean, self.variance, self.weight, self.bias, several, momentum=0.1
        )


class PooledHead(nn.Module):
    """One answer for each sequence, from all its states (Howard and Ruder, 2018).

    It reads the state behind the last token, and the largest and the mean of each feature. Where
    the configuration has an `answer_size`, a layer of that width stands before the answer, and both
    layers are preceded by batch normalisation and dropout.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.both_ways = config.both_ways
        width = 3 * config.hidden_size
        share = config.classifier.share
        self.norm = self.dense = self.answer_norm = None
        self.dropout = Dropout(head_dropout(config))
        self.answer_dropout = Dropout(0.0 if share is None else share)
        if config.answer_size is not None:
            self.norm = BatchNorm(width)
            self.dense = nn.Linear(width, config.answer_size, bias=False)
            width = config.answer_size
            self.answer_norm = BatchNorm(width)
        # The shift of a normalisation before it does what its bias would.
        self.classify = nn.Linear(width, len(config.labels), bias=config.answer_size is None)

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: logits `[sequences, labels]`."""
        parts = [ends(hidden, batch, self.both_ways), largest(hidden, batch)]
        states = torch.cat([*parts, pooled(hidden, batch, "mean")], 1)
        if self.norm is not None:
            states = self.norm(states)
        states = self.dropout(states)
        if self.dense is not None and self.answer_norm is not None:
            states = self.answer_norm(F.relu(self.dense(states)))
            states = self.answer_dropout(states)
        logits: Tensor = self.classify(states)
        return logits


class LockedVocabularyHead(VocabularyHead):
    """For each token, the logits of the next one; drops the same features of all of a sequence's
    states (Merity et al., 2017)."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.dropout = LockedDropout(head_dropout(config))

    def forward(self, hidden: Tensor, batch: Batch, embedding: Tensor) -> Tensor:
        """See `VocabularyHead`."""
        rows = sequence_of_tokens(batch)
        return super().forward(self.dropout(hidden, rows, len(batch)), batch, embedding)


class TagHead(TokenHead):
    """One label for each token; with a conditional random field, the best sequence of them.

    Attributes:
        crf: The field; None where each token is labelled by itself.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.crf = CRF(config.labels, config.scheme) if config.crf else None

    def loss(self, logits: Tensor, tags: Tensor, batch: Batch) -> Tensor:
        """How unlikely the labels of each sequence are.

        Args:
            logits: `[tokens, labels]`.
            tags: `int64[tokens]`; `IGNORED` where a token has no label, such as the second part of
                a word. With a field, the tokens around it are neighbours.
            batch: The sequences.

        Returns:
            `float32[sequences]` (`float64` for logits of that), the negative logarithm of the
            probability of all of a sequence's labels, in nats; zero where it has none.
        """
        rows, counts = _labelled(tags, batch)
        chosen = tags != IGNORED
        logits = precise(logits)
        losses = logits.new_zeros(len(batch))
        if not len(rows):
            return losses + 0 * logits.sum()
        if self.crf is None:
            each = F.cross_entropy(logits[chosen], tags[chosen], reduction="none")
            return losses.index_add(0, sequence_of_tokens(batch)[chosen], each)
        likelihood = self.crf.log_likelihood(logits[chosen], tags[chosen], counts)
        return losses.index_add(0, rows.to(losses.device), -likelihood)

    def decode(self, logits: Tensor, batch: Batch, tags: Tensor | None = None) -> Tensor:
        """The labels of tokens.

        Args:
            logits: `[tokens, labels]`.
            batch: The sequences.
            tags: As for `loss`: where it is `IGNORED`, a token gets no label; None to label all.

        Returns:
            `int64[tokens]`, the numbers of the labels, and `IGNORED` where there is none.
        """
        every = torch.zeros_like(batch.ids) if tags is None else tags
        rows, counts = _labelled(every, batch)
        chosen = every != IGNORED
        answers = torch.full_like(every, IGNORED)
        if len(rows):
            answers[chosen] = (
                logits[chosen].argmax(1)
                if self.crf is None
                else self.crf.decode(logits[chosen], counts)[0]
            )
        return answers


def ends(hidden: Tensor, batch: Batch, both_ways: bool) -> Tensor:
    """The state of each sequence that an LSTM ends with.

    Args:
        hidden: `[tokens, hidden]`.
        batch: The sequences.
        both_ways: Whether the second half of the states is of one that ends at the first token.

    Returns:
        `[sequences, hidden]`.
    """
    last = pooled(hidden, batch, "last")
    if not both_ways:
        return last
    half = hidden.shape[1] // 2
    return torch.cat([last[:, :half], pooled(hidden, batch, "first")[:, half:]], 1)


def largest(hidden: Tensor, batch: Batch) -> Tensor:
    """The largest value of each feature in a sequence: `[sequences, hidden]`."""
    index = sequence_of_tokens(batch)[:, None].expand_as(hidden)
    empty = hidden.new_full((len(batch), hidden.shape[1]), -torch.inf)
    return empty.scatter_reduce(0, index, hidden, "amax", include_self=False)


def sequence_of_tokens(batch: Batch) -> Tensor:
    """`int64[tokens]`, the sequence that each token is of."""
    rows = torch.arange(len(batch)).repeat_interleave(batch.lengths)
    return rows.to(batch.ids.device)


def _labelled(tags: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Which sequences have labels, and how many each of them: on the CPU."""
    chosen = (tags != IGNORED).cpu().long()
    sums = torch.cat([chosen.new_zeros(1), chosen.cumsum(0)])
    starts = torch.cat([batch.lengths.new_zeros(1), batch.lengths.cumsum(0)])
    counts = sums[starts[1:]] - sums[starts[:-1]]
    rows = counts.nonzero()[:, 0]
    return rows, counts[rows]


RECURRENT_HEADS: dict[str, HeadKind] = {
    "text-classification": HeadKind(PooledHead, named=True),
    "token-classification": HeadKind(TagHead, named=True),
    "text-generation": HeadKind(LockedVocabularyHead),
}
"""The head of each task of a recurrent model, by the task's name."""
