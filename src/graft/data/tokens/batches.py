"""A tokenized data set as a model reads it: batches of any rows, and of all for evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graft.data.tokens.epochs import Rows, by_budget
from graft.data.tokens.lists import ListColumn
from graft.data.tokens.targets import Targets
from graft.models.batch import Batch
from graft.text.encoding import TokenBatch


class BatchSource(Protocol):
    """Rows of tokens of which batches can be made."""

    @property
    def lengths(self) -> npt.NDArray[np.integer[Any]]:
        """`integer[rows]`, tokens of each row."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: Rows) -> Batch:
        """The batch of some rows, in the order given."""
        ...


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

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """`int64[rows]`, tokens of each row."""
        return self.tokens.lengths

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
class TokenizedRows:
    """Tokens in Arrow columns, which may be larger than memory: a batch reads its own rows only.

    Attributes:
        ids: The token ids of every row.
        type_ids: The segment of each token; None where all are in the first.
        targets: What the loss compares with; None where the rows carry no labels.
    """

    ids: ListColumn
    type_ids: ListColumn | None = None
    targets: Targets | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """`int32[rows]`, tokens of each row."""
        return self.ids.lengths

    def batch(self, rows: Rows) -> Batch:
        """The batch of some rows, in the order given."""
        type_ids = self.type_ids
        return Batch(
            ids=torch.from_numpy(self.ids.gather(rows)),
            lengths=torch.from_numpy(self.lengths[rows].astype(np.int64)),
            type_ids=None if type_ids is None else torch.from_numpy(type_ids.gather(rows)),
            targets=None if self.targets is None else self.targets.of(rows),
            rows=torch.from_numpy(rows),
        )


def evaluation_batches(data: BatchSource, tokens_per_batch: int) -> Iterator[Batch]:
    """Every row once, longest first, so that too large a budget shows at once."""
    rows = np.arange(len(data), dtype=np.int64)
    return (data.batch(part) for part in by_budget(rows, data.lengths, tokens_per_batch))
