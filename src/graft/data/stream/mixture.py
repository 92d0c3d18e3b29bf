"""Several streams by turns, or mixed at random: the rows that `Dataset.interleave` gives."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.combine import Stop, check_stop, shares_of
from graft.data.fingerprint import digest
from graft.data.rows import Rows
from graft.data.stream.node import Kind, Node, Reading, Run, State
from graft.data.stream.order import OfSeveral
from graft.errors import DataError

# So many rows are drawn at a time.
_DRAWN = 1000

Numbers = npt.NDArray[np.int64]


class Interleaved(OfSeveral):
    """Rows of several inputs, each in its order, by turns or as they are drawn."""

    def __init__(
        self, inputs: Sequence[Node], weights: Sequence[float] | None, seed: int, stop: Stop
    ) -> None:
        """Raises `DataError` for weights that are none, and another `stop` than there are."""
        check_stop(stop)
        super().__init__("interleave", inputs)
        self.shares = None if weights is None else shares_of(weights, len(inputs), stop)
        self.seed, self.stop = seed, stop
        told = None if self.shares is None else tuple(self.shares.round(6).tolist())
        self.settings = (told, seed, stop)

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _MixedReading(self, state, run)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        shares = None if self.shares is None else self.shares.tolist()
        return {**super().parts(), "interleave": digest([shares, self.seed, self.stop])}


class _Input:
    """One of the inputs: what it still has is known one row ahead.

    Attributes:
        done: Whether all its rows were given once.
        ended: Whether none is left.
    """

    def __init__(self, node: Node, state: State | None, run: Run) -> None:
        self._node, self._run = node, run
        self._reading = node.start(None if state is None else state["reading"], run)
        self.done = state is not None and bool(state["done"])
        self.ended = False
        self._ahead: tuple[State, pa.RecordBatch] | None = None

    def state(self) -> State:
        """Where the row that follows is."""
        at = self._reading.state() if self._ahead is None else self._ahead[0]
        return {"reading": at, "done": self.done}

    def take(self, rows: int) -> list[pa.RecordBatch]:
        """So many rows, or those that are left, and then `ended` is true."""
        found: list[pa.RecordBatch] = []
        if rows and self._ahead is not None:
            found.append(self._ahead[1])
            self._ahead = None
        rows -= len(found)
        while rows:
            batch = self._reading.next(rows)
            if batch is None:
                self.ended = True
                return found
            found.append(batch)
            rows -= batch.num_rows
        if self._ahead is None:
            before = self._reading.state()
            batch = self._reading.next(1)
            self._ahead = None if batch is None else (before, batch)
            self.ended = batch is None
        return found

    def take_on(self, rows: int) -> tuple[list[pa.RecordBatch], int | None]:
        """So many rows, from the first on again after the last; and where all were given once."""
        found: list[pa.RecordBatch] = []
        place = None
        while True:
            more = self.take(rows)
            got = _count(more)
            found += more
            rows -= got
            if not self.ended:
                return found, place
            if not found and not self.done:
                raise _empty(self._node)
            if not self.done:
                place, self.done = _count(found), True
            self._begin_anew()
            if not rows:
                return found, place

    def close(self) -> None:
        """Lets go of the files."""
        self._reading.close()

    def _begin_anew(self) -> None:
        self._reading.close()
        self._reading, self._ahead, self.ended = self._node.start(None, self._run), None, False


class _MixedReading(Reading):
    """Its state is that of all inputs before some rows were drawn, and how many were given out."""

    def __init__(self, node: Interleaved, state: State | None, run: Run) -> None:
        self._node, self._kind = node, node.kind
        states: list[Any] = [None] * len(node.inputs) if state is None else state["inputs"]
        self._inputs = [_Input(*both, run) for both in zip(node.inputs, states, strict=True)]
        self._epoch = run.epoch
        self._drawn = 0 if state is None else int(state["drawn"])
        self._ended = state is not None and bool(state["ended"])
        self._given = 0 if state is None else int(state["given"])
        self._before: State | None = None
        self._rows: Rows | None = None

    def next(self, most: int) -> pa.RecordBatch | None:
        if self._rows is None:
            if self._ended:
                return None
            self._before = self._at(0)
            self._rows = self._mixed()
            if not self._rows.num_rows:
                self._rows = None
                return None
        stop = min(self._given + most, self._rows.num_rows)
        batch = next(self._rows.batches(most, start=self._given, stop=stop))
        self._given += batch.num_rows
        if self._given == self._rows.num_rows:
            self._rows, self._given = None, 0
        return batch

    def state(self) -> State:
        if self._rows is None or self._before is None:
            return self._at(self._given)
        return {**self._before, "given": self._given}

    def close(self) -> None:
        for each in self._inputs:
            each.close()

    def _at(self, given: int) -> State:
        inputs = [each.state() for each in self._inputs]
        return {"inputs": inputs, "drawn": self._drawn, "ended": self._ended, "given": given}

    def _mixed(self) -> Rows:
        """The rows of the next draws, up to the last one that there is to be."""
        count = len(self._inputs)
        if self._node.shares is None:
            drawn = np.tile(np.arange(count), -(-_DRAWN // count))
        else:
            drawn = _draws(self._node.shares, self._node.seed, self._epoch, self._drawn)
        self._drawn += len(drawn)
        wanted = np.bincount(drawn, minlength=count).tolist()
        if self._node.stop == "first_exhausted":
            taken = [each.take(rows) for each, rows in zip(self._inputs, wanted, strict=True)]
            drawn = drawn[: self._first_end(drawn, taken)]
        else:
            before = [each.done for each in self._inputs]
            both = [each.take_on(rows) for each, rows in zip(self._inputs, wanted, strict=True)]
            taken = [rows for rows, _ in both]
            drawn = drawn[: self._last_end(drawn, [place for _, place in both], before)]
        return _in_turns(drawn, taken, self._kind)

    def _first_end(self, drawn: Numbers, taken: list[list[pa.RecordBatch]]) -> int:
        """How many draws there are to the last row of whichever input ends first."""
        ends = [len(drawn)]
        for number, (each, rows) in enumerate(zip(self._inputs, taken, strict=True)):
            if not each.ended:
                continue
            self._ended = True
            got = _count(rows)
            if self._node.shares is None:  # only whole rounds
                ends.append(got * len(taken))
                if not got and self._drawn == len(drawn):
                    raise _empty(self._node.inputs[number])
            elif not got:
                raise _empty(self._node.inputs[number])
            else:
                ends.append(int(np.flatnonzero(drawn == number)[got - 1]) + 1)
        return min(ends)

    def _last_end(self, drawn: Numbers, places: list[int | None], before: list[bool]) -> int:
        """How many draws there are to the last row of whichever input ends last."""
        if not all(each.done for each in self._inputs):
            return len(drawn)
        self._ended = True
        if self._node.shares is None:
            rounds = max(place for place in places if place is not None)
            return rounds * len(places)
        ends = [
            int(np.flatnonzero(drawn == number)[place - 1]) + 1
            for number, place in enumerate(places)
            if place is not None and not before[number]
        ]
        return max(ends)


def _draws(shares: npt.NDArray[np.float64], seed: int, epoch: int, start: int) -> Numbers:
    """Which inputs the rows from `start` on are of: those that `drawn_sources` draws."""
    bits = np.random.PCG64(seed if epoch == 0 else (seed, epoch))
    bits.advance(start)  # every draw takes one number
    bounds = np.cumsum(shares)
    bounds[np.flatnonzero(shares)[-1] :] = 1
    draws = np.random.Generator(bits).random(_DRAWN)
    return np.searchsorted(bounds, draws, side="right").astype(np.int64)


def _in_turns(drawn: Numbers, taken: list[list[pa.RecordBatch]], kind: Kind) -> Rows:
    names = kind.schema.names
    batches = [batch.select(names) for rows in taken for batch in rows]
    counts = [_count(rows) for rows in taken]
    order = np.empty(len(drawn), np.int64)
    start = 0
    for number, count in enumerate(counts):
        own = drawn == number
        order[own] = start + np.arange(np.count_nonzero(own))
        start += count
    return Rows(pa.Table.from_batches(batches, kind.schema), order)


def _count(batches: list[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)


def _empty(node: Node) -> DataError:
    return DataError(f"interleave: {node.name} has no rows. Leave it out.")
