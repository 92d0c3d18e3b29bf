"""Steps that take rows as they come: what is made of each of them, and the first of them."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from graft.data.fingerprint import digest
from graft.data.stream.node import (
    MOST_BYTES,
    Chunked,
    Kind,
    Node,
    Reading,
    Run,
    State,
)


class Over(Node):
    """A step over one other."""

    def __init__(self, below: Node) -> None:
        self.below = below
        self.inputs = (below,)
        self.name = below.name

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return self.below.files

    @abstractmethod
    def over(self, below: Node) -> "Over":
        """The same step over another input."""

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`."""
        return self.over(self.below.part(index, count))


class Each(Over):
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
        """See `Over.over`."""
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


class Several(Over):
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
        """See `Over.over`."""
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
class _Cut:
    start: int
    stop: int | None


class Limited(Node):
    """The rows from one number to another (not among them), or to the end.

    Which they are depends on those before them, so it cannot be read by parts.
    """

    def __init__(self, below: Node, start: int, stop: int | None) -> None:
        self.below = below
        self.inputs = (below,)
        self.name = below.name
        self._cut = _Cut(start, stop)
        self.settings = (start, stop)

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self.below.kind

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
