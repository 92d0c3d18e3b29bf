"""What the oracle and our models read, and what their answers are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import graft
from small import random_ids

LENGTHS = [9, 1, 2, 9, 30, 23]
"""Of sequences: equal ones, the shortest, and ones that padding fits badly."""

IGNORED = -100
"""The target of a token that no loss looks at."""


@dataclass(frozen=True)
class Texts:
    """What both sides read.

    Attributes:
        sequences: The token ids of each.
        segments: The segment ids of each; None for the first everywhere.
        decoder: For pairs of stacks, what the decoder reads.
    """

    sequences: list[list[int]]
    segments: list[list[int]] | None = None
    decoder: list[list[int]] | None = None

    @property
    def answered(self) -> list[list[int]]:
        """The sequences that token heads answer for."""
        return self.sequences if self.decoder is None else self.decoder

    @property
    def batch(self) -> graft.Batch:
        """The texts as ours reads them."""
        batch = graft.Batch.from_sequences(self.sequences, type_ids=self.segments)
        if self.decoder is None:
            return batch
        decoder = graft.Batch.from_sequences(self.decoder)
        return graft.Batch(batch.ids, batch.lengths, batch.type_ids, decoder=decoder)

    def inputs(self, pad: int) -> dict[str, Tensor]:
        """The texts as the oracle reads them."""
        ids, mask = padded(self.sequences, pad)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self.segments is not None:
            inputs["token_type_ids"] = padded(self.segments)[0]
        if self.decoder is not None:
            ids, mask = padded(self.decoder, pad)
            inputs |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
        return inputs

    def alone(self) -> list["Texts"]:
        """Each text by itself."""

        def row(part: list[list[int]] | None, index: int) -> list[list[int]] | None:
            return None if part is None else [part[index]]

        return [
            Texts([ids], row(self.segments, i), row(self.decoder, i))
            for i, ids in enumerate(self.sequences)
        ]


def padded(sequences: Sequence[Sequence[int]], fill: int = 0) -> tuple[Tensor, Tensor]:
    """The rectangle that the oracle reads, and its mask."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*ids, *[fill] * (longest - len(ids))] for ids in sequences])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in sequences])
    return ids, mask


def make_texts(
    lengths: Sequence[int] = LENGTHS, *, segments: int = 0, decoder: Sequence[int] = ()
) -> Texts:
    """Random texts.

    Args:
        lengths: In tokens.
        segments: How many kinds of segments there are; 0 for no segments.
        decoder: Lengths of what a decoder reads, as many.
    """
    kinds = [[3 * i % 7 % segments for i in range(n)] for n in lengths] if segments else None
    return Texts(random_ids(lengths), kinds, random_ids(decoder, seed=1) if decoder else None)


def targets_of(task: str | None, texts: Texts, config: Any) -> list[Any]:
    """What the loss compares each sequence with: a label, scores, or a target for each token."""
    labels = config.num_labels
    answered = texts.answered
    if task == "text-classification":
        if config.problem_type == "multi_label_classification":
            return [[float((i + j) % 3 == 0) for j in range(labels)] for i in range(len(answered))]
        if config.problem_type == "regression":
            return [[(i - j) / 2 for j in range(labels)] for i in range(len(answered))]
        return [i % labels for i in range(len(answered))]
    if task == "token-classification":
        return [[IGNORED if i % 3 == 1 else i % labels for i in range(len(r))] for r in answered]
    if task == "replaced-token-detection":
        return [[i % 3 == 1 for i in range(len(row))] for row in answered]
    if task == "question-answering":
        return [[len(row) // 3, len(row) - 1] for row in answered]
    if task == "fill-mask":
        return [[IGNORED if i % 2 else row[i] for i in range(len(row))] for row in answered]
    if task == "text-generation":
        return [[*row[1:], IGNORED] for row in answered]
    return [row[::-1] for row in answered]
