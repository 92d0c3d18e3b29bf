"""The loader: batches of an epoch, shuffled, made ahead by threads, shared out over ranks."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from graft.data.dataset import Dataset
from graft.data.seeds import check_epoch, checked_seed
from graft.data.tokens.batches import BatchSource, EncodedDataset, TokenizedRows
from graft.data.tokens.epochs import Budget, Plan, ordered_plan, shuffled_plan
from graft.data.tokens.tokenized import tokenized_rows
from graft.errors import DataError
from graft.models.batch import Batch

_STATE_VERSION = 1


class BatchLoader:
    """Iterates over the batches of an epoch.

        loader = BatchLoader(data["train"].tokenize(tokenizer), batch_size=16)
        for epoch in range(3):
            for batch in loader: ...

    Rows are shuffled, sorted by length within windows of 32 batches, and cut into batches of about
    as many tokens; every row comes once an epoch, and nothing is padded. The batches depend on the
    data, the budget, the seed, the epoch and the number of ranks, and on nothing else: not on
    `workers` and `prefetch`.

    Each `for` gives an epoch from its start; when it is done the next one is due. `state_dict`
    tells the position after the last batch given out, whatever is already made ahead, and the first
    `for` after `load_state_dict` goes on from there.

    With `world_size` above 1 every step is one batch on each rank. All ranks have the same number
    of steps, the rows of a step go to one rank each, and no rank goes without a row. Where rows are
    so few that each is a batch of its own, some of the last batches hold two of them, whatever the
    budget says.

    Args:
        data: A tokenized data set, or rows encoded in memory.
        batch_size: Rows of average length in a batch: it holds as many tokens as these.
        tokens: In place of it, the tokens in a batch at most; a longer row is a batch of its own.
        shuffle: Whether rows come in an order drawn at random, or as they are.
        seed: With the epoch, decides the order; None draws one.
        targets: The column of what the loss compares with; "input_ids" for language models. By
            default the aligned tags or else the label, where there is one. Only of a `Dataset`.
        workers: Threads that make batches; 0 to make each when it is asked for.
        prefetch: How many batches each of them makes ahead.
        rank: Which of the processes this is, from 0.
        world_size: How many there are.

    Raises:
        DataError: An argument is out of range, there are fewer rows than ranks, or the data set is
            not tokenized.
    """

    def __init__(
        self,
        data: Dataset | BatchSource,
        *,
        batch_size: int | None = None,
        tokens: int | None = None,
        shuffle: bool = True,
        seed: int | None = 0,
        targets: str | None = None,
        workers: int = 0,
        prefetch: int = 2,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if workers < 0 or prefetch < 1:
            raise DataError(
                f"workers ({workers}) must be 0 or more, and prefetch ({prefetch}) 1 or more."
            )
        if not 0 <= rank < world_size:
            raise DataError(f"rank is {rank} of {world_size}; it must be 0 to {world_size - 1}.")
        if seed is None and world_size > 1:
            raise DataError("All ranks need one seed, and None draws another on each. Give one.")
        if isinstance(data, Mapping):
            raise DataError(f"BatchLoader reads one split of {', '.join(data)}: data['<split>'].")
        if targets is not None and not isinstance(data, Dataset):
            raise DataError("targets names a column; encoded rows have their targets already.")
        self.source: BatchSource = (
            tokenized_rows(data, targets) if isinstance(data, Dataset) else data
        )
        if 0 < len(self.source) < world_size:
            raise DataError(
                f"{len(self.source)} rows cannot be shared out over {world_size} ranks: some would "
                "have none. Use fewer processes, or more rows."
            )
        self.budget = Budget(batch_size, tokens)
        self.shuffle = shuffle
        self.seed = checked_seed("BatchLoader", seed)
        self.workers = workers
        self.prefetch = prefetch
        self.rank = rank
        self.world_size = world_size
        self._fingerprint = data.fingerprint if isinstance(data, Dataset) else None
        self._epoch = self._step = 0
        self._resumed = False
        self._plan: tuple[int, Plan] | None = None

    @property
    def epoch(self) -> int:
        """The epoch under way or, between two, the next one; from 0."""
        return self._epoch

    @property
    def batch_size(self) -> int:
        """Rows in a batch, on average."""
        return self.budget.of(self.source.lengths)[1]

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next `for` gives.

        For the one under way after `load_state_dict`, the position in it stays.
        """
        check_epoch(epoch)
        if epoch != self._epoch:
            self._epoch, self._step, self._resumed = epoch, 0, False

    def plan(self, epoch: int) -> Plan:
        """The rows of every batch of an epoch; the last one asked for is kept."""
        if not self.shuffle:
            epoch = 0
        if self._plan is None or self._plan[0] != epoch:
            lengths, ranks = self.source.lengths, self.world_size
            self._plan = None  # so that two are never in memory
            if self.shuffle:
                found = shuffled_plan(lengths, self.budget, self.seed, epoch, ranks)
            else:
                found = ordered_plan(lengths, self.budget, ranks)
            self._plan = epoch, found
        return self._plan[1]

    def __len__(self) -> int:
        """Batches in the epoch that is due, on every rank."""
        return len(self.plan(self._epoch))

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = self._epoch, self._step if self._resumed else 0
        self._step, self._resumed = first, False
        plan = self.plan(epoch)
        for step, batch in enumerate(self._made(plan, first), start=first + 1):
            self._epoch, self._step = epoch, step
            yield batch
        self._epoch, self._step = epoch + 1, 0

    def _made(self, plan: Plan, first: int) -> Iterator[Batch]:
        """The batches of a plan from a step on, in order, made ahead where there are workers."""
        steps = iter(range(first, len(plan)))
        if not self.workers:
            for step in steps:
                yield self._batch(plan, step)
            return
        pool = ThreadPoolExecutor(self.workers, "graft-batches")
        try:
            waiting: deque[Future[Batch]] = deque(
                pool.submit(self._batch, plan, step)
                for step in islice(steps, self.workers * self.prefetch)
            )
            while waiting:
                batch = waiting.popleft().result()
                for step in islice(steps, 1):
                    waiting.append(pool.submit(self._batch, plan, step))
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, plan: Plan, step: int) -> Batch:
        return self.source.batch(plan.rows(step, self.rank))

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch given out, and what it depends on; plain values."""
        return {
            "version": _STATE_VERSION,
            "epoch": self._epoch,
            "step": self._step,
            "seed": self.seed,
            **self._conditions(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position that `state_dict` told; `workers` and `prefetch` may be others.

        Raises:
            DataError: It is of other data, another budget, or another number of ranks, with which
                the batches would not be the same.
        """
        if state.get("version") != _STATE_VERSION:
            raise DataError(f"This is no state of a BatchLoader of this version of Graft: {state}.")
        for name, ours in self._conditions().items():
            theirs = state.get(name)
            if theirs != ours:
                raise DataError(
                    f"The saved position was reached with {name}={theirs}; here it is {ours}, "
                    "which gives other batches. Make the loader as it was, or start the epoch anew "
                    f"with set_epoch({state['epoch']})."
                )
        self.seed = int(state["seed"])
        self._plan = None
        self._epoch, self._step, self._resumed = int(state["epoch"]), int(state["step"]), True

    def _conditions(self) -> dict[str, Any]:
        """What, besides seed and epoch, the batches depend on."""
        return {
            "rows": len(self.source),
            "batch_size": self.budget.rows,
            "tokens": self.budget.tokens,
            "shuffle": self.shuffle,
            "world_size": self.world_size,
            "fingerprint": self._fingerprint,
        }


__all__ = ["BatchLoader", "EncodedDataset", "TokenizedRows"]
