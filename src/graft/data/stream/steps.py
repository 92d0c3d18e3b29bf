"""Steps that take rows as they come: functions over them, their columns, the first of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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

_DECLARE = "Say what it holds: map(..., features={'<column>': Value('float64')})."


class _Over(Node):
    """A step over one other."""

    def __init__(self, below: Node) -> None:
        self.below = below
        self.inputs = (below,)
        self.name = below.name

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return self.below.files

    def over(self, below: Node) -> "_Over":
        """The same step over another input."""
        raise NotImplementedError

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return self.over(self.below.part(index, count))


class Each(_Over):
    """A step that makes one row of each, by itself: of its columns only, or of its texts."""

    def __init__(
        self,
        below: Node,
        kind: Kind,
        work: Callable[[pa.RecordBatch, int], pa.RecordBatch],
        parts: Callable[[], Mapping[str, str]],
    ) -> None:
        """`work` gets some rows and the number of the first; `parts` tell the step apart."""
        super().__init__(below)
        self._kind, self._work, self._parts = kind, work, parts

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self._kind

    def over(self, below: Node) -> "Each":
        """See `_Over.over`."""
        return Each(below, self._kind, self._work, self._parts)

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return self.over(self.below.shuffled(seed))

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _EachReading(self.below, state, run, self._work)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {"input": digest(dict(self.below.parts())), **self._parts()}


class _EachReading(Reading):
    def __init__(
        self,
        below: Node,
        state: State | None,
        run: Run,
        work: Callable[[pa.RecordBatch, int], pa.RecordBatch],
    ) -> None:
        self._input = below.start(None if state is None else state["input"], run)
        self._row = 0 if state is None else int(state["row"])
        self._work = work

    def next(self, most: int) -> pa.RecordBatch | None:
        batch = self._input.next(most)
        if batch is None:
            return None
        made = self._work(batch, self._row)
        self._row += batch.num_rows
        return made

    def state(self) -> State:
        return {"input": self._input.state(), "row": self._row}

    def close(self) -> None:
        self._input.close()


class Several(_Over):
    """A step that makes any number of rows of some rows by themselves, such as windows of texts."""

    def __init__(
        self,
        below: Node,
        kind: Kind,
        work: Callable[[pa.RecordBatch, int], Iterable[pa.RecordBatch]],
        parts: Callable[[], Mapping[str, str]],
        *,
        numbered: bool,
    ) -> None:
        """`work` and `parts` as in `Each`; `numbered` is whether what is made has row numbers."""
        super().__init__(below)
        self._kind, self._work, self._parts, self._numbered = kind, work, parts, numbered

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self._kind

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return 0 if self._numbered else self.below.files

    def over(self, below: Node) -> "Several":
        """See `_Over.over`."""
        return Several(below, self._kind, self._work, self._parts, numbered=self._numbered)

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return Node.part(self, index, count) if self._numbered else super().part(index, count)

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return self if self._numbered else self.over(self.below.shuffled(seed))

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return Chunked(
            lambda at: self.below.start(at, run), state, self._work, most_bytes=MOST_BYTES
        )

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        return {"input": digest(dict(self.below.parts())), **self._parts()}


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


class _OfFunction(_Over):
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
        """See `_Over.over`."""
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
        """See `_Over.over`."""
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


@dataclass(frozen=True)
class _Cut:
    start: int
    stop: int | None


class Limited(_Over):
    """The rows from one number to another (not among them), or to the end."""

    def __init__(self, below: Node, start: int, stop: int | None) -> None:
        super().__init__(below)
        self._cut = _Cut(start, stop)
        self.settings = (start, stop)

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self.below.kind

    @property
    def files(self) -> int:
        """See `Node.files`: which rows they are depends on those before them."""
        return 0

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return Node.part(self, index, count)

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        return _LimitedReading(self.below, state, run, self._cut)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        cut = digest([self._cut.start, self._cut.stop])
        return {"input": digest(dict(self.below.parts())), "rows": cut}


class _LimitedReading(Reading):
    def __init__(self, below: Node, state: State | None, run: Run, cut: _Cut) -> None:
        self._input = below.start(None if state is None else state["input"], run)
        self._row = 0 if state is None else int(state["row"])
        self._cut = cut

    def next(self, most: int) -> pa.RecordBatch | None:
        while self._row < self._cut.start:
            passed = self._input.next(self._cut.start - self._row)
            if passed is None:
                return None
            self._row += passed.num_rows
        if self._cut.stop is not None:
            most = min(most, self._cut.stop - self._row)
        batch = self._input.next(most) if most > 0 else None
        self._row += 0 if batch is None else batch.num_rows
        return batch

    def state(self) -> State:
        return {"input": self._input.state(), "row": self._row}

    def close(self) -> None:
        self._input.close()


def renamed(kind: Kind, names: Mapping[str, str]) -> Kind:
    """What rows are after columns got other names."""
    fields = [field.with_name(names.get(field.name, field.name)) for field in kind.schema]
    features = {names.get(name, name): feature for name, feature in kind.features.items()}
    return Kind(pa.schema(fields), features, kind.roles.renamed(names))


def chosen(kind: Kind, columns: list[str]) -> Kind:
    """What rows with these columns alone are."""
    gone = [name for name in kind.schema.names if name not in columns]
    return replace(
        kind,
        schema=pa.schema([kind.schema.field(name) for name in columns]),
        features={name: kind.features[name] for name in columns},
        roles=kind.roles.without(gone),
    )


__all__ = [
    "Each",
    "Filtered",
    "Function",
    "Limited",
    "Mapped",
    "Several",
    "chosen",
    "renamed",
]
