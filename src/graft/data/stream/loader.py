"""Batches of a tokenized stream, packed by a budget of tokens from windows of its rows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from graft.data.dataset import Dataset
from graft.data.formats.bad_rows import BadRows
from graft.data.reading.ahead import ahead
from graft.data.seeds import check_epoch
from graft.data.stream.dataset import StreamingDataset
from graft.data.stream.node import Reading, Run, State, outline, pull, together
from graft.data.tokens.epochs import Budget, Plan, ordered_plan, shuffled_plan
from graft.data.tokens.plan import check_tokenized
from graft.data.tokens.tokenized import tokenized_rows
from graft.errors import DataError
from graft.models.batch import Batch

_STATE_VERSION = 1
# Batches that are sorted by length together; where rows in a batch are not known, rows.
_BATCHES, _ROWS = 32, 4096


class StreamLoader:
    """Batches of a tokenized stream: what `BatchLoader` makes of a data set, window by window.

    Some rows at a time are in memory: they are sorted by length and cut by the budget, so that rows
    of like length go together, and the batches come in an order drawn at random. Nothing is padded
    or dropped. For rows in an order of their own, shuffle the stream before it is tokenized.

    Each `for` gives an epoch, and the one after it is the next. `state_dict` tells the position
    after the last batch given out, and the first `for` after `load_state_dict` goes on from there.

    With `world_size` above 1 every step is one batch on each rank, and all ranks have the same
    number of steps: each of them reads the whole stream for that. Where ranks need not keep pace,
    `stream.shard(rank, world_size)` reads each file on one of them only.

    Args:
        data: A tokenized stream.
        batch_size: Rows of average length in a batch: it holds as many tokens as these.
        tokens: In place of it, the tokens in a batch at most; a longer row is a batch of its own.
        window: How many rows are in memory; by default some dozens of batches.
        shuffle: Whether rows are sorted and batches shuffled, or all stay in their order.
        seed: With the epoch, decides the order of batches.
        targets: The column of what the loss compares with; see `BatchLoader`.
        prefetch: How many batches are made ahead, in a thread; 0 to make each when it is asked for.
        rank: Which of the processes this is, from 0.
        world_size: How many there are.

    Raises:
        DataError: An argument is out of range, or the stream is not tokenized.
    """

    def __init__(
        self,
        data: StreamingDataset,
        *,
        batch_size: int | None = None,
        tokens: int | None = None,
        window: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        targets: str | None = None,
        prefetch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if prefetch < 0 or (window is not None and window < 1):
            raise DataError(
                f"prefetch ({prefetch}) must be 0 or more, and window ({window}) 1 or more."
            )
        if not 0 <= rank < world_size:
            raise DataError(f"rank is {rank} of {world_size}; it must be 0 to {world_size - 1}.")
        self._data, self._node = data, data.node
        self._budget = Budget(batch_size, tokens)
        rows = _ROWS if batch_size is None else _BATCHES * batch_size
        self._window = (rows if window is None else window) * world_size
        self._shuffle, self._seed, self._targets = shuffle, seed, targets
        self._prefetch, self._rank, self._world_size = prefetch, rank, world_size
        self._epoch = data.epoch
        self._at: State | None = None
        self._resumed = False
        check_tokenized(self._dataset(self._node.kind.schema.empty_table()))

    @property
    def epoch(self) -> int:
        """The epoch under way or, between two, the next one; from 0."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next `for` gives; for the one under way, the position stays."""
        check_epoch(epoch)
        if epoch != self._epoch:
            self._epoch, self._at, self._resumed = epoch, None, False

    def __iter__(self) -> Iterator[Batch]:
        epoch, start = self._epoch, self._at if self._resumed else None
        self._at, self._resumed = start, False
        made = self._made(epoch, start)
        for batch, state in ahead(made, self._prefetch) if self._prefetch else made:
            self._epoch, self._at = epoch, state
            yield batch
        self._epoch, self._at = epoch + 1, None

    def _made(self, epoch: int, start: State | None) -> Iterator[tuple[Batch, State]]:
        """The batches of an epoch from a place on, each with the place after it."""
        reading = self._node.start(start and start["reading"], Run(epoch, BadRows()))
        try:
            windows = _Windows(reading, self._window, self._world_size)
            number, step, row = (0, 0, 0) if start is None else start["at"]
            while (found := windows.next()) is not None:
                before, table = found
                source = tokenized_rows(self._dataset(table), self._targets)
                plan = self._plan(source.lengths, epoch, number)
                for place in range(step, len(plan)):
                    batch = source.batch(plan.rows(place, self._rank))
                    if batch.rows is not None:
                        batch = replace(batch, rows=batch.rows + row)
                    at = [number, place + 1, row]
                    yield batch, {"reading": before, "at": at}
                number, step, row = number + 1, 0, row + table.num_rows
        finally:
            reading.close()

    def _plan(self, lengths: Any, epoch: int, window: int) -> Plan:
        if not self._shuffle:
            return ordered_plan(lengths, self._budget, self._world_size)
        seed = self._seed + (window << 32)  # every window has an order of its own
        return shuffled_plan(lengths, self._budget, seed, epoch, self._world_size)

    def _dataset(self, table: pa.Table) -> Dataset:
        kind = self._node.kind
        return Dataset(table, features=kind.features, roles=kind.roles, source=self._node.name)

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch given out, and what it depends on; plain values."""
        return {"version": _STATE_VERSION, "epoch": self._epoch, "place": self._at} | (
            self._conditions()
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position that `state_dict` told; `prefetch` may be another.

        Raises `DataError` when it is of other rows, another budget or another number of ranks.
        """
        if state.get("version") != _STATE_VERSION:
            raise DataError(f"This is no state of a StreamLoader of this version: {state}.")
        for name, ours in self._conditions().items():
            if state.get(name) != ours:
                raise DataError(
                    f"The saved position was reached with {name}={state.get(name)}; here it is "
                    f"{ours}, which gives other batches. Make the loader as it was, or start the "
                    f"epoch anew with set_epoch({state['epoch']})."
                )
        self._epoch, self._at, self._resumed = int(state["epoch"]), state["place"], True

    def _conditions(self) -> dict[str, Any]:
        return {
            "steps": outline(self._node),
            "batch_size": self._budget.rows,
            "tokens": self._budget.tokens,
            "window": self._window,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "world_size": self._world_size,
        }


class _Windows:
    """Windows of so many rows; the last one has more where the rest is too little for all ranks."""

    def __init__(self, reading: Reading, size: int, least: int) -> None:
        self._reading, self._size, self._least = reading, size, least
        self._rest: tuple[State, pa.RecordBatch] | None = None

    def next(self) -> tuple[State, pa.Table] | None:
        """Where the next window begins, and its rows; None at the end."""
        before, found = self._rest or (self._reading.state(), None)
        count = 0 if found is None else found.num_rows
        more = pull(self._reading, self._size - count) if self._size > count else None
        parts = [part for part in (found, more) if part is not None]
        self._rest = None
        if not parts:
            return None
        at = self._reading.state()
        rest = pull(self._reading, self._least)
        if rest is not None and rest.num_rows < self._least:
            parts.append(rest)
        elif rest is not None:
            self._rest = at, rest
        return before, pa.Table.from_batches([together(parts)])
