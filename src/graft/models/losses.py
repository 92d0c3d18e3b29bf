"""What models are trained to make small."""

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.batch import Batch

IGNORED = -100
"""The target of a token that no loss looks at."""


def next_tokens(batch: Batch, labels: Tensor | None = None) -> Tensor:
    """What each token should be followed by.

    Args:
        batch: The sequences.
        labels: `int64[tokens]`, the tokens to be learned, `IGNORED` for those that are only read,
            such as a question before its answer; None for the tokens of the batch, all of them.

    Returns:
        `int64[tokens]`: the label of the token that follows in the same sequence, and `IGNORED`
        for the last of each.
    """
    targets = (batch.ids if labels is None else labels).roll(-1)
    targets[batch.starts[1:] - 1] = IGNORED
    return targets


def language_model_loss(logits: Tensor, batch: Batch, labels: Tensor | None = None) -> Tensor:
    """The cross-entropy of next tokens, each within its own sequence.

    Args:
        logits: `[tokens, vocabulary]`; summed up in float32.
        batch: The sequences.
        labels: As for `next_tokens`.

    Returns:
        The mean over the tokens that have a target, in nats; zero where none has.
    """
    targets = next_tokens(batch, labels)
    total = F.cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="sum")
    return total / torch.count_nonzero(targets != IGNORED).clamp(min=1)


def writing_loss(logits: Tensor, batch: Batch) -> Tensor:
    """The cross-entropy of what a decoder is to write.

    Args:
        logits: `[decoder tokens, vocabulary]`; summed up in float32.
        batch: As `Batch.from_pairs` makes it: `decoder.targets` are `int64[decoder tokens]`, or
            `IGNORED`.

    Returns:
        The mean over the tokens that have a target, in nats; zero where none has.

    Raises:
        ValueError: The batch does not say what is to be written.
    """
    targets = None if batch.decoder is None else batch.decoder.targets
    if targets is None:
        raise ValueError("The batch has no targets for its decoder: see Batch.from_pairs.")
    total = F.cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="sum")
    return total / torch.count_nonzero(targets != IGNORED).clamp(min=1)
