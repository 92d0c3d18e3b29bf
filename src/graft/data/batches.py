"""Batches by token budget: rows of like length together, no padding, nothing dropped."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graft.models.batch import Batch
from graft.text.encoding import TokenBatch

Rows = npt.NDArray[np.int64]

_WINDOW = 32  # batches that are sorted by length together


@dataclass(frozen=True)
class EncodedDataset:
    """A data set as a model reads it.

    Attributes:
        tokens: The token ids of every row.
        targets: What the loss compares with, one entry a row: `int64[rows]` or
            `float32[rows, labels]`; None where the rows carry no labels.
    """

    tokens: TokenBatch
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def first(self, rows: int) -> "EncodedDataset":
        """The first rows, all of them where there are fewer."""
        rows = min(rows, len(self))
        offsets = self.tokens.offsets[: rows + 1]
        tokens = TokenBatch(
            self.tokens.ids[: offsets[-1]], offsets, self.tokens.type_ids[: offsets[-1]]
        )
        return EncodedDataset(tokens, None if self.targets is None else self.targets[:rows])

    def batch(self, rows: Rows) -> Batch:
        """The batch of some rows, in the order given."""
        where = self.tokens.positions_of(rows)
        index = torch.from_numpy(rows)
        types = None
        if self.tokens.has_second_texts:
            types = torch.from_numpy(self.tokens.type_ids[where].astype(np.int64))
        return Batch(
            ids=torch.from_numpy(self.tokens.ids[where].astype(np.int64)),
            lengths=torch.from_numpy(self.tokens.lengths[rows]),
            type_ids=types,
            targets=None if self.targets is None else self.targets[index],
            rows=index,
        )


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of each epoch: shuffled rows, sorted by length within windows, cut by a budget.

    A batch holds about `batch_size` rows of average length: more where they are short and fewer
    where they are long, so that each costs about the same.

    Attributes:
        data: The rows.
        batch_size: Rows in a batch, on average.
        seed: With the epoch's number, decides the order.
    """

    data: EncodedDataset
    batch_size: int
    seed: int = 0

    def plan(self, epoch: int) -> list[Rows]:
        """The rows of each batch of an epoch, in the order of training."""
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(len(self.data)).astype(np.int64)
        budget = max(1, round(self.batch_size * float(self.data.tokens.lengths.mean())))
        step = self.batch_size * _WINDOW
        batches: list[Rows] = []
        for start in range(0, len(order), step):
            batches += by_budget(order[start : start + step], self.data.tokens.lengths, budget)
        return [batches[i] for i in random.permutation(len(batches))]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return (self.data.batch(rows) for rows in self.plan(epoch))


def evaluation_batches(data: EncodedDataset, tokens_per_batch: int) -> Iterator[Batch]:
    """Every row once, longest first, so that too large a budget shows at once."""
    rows = np.arange(len(data), dtype=np.int64)
    return (data.batch(part) for part in by_budget(rows, data.tokens.lengths, tokens_per_batch))


def by_budget(rows: Rows, lengths: npt.NDArray[np.int64], budget: int) -> list[Rows]:
    """Cuts rows, longest first, into batches of at most `budget` tokens, or of one row.

    Args:
        rows: `int64[n]`, the rows to cut.
        lengths: `int64[...]`, tokens of every row of the data set.
        budget: Tokens in a batch.
    """
    ordered = rows[np.argsort(-lengths[rows], kind="stable")]
    batches: list[Rows] = []
    first = tokens = 0
    for index, length in enumerate(lengths[ordered].tolist()):
        if tokens and tokens + length > budget:
            batches.append(ordered[first:index])
            first, tokens = index, 0
        tokens += length
    if first < len(ordered):
        batches.append(ordered[first:])
    return batches
