"""Steps that call a function of the user's on rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from graft.data.calls import POSITIONS, Call, FilterCall, MapCall, rows_text
from graft.data.features import Features, class_label_in
from graft.data.fingerprint import digest, parts_of_function
from graft.data.stream.node import (
    MOST_BYTES,
    ROWS_AT_A_TIME,
    Chunked,
    Kind,
    Node,
    Reading,
    Run,
    State,
    fitted,
)
from graft.data.stream.steps import Over

_DECLARE = "Say what it holds: map(..., features={'<column>': Value('float64')})."


@dataclass(frozen=True)
class Function:
    """A function of the user's, and how it is called: see `Dataset.map`."""

    fn: Callable[..., Any]
    batched: bool = False
    batch_size: int = ROWS_AT_A_TIME
    with_index: bool = False

    @property
    def by_row(self) -> bool:
        """Whether what is made of a row depends on nothing but the row."""
        return not self.batched and not self.with_index

    @property
    def settings(self) -> tuple[object, ...]:
        """How it is called."""
        name = getattr(self.fn, "__qualname__", type(self.fn).__name__)
        size = self.batch_size if self.batched else 1
        return name, size, "with_index" if self.with_index else "by value"

    def call(self, verb: str, name: str) -> Call:
        """The function as it is called by `verb` on the rows of that name."""
        return Call(verb, self.fn, self.batched, self.with_index, name, streamed=True)

    def reading(
        self,
        below: Node,
        state: State | None,
        run: Run,
        work: Callable[[pa.RecordBatch, int], Iterable[pa.RecordBatch]],
    ) -> Chunked:
        """Reads what `work` makes of the rows that the function is called on at a time."""
        return Chunked(
            lambda at: below.start(at, run),
            state,
            work,
            self.batch_size if self.batched else ROWS_AT_A_TIME,
            None if self.batched else MOST_BYTES,
        )

    def parts(self) -> Mapping[str, str]:
        """The digests of the function and of how it is called."""
        size = self.batch_size if self.batched else None
        options = {"with_index": self.with_index, "batch_size": size}
        return {**parts_of_function(self.fn), "call": digest(options)}


class _OfFunction(Over):
    """A step that calls a function of the user's."""

    def __init__(self, below: Node, function: Function) -> None:
        super().__init__(below)
        self.function = function
        self.settings = function.settings

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return 0 if self.function.with_index else self.below.files

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`: a row's number is the one that it has in the whole stream."""
        if self.function.with_index:
            return Node.part(self, index, count)
        return super().part(index, count)

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return self.over(self.below.shuffled(seed)) if self.function.by_row else self


class Mapped(_OfFunction):
    """Rows with the columns that a function returns."""

    def __init__(
        self, below: Node, function: Function, remove: tuple[str, ...], features: Features
    ) -> None:
        super().__init__(below, function)
        self.remove, self.features = remove, features
        self._kind: Kind | None = None

    def over(self, below: Node) -> "Mapped":
        """See `Over.over`."""
        return Mapped(below, self.function, self.remove, self.features)

    @property
    def kind(self) -> Kind:
        """What the function makes of the first rows tells what it makes of all."""
        if self._kind is None:
            reading = self.start(None, Run())
            first = reading.next(1)
            reading.close()
            if first is None:
                self._kind = self.below.kind
        assert self._kind is not None
        return self._kind

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        if state is not None and (state["row"] or state["given"]):
            self.kind  # noqa: B018 - that of the first rows, not of those that follow here
        before = self.below.kind
        step = MapCall(
            call=self.function.call("map", self.name),
            columns=before.schema,
            removed=frozenset(self.remove),
            features=self.features,
            labels={
                name: feature
                for name, feature in before.features.items()
                if class_label_in(feature) is not None
            },
            whole=True,
        )

        def work(batch: pa.RecordBatch, row: int) -> list[pa.RecordBatch]:
            made = step(batch, row)
            names = [name for name in before.schema.names if name in made.schema.names]
            names += [name for name in made.schema.names if name not in names]
            made = made.select(names)
            if not made.num_rows:
                return []
            if self._kind is None:
                self._kind = self._found(made.schema, step)
            told = f"map, {rows_text(row, row + batch.num_rows)} of {self.name}"
            return [fitted(made, self._kind.schema, told, _DECLARE)]

        return self.function.reading(self.below, state, run, work)

    def _found(self, schema: pa.Schema, step: MapCall) -> Kind:
        before = self.below.kind
        features: Features = {}
        for column in schema:
            old = before.features.get(column.name)
            same = old is not None and before.schema.field(column.name).type == column.type
            stays = same and column.name not in self.features
            features[column.name] = (
                old if old is not None and stays else step.feature(column.name, column.type)
            )
        gone = [name for name in before.schema.names if name not in schema.names]
        return Kind(schema, features, before.roles.without(gone))

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {
            "input": digest(dict(self.below.parts())),
            **self.function.parts(),
            "remove": digest(sorted(self.remove)),
            "features": digest(repr(sorted(self.features.items()))),
        }


class Filtered(_OfFunction):
    """The rows for which a function gives true."""

    def over(self, below: Node) -> "Filtered":
        """See `Over.over`."""
        return Filtered(below, self.function)

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self.below.kind

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        step = FilterCall(self.function.call("filter", self.name), pa.int64())

        def work(batch: pa.RecordBatch, row: int) -> list[pa.RecordBatch]:
            places = step(batch, row).column(POSITIONS).to_numpy() - row
            if len(places) == batch.num_rows:
                return [batch]
            return [batch.take(pa.array(places))]

        return self.function.reading(self.below, state, run, work)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {"input": digest(dict(self.below.parts())), **self.function.parts()}
