"""Blocks of tokens that go on from row to row, and where the next one begins."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from graft.data.features import Features
from graft.data.fingerprint import digest
from graft.data.roles import Roles
from graft.data.stream.node import ROWS_AT_A_TIME, Kind, Node, Reading, Run, State, pull
from graft.data.tokens.blocks import Blocks
from graft.data.tokens.lists import Numbers, lists_of
from graft.data.tokens.names import INPUT_IDS


class Cut(Node):
    """The token ids of rows laid end to end, and cut into blocks."""

    def __init__(self, below: Node, plan: Blocks) -> None:
        self.below, self.plan = below, plan
        self.inputs, self.settings = (below,), (*plan.options.values(),)
        self.name = below.name

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        before = self.below.kind
        features: Features = {INPUT_IDS: before.features[INPUT_IDS]}
        return Kind(pa.schema([before.schema.field(INPUT_IDS)]), features, Roles())

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return self.below.files

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`: each part makes blocks of its own rows."""
        return Cut(self.below.part(index, count), self.plan)

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _CutReading(self, state, run)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {"input": digest(dict(self.below.parts())), "blocks": digest(self.plan.options)}


class _CutReading(Reading):
    """Its state is where the rows begin in which the next block does, and its place in them."""

    def __init__(self, node: Cut, state: State | None, run: Run) -> None:
        self._input = node.below.start(None if state is None else state["input"], run)
        self._schema, self._plan = node.kind.schema, node.plan
        self._skip = 0 if state is None else int(state["token"])
        # Where some rows begin, and the tokens of theirs that are in no block yet, or all of them.
        self._held: list[tuple[State, int, pa.Array]] = []
        self._tokens = 0
        self._ended = False

    def next(self, most: int) -> pa.RecordBatch | None:
        size = self._plan.size
        while self._tokens < size and not self._ended:
            self._fill()
        count = min(self._tokens // size, most)
        if count:
            return self._given(count * size)
        if self._tokens and not self._plan.drop_last:
            return self._given(self._tokens)
        return None

    def state(self) -> State:
        for before, token, values in self._held:
            if len(values):
                return {"input": before, "token": token}
        return {"input": self._input.state(), "token": self._skip}

    def close(self) -> None:
        self._input.close()

    def _fill(self) -> None:
        before = self._input.state()
        batch = pull(self._input, ROWS_AT_A_TIME)
        if batch is None:
            self._ended = True
            return
        values = pa.array(self._plan.tokens(batch.column(INPUT_IDS)))
        passed, self._skip = min(self._skip, len(values)), 0
        values = values.slice(passed)
        if len(values):
            self._held.append((before, passed, values))
            self._tokens += len(values)

    def _given(self, tokens: int) -> pa.RecordBatch:
        """The next tokens, as blocks."""
        taken = np.concatenate(list(self._taken(tokens)))
        ends = np.append(np.arange(0, tokens, self._plan.size), tokens)
        lists = lists_of(ends, taken).cast(self._schema.field(0).type)
        self._tokens -= tokens
        return pa.RecordBatch.from_arrays([lists], schema=self._schema)

    def _taken(self, tokens: int) -> Iterator[Numbers]:
        while tokens:
            before, token, values = self._held[0]
            part = values.slice(0, tokens)
            tokens -= len(part)
            yield part.to_numpy(zero_copy_only=False)
            rest = values.slice(len(part))
            self._held[:1] = [(before, token + len(part), rest)] if len(rest) else []
