"""Which rows make the batches of an epoch: the one plan that training and every loader go by.

Rows are shuffled, sorted by length within windows of some batches, and cut by a budget of tokens:
rows of like length go together, and every batch costs about the same. Nothing is padded or dropped.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.data.rows import all_numbers
from graft.errors import DataError

Rows = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.integer[Any]]

_WINDOW = 32  # batches that are sorted by length together


@dataclass(frozen=True)
class Budget:
    """How much goes into a batch.

    Attributes:
        rows: Rows of average length; a batch holds as many tokens as they have.
        tokens: The tokens themselves, in place of `rows`.
    """

    rows: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        """Raises `DataError` unless one of the two is given, 1 or more."""
        given = [value for value in (self.rows, self.tokens) if value is not None]
        if len(given) != 1:
            raise DataError(
                "Say how large batches are, in one way: batch_size=16 (rows of average length) or "
                "tokens=8192 (tokens at most)."
            )
        if given[0] < 1:
            name = "tokens" if self.rows is None else "batch_size"
            raise DataError(f"{name} is {given[0]}; it must be 1 or more.")

    def of(self, lengths: Lengths) -> tuple[int, int]:
        """Tokens in a batch, and about how many rows that are, for rows of these lengths."""
        mean = float(lengths.mean(dtype=np.float64)) if len(lengths) else 1.0
        if self.rows is not None:
            return max(1, round(self.rows * mean)), self.rows
        assert self.tokens is not None
        return self.tokens, max(1, round(self.tokens / max(mean, 1.0)))


@dataclass(frozen=True)
class Plan:
    """The batches of one epoch, for all ranks: step `i` is one batch on each of them.

    Attributes:
        order: `uint32[rows]` (`int64` past 4 billion rows), the rows, batch after batch.
        bounds: `int64[batches + 1]`; batch `b` is `order[bounds[b]:bounds[b + 1]]`.
        steps: `int64[steps]`, the steps in their order: step `s` is the batches from
            `steps[s] * world_size` on, one a rank.
        world_size: How many ranks there are.
    """

    order: npt.NDArray[np.integer[Any]]
    bounds: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    world_size: int = 1

    def __len__(self) -> int:
        return len(self.steps)

    def rows(self, step: int, rank: int = 0) -> Rows:
        """The rows of a step on a rank: `int64[rows of the batch]`."""
        batch = int(self.steps[step]) * self.world_size + rank
        return self.order[self.bounds[batch] : self.bounds[batch + 1]].astype(np.int64)


def shuffled_plan(lengths: Lengths, budget: Budget, seed: int, epoch: int, ranks: int = 1) -> Plan:
    """The plan of an epoch of training.

    Args:
        lengths: `integer[rows]`, tokens of every row.
        budget: What goes into a batch. A batch of one row may be larger; and where rows are so few
            that each is a batch of its own, some of the last step hold one more, rather than that
            a rank has none.
        seed: With the epoch's number, decides the order.
        epoch: From 0.
        ranks: Over how many processes each step is shared out: by tokens, each row to one of them,
            and to every one of them a row or more.

    Raises:
        DataError: There are fewer rows than ranks.
    """
    tokens, rows = budget.of(lengths)
    random = np.random.default_rng((seed, epoch))
    order = all_numbers(len(lengths))
    random.shuffle(order)
    window = rows * _WINDOW * ranks
    parts = [np.zeros(1, np.int64)]
    for start in range(0, len(order), window):
        part = order[start : start + window]
        part[:] = longest_first(part, lengths)
        parts.append(start + _cuts(lengths[part], tokens))
    bounds = _shared(np.concatenate(parts), ranks)
    steps = random.permutation((len(bounds) - 1) // ranks).astype(np.int64)
    return Plan(order, bounds, steps, ranks)


def ordered_plan(lengths: Lengths, budget: Budget, ranks: int = 1) -> Plan:
    """The plan that keeps the rows' order: rows that follow each other, up to the budget.

    See `shuffled_plan`; step after step and, within a step, rank after rank, the rows are in order.
    """
    tokens, _ = budget.of(lengths)
    cuts = np.concatenate([np.zeros(1, np.int64), _cuts(lengths, tokens)])
    bounds = _shared(cuts, ranks)
    steps = np.arange((len(bounds) - 1) // ranks, dtype=np.int64)
    return Plan(all_numbers(len(lengths)), bounds, steps, ranks)


def by_budget(rows: Rows, lengths: Lengths, budget: int) -> list[Rows]:
    """Cuts rows, longest first, into batches of at most `budget` tokens, or of one row.

    Args:
        rows: `int64[n]`, the rows to cut.
        lengths: `integer[...]`, tokens of every row of the data set.
        budget: Tokens in a batch.
    """
    ordered = longest_first(rows, lengths)
    return np.split(ordered, _cuts(lengths[ordered], budget)[:-1]) if len(ordered) else []


def longest_first(
    rows: npt.NDArray[np.integer[Any]], lengths: Lengths
) -> npt.NDArray[np.integer[Any]]:
    """Rows by falling length; rows of one length keep their order."""
    return rows[np.argsort(-lengths[rows].astype(np.int64), kind="stable")]


def _cuts(lengths: Lengths, budget: int) -> npt.NDArray[np.int64]:
    """Where each batch of rows that follow each other ends, the last one at the end."""
    sums = np.cumsum(lengths, dtype=np.int64)
    ends = []
    end = before = 0
    while end < len(sums):
        end = max(end + 1, int(np.searchsorted(sums, before + budget, side="right")))
        before = int(sums[end - 1])
        ends.append(end)
    return np.array(ends, np.int64)


def _shared(bounds: npt.NDArray[np.int64], ranks: int) -> npt.NDArray[np.int64]:
    """Bounds of as many batches as fill whole steps: a few are halved, or joined where none can."""
    rows, batches = int(bounds[-1]), len(bounds) - 1
    if rows and rows < ranks:
        raise DataError(
            f"{rows} rows cannot be shared out over {ranks} ranks: some would have none. Use "
            "fewer processes, or more rows."
        )
    lacking = -batches % ranks
    if rows - batches < lacking:  # too few batches of several rows: join pairs, the shortest rows'
        joined = bounds[len(bounds) - 2 : len(bounds) - 2 - 2 * (batches % ranks) : -2]
        return np.setdiff1d(bounds, joined)
    for _ in range(lacking):
        largest = int(np.argmax(np.diff(bounds)))
        middle = (bounds[largest] + bounds[largest + 1] + 1) // 2
        bounds = np.insert(bounds, largest + 1, middle)
    return bounds
