"""Steps that say which row comes when: shuffling, one after the other, in turns, every n-th."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from graft.data.fingerprint import digest
from graft.data.rows import Rows
from graft.data.stream.node import Chunked, Kind, Node, Reading, Run, State
from graft.errors import DataError


class Shuffled(Node):
    """Rows in an order drawn at random within buffers of so many that follow each other."""

    def __init__(self, below: Node, seed: int, buffer_size: int) -> None:
        self.below, self.seed, self.buffer_size = below.shuffled(seed), seed, buffer_size
        self.inputs, self.settings = (self.below,), (seed, buffer_size)
        self.name = below.name

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self.below.kind

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return self.below.files

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return Shuffled(self.below.part(index, count), self.seed, self.buffer_size)

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return Shuffled(self.below.shuffled(seed), self.seed, self.buffer_size)

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _ShuffledReading(self, state, run)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        options = digest([self.seed, self.buffer_size])
        return {"input": digest(dict(self.below.parts())), "shuffle": options}


class _ShuffledReading(Reading):
    """Its state is where the rows of the buffer begin: they are read once more to go on."""

    def __init__(self, node: Shuffled, state: State | None, run: Run) -> None:
        self._input = node.below.start(None if state is None else state["input"], run)
        self._seed, self._epoch, self._size = node.seed, run.epoch, node.buffer_size
        self._block = 0 if state is None else int(state["block"])
        self._given = 0 if state is None else int(state["given"])
        self._before: State | None = None
        self._rows: Rows | None = None

    def next(self, most: int) -> pa.RecordBatch | None:
        if self._rows is None:
            self._before = self._input.state()
            batches, count = [], 0
            while count < self._size:
                batch = self._input.next(self._size - count)
                if batch is None:
                    break
                batches.append(batch)
                count += batch.num_rows
            if not batches:
                return None
            random = np.random.default_rng((self._seed, self._epoch, self._block))
            self._rows = Rows(pa.Table.from_batches(batches), random.permutation(count))
        stop = min(self._given + most, self._rows.num_rows)
        batch = next(self._rows.batches(most, start=self._given, stop=stop))
        self._given += batch.num_rows
        if self._given == self._rows.num_rows:
            self._rows, self._block, self._given = None, self._block + 1, 0
        return batch

    def state(self) -> State:
        before = self._input.state() if self._rows is None else self._before
        return {"input": before, "block": self._block, "given": self._given}

    def close(self) -> None:
        self._input.close()


class OfSeveral(Node):
    """A step over several inputs, whose rows are of one kind."""

    def __init__(self, verb: str, inputs: Sequence[Node]) -> None:
        self.inputs = tuple(inputs)
        self.name = inputs[0].name
        self._verb = verb
        self._checked = False

    @property
    def kind(self) -> Kind:
        """That of the first. Raises `DataError` where another has other columns or features."""
        first = self.inputs[0].kind
        if not self._checked:
            for other in self.inputs[1:]:
                for name in {**first.features, **other.kind.features}:
                    if first.features.get(name) != other.kind.features.get(name):
                        raise DataError(
                            f"{self._verb}: the column {name!r} is {first.features.get(name)} in "
                            f"{self.name}, but {other.kind.features.get(name)} in {other.name}. "
                            "Bring both to the same features with rename, remove or cast."
                        )
            self._checked = True
        return first

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {
            f"input {number}": digest(dict(node.parts()))
            for number, node in enumerate(self.inputs, start=1)
        }


class Concatenated(OfSeveral):
    """The rows of one input after those of the other."""

    def __init__(self, inputs: Sequence[Node]) -> None:
        super().__init__("concatenate", inputs)

    @property
    def files(self) -> int:
        """See `Node.files`."""
        counts = [node.files for node in self.inputs]
        return sum(counts) if all(counts) else 0

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return Concatenated([node.part(index, count) for node in self.inputs])

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return Concatenated([node.shuffled(seed) for node in self.inputs])

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _ConcatenatedReading(self, state, run)


class _ConcatenatedReading(Reading):
    def __init__(self, node: Concatenated, state: State | None, run: Run) -> None:
        self._columns = node.kind.schema.names
        self._inputs, self._run = node.inputs, run
        self._number = 0 if state is None else int(state["number"])
        self._input = self._inputs[self._number].start(
            None if state is None else state["input"], run
        )

    def next(self, most: int) -> pa.RecordBatch | None:
        while True:
            batch = self._input.next(most)
            if batch is not None:
                return batch.select(self._columns)
            if self._number + 1 == len(self._inputs):
                return None
            self._input.close()
            self._number += 1
            self._input = self._inputs[self._number].start(None, self._run)

    def state(self) -> State:
        return {"number": self._number, "input": self._input.state()}

    def close(self) -> None:
        self._input.close()


class EveryNth(Node):
    """Every `count`-th row, beginning with the one of the number `index`."""

    def __init__(self, below: Node, index: int, count: int) -> None:
        self.below, self._index, self._count = below, index, count
        self.inputs, self.settings = (below,), (index, count)
        self.name = below.name

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self.below.kind

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""

        def work(batch: pa.RecordBatch, row: int) -> list[pa.RecordBatch]:
            return [every_nth(batch, row, self._index, self._count)]

        return Chunked(lambda at: self.below.start(at, run), state, work)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        part = digest([self._index, self._count])
        return {"input": digest(dict(self.below.parts())), "part": part}


def every_nth(batch: pa.RecordBatch, row: int, index: int, count: int) -> pa.RecordBatch:
    """The rows of a batch, whose first has the number `row`, that are a part of all rows."""
    if count == 1:
        return batch
    return batch.take(pa.array(np.arange((index - row) % count, batch.num_rows, count)))


__all__ = ["Concatenated", "EveryNth", "Shuffled", "every_nth"]
