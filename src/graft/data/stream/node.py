"""What a stream is made of: steps over steps over files, and a reading of them under way.

A node is a description and never changes. `start` begins to read it, and the state of a reading is
a plain value from which another one goes on at the very next row, whatever stands between.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

from graft.data.features import Features
from graft.data.formats.bad_rows import BadRows
from graft.data.roles import Roles
from graft.data.values import common_type
from graft.errors import DataError

State: TypeAlias = dict[str, Any]
"""Where a reading is: strings, whole numbers, lists and dicts of them, as JSON has."""

ROWS_AT_A_TIME = 1000
# A function over rows gets fewer of them at a time where they are long.
MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Kind:
    """What rows are.

    Attributes:
        schema: Arrow's types of the columns.
        features: What each column holds.
        roles: The columns that tasks read.
    """

    schema: pa.Schema
    features: Features
    roles: Roles


@dataclass(frozen=True)
class Run:
    """What a reading depends on besides the node.

    Attributes:
        epoch: Decides, with the seeds, the order of what is shuffled.
        bad: What becomes of rows that cannot be read.
    """

    epoch: int = 0
    bad: BadRows = field(default_factory=BadRows)


class Reading(ABC):
    """Rows that are being read, in order."""

    @abstractmethod
    def next(self, most: int) -> pa.RecordBatch | None:
        """The rows that follow: at least one and `most` at the most; None at the end."""

    @abstractmethod
    def state(self) -> State:
        """Where the row that follows is; `Node.start` goes on from there."""

    def close(self) -> None:  # noqa: B027 - most hold nothing that is open
        """Lets go of the files."""


class Node(ABC):
    """A step of a stream: which rows, and how to read them from any place on."""

    name: str
    """What errors call the rows."""
    inputs: "tuple[Node, ...]" = ()
    """What the step reads."""
    settings: tuple[object, ...] = ()
    """What tells the step from others of its class, for people and for saved positions."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What the rows are. Where a function makes them, its first rows are read for it."""

    @abstractmethod
    def start(self, state: State | None, run: Run) -> Reading:
        """Begins to read at the first row, or where `state` was taken."""

    @abstractmethod
    def parts(self) -> Mapping[str, str]:
        """The digests of all that the rows depend on; may raise `Unfingerprintable`."""

    def shuffled(self, seed: int) -> "Node":
        """With the files in an order drawn at random, where no step depends on their order."""
        del seed
        return self

    def part(self, index: int, count: int) -> "Node":
        """One of `count` parts, which have every row once between them."""
        from graft.data.stream.order import EveryNth

        return EveryNth(self, index, count)

    @property
    def files(self) -> int:
        """How many files, or other pieces, `part` can share out; 0 where it goes by rows."""
        return 0


def pull(reading: Reading, rows: int, most_bytes: int | None = None) -> pa.RecordBatch | None:
    """Exactly so many rows, fewer at the end, or where they are `most_bytes`; None at the end."""
    found: list[pa.RecordBatch] = []
    count = size = 0
    while count < rows and (most_bytes is None or size < most_bytes):
        batch = reading.next(rows - count)
        if batch is None:
            break
        found.append(batch)
        count += batch.num_rows
        size += batch.nbytes if most_bytes is not None else 0
    if not found:
        return None
    return found[0] if len(found) == 1 else together(found)


def together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one schema as one. Raises `DataError` where they hold more than 2 GB of texts."""
    try:
        return pa.concat_batches(batches)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{sum(batch.num_rows for batch in batches)} rows hold more than 2 GB of text, which "
            "is too much to be in memory at once. Give a smaller batch_size or buffer_size."
        ) from error


class Chunked(Reading):
    """Reads what `work` makes of so many rows at a time: as many, fewer, or more.

    Its state is where the rows of a chunk begin, and how many rows of what is made of them were
    given out; they are made once more when it goes on from there.
    """

    def __init__(
        self,
        start: Callable[[State | None], Reading],
        state: State | None,
        work: Callable[[pa.RecordBatch, int], Iterable[pa.RecordBatch]],
        size: int = ROWS_AT_A_TIME,
        most_bytes: int | None = None,
    ) -> None:
        """`start` begins to read the input; `work` gets rows and the number of the first."""
        self._input = start(None if state is None else state["input"])
        self._work, self._size, self._most_bytes = work, size, most_bytes
        self._row = 0 if state is None else int(state["row"])
        self._skip = 0 if state is None else int(state["given"])
        self._made: list[pa.RecordBatch] = []
        self._before: State | None = None
        self._first = self._row
        self._given = 0

    def next(self, most: int) -> pa.RecordBatch | None:
        """See `Reading.next`."""
        while not self._made:
            self._before, self._first, self._given = self._input.state(), self._row, 0
            chunk = pull(self._input, self._size, self._most_bytes)
            if chunk is None:
                self._before = None
                return None
            self._row += chunk.num_rows
            self._made = [made for made in self._work(chunk, self._first) if made.num_rows]
            while self._skip and self._made:
                self._skip -= self._give(self._skip).num_rows
        return self._give(most)

    def state(self) -> State:
        """See `Reading.state`."""
        if self._made:
            return {"input": self._before, "row": self._first, "given": self._given}
        return {"input": self._input.state(), "row": self._row, "given": self._skip}

    def close(self) -> None:
        """See `Reading.close`."""
        self._input.close()

    def _give(self, most: int) -> pa.RecordBatch:
        first = self._made[0]
        given = first.slice(0, most)
        rest = first.slice(given.num_rows)
        self._made[:1] = [rest] if rest.num_rows else []
        self._given += given.num_rows
        return given


def fitted(batch: pa.RecordBatch, schema: pa.Schema, told: str, advice: str) -> pa.RecordBatch:
    """A batch in the types of `schema`, which those before it have.

    Raises `DataError` for other columns, and for values that do not fit without a loss: `told`
    names the rows, and `advice` says how to declare a column's feature.
    """
    if batch.schema.equals(schema):
        return batch
    if set(batch.schema.names) != set(schema.names):
        raise DataError(
            f"{told}: the columns are {', '.join(batch.schema.names) or 'none'}; of the first "
            f"rows they are {', '.join(schema.names) or 'none'}. Give all rows the same."
        )
    arrays = []
    for column in schema:
        values = batch.column(column.name)
        try:
            if common_type(values.type, column.type) is None:
                raise pa.ArrowInvalid("another kind of values")
            arrays.append(values.cast(column.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"{told}, column {column.name!r}: the values are {values.type}, but {column.type} "
                f"in the first rows, by which the types of a stream are found out. {advice}"
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def outline(node: Node) -> str:
    """A node and what it stands on in a line: two are alike whose rows have the same places."""
    inner = ", ".join(outline(each) for each in node.inputs)
    settings = ", ".join(str(value) for value in node.settings)
    return f"{type(node).__name__}({settings})" + (f" of ({inner})" if inner else "")
