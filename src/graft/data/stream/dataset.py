"""`StreamingDataset`: rows that are read while they are used, and the splits by name."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.data.cache import EntryWriter, computed
from graft.data.combine import Stop
from graft.data.dataset import Dataset
from graft.data.features import Feature, Features, class_label_in
from graft.data.formats.bad_rows import BadRows
from graft.data.growing import GrowingTable
from graft.data.roles import Roles
from graft.data.seeds import check_epoch, checked_seed
from graft.data.stream.functions import Filtered, Function, Mapped
from graft.data.stream.mixture import Interleaved
from graft.data.stream.node import (
    ROWS_AT_A_TIME,
    Node,
    Reading,
    Run,
    outline,
    pull,
)
from graft.data.stream.order import Concatenated, Shuffled
from graft.data.stream.steps import Limited
from graft.data.stream.verbs import ColumnVerbs
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.text.tokenizer import Tokenizer

_STATE_VERSION = 1
_TABLE = "rows"


class StreamingDataset(ColumnVerbs):
    """One split whose rows are read while they are used: it may be larger than memory and disk.

    The verbs are those of `Dataset`, and do nothing until rows are asked for. What the rows are is
    found out from the first of them; those that follow are held to it.

    Each `for` reads from the first row on. `state_dict` tells the position after the last row given
    out, and the first `for` after `load_state_dict` goes on at the next one, also within shuffles
    and batches of functions, which are then made once more. In a worker of PyTorch's `DataLoader`,
    each worker gives a part of the rows of its own.
    """

    def __init__(self, node: Node, *, collect: bool = False, epoch: int = 0) -> None:
        """`node` is what is read; with `collect`, bad rows are set aside."""
        self._node = node
        self._collect = collect
        self._epoch = epoch
        self._bad = BadRows(collect)
        self._resume: dict[str, Any] | None = None
        self._at: tuple[Any, int] = None, 0

    @property
    def node(self) -> Node:
        """The steps that it is made of."""
        return self._node

    @property
    def features(self) -> Features:
        """What each column holds, by name."""
        return dict(self._node.kind.features)

    @property
    def roles(self) -> Roles:
        """Which columns are the text, its pair, the label, ..."""
        return self._node.kind.roles

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        return self._node.name

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._node.kind.schema.names)

    @property
    def label_names(self) -> list[str]:
        """The classes' names in the order of their numbers; [] when the label is not a class."""
        label = class_label_in(self.features.get(self.roles.label or ""))
        return list(label.names) if label else []

    @property
    def num_files(self) -> int:
        """Files (or tables, queries, generators) that `shard` shares out; 0 if it goes by rows."""
        return self._node.files

    @property
    def bad_rows(self) -> pa.Table:
        """Rows that were set aside since reading began: see `load_dataset(on_bad_rows=...)`."""
        return self._bad.table()

    def __repr__(self) -> str:
        return f"StreamingDataset({self.source}: {', '.join(self.column_names)})"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for reading in self._readings():
            before = reading.state()
            while (batch := reading.next(ROWS_AT_A_TIME)) is not None:
                for number, row in enumerate(batch.to_pylist(), start=1):
                    self._at = before, number
                    yield row
                before = reading.state()
            self._at = before, 0

    def batches(
        self, size: int = ROWS_AT_A_TIME, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in order, `size` at a time, as Arrow's record batches of these columns or all.

        The last batch has the rest. Raises `DataError` when a column is not there.
        """
        if size < 1:
            raise DataError(f"batches: a batch of {size} rows is none. Give a size of 1 or more.")
        names = self.column_names if columns is None else list(columns)
        for name in names:
            self._check_column(name)

        def batches() -> Iterator[pa.RecordBatch]:
            for reading in self._readings():
                while (batch := pull(reading, size)) is not None:
                    self._at = reading.state(), 0
                    yield batch if columns is None else batch.select(names)

        return batches()

    def _readings(self) -> Iterator[Reading]:
        """One reading, from the first row on or where `load_state_dict` said."""
        resume, self._resume = self._resume, None
        self._bad = BadRows(self._collect)
        node = _own_part(self._node)
        reading = node.start(resume and resume["reading"], Run(self._epoch, self._bad))
        try:
            passed = 0 if resume is None else int(resume["given"])
            while passed:
                batch = reading.next(passed)
                if batch is None:
                    raise DataError(
                        f"{self.source} ends before the saved position: it is not what it was."
                    )
                passed -= batch.num_rows
            self._at = reading.state(), 0
            yield reading
        finally:
            reading.close()

    def state_dict(self) -> dict[str, Any]:
        """The position after the last row or batch given out; plain values, as JSON has."""
        state = self._resume or {"reading": self._at[0], "given": self._at[1]}
        outlined = outline(_own_part(self._node))
        return {"version": _STATE_VERSION, "epoch": self._epoch, "steps": outlined, **state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to a position that `state_dict` told: the next `for` begins there.

        Raises `DataError` when it is of other files or steps, whose rows would not be the same.
        """
        if state.get("version") != _STATE_VERSION:
            raise DataError(f"This is no position in a stream of this version of Graft: {state}.")
        steps = outline(_own_part(self._node))
        if state["steps"] != steps:
            raise DataError(
                f"The saved position is one in other rows: of {state['steps']}, but here they are "
                f"of {steps}. Use the files, steps and seeds that there were."
            )
        self._epoch = int(state["epoch"])
        self._resume = {"reading": state["reading"], "given": state["given"]}

    @property
    def epoch(self) -> int:
        """Which epoch the next `for` reads."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Shuffles differ from epoch to epoch; which one the next `for` reads."""
        check_epoch(epoch)
        if epoch != self._epoch:
            self._epoch, self._resume, self._at = epoch, None, (None, 0)

    def map(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
        remove: Sequence[str] = (),
        features: Features | None = None,
    ) -> "StreamingDataset":
        """The rows with the columns that `fn` returns added, or put in place of those they had.

        Arguments are those of `Dataset.map`. The types of returned columns are those of the first
        rows, unless `features` says them.

        Raises:
            DataError: When rows are read: `fn` raised an error, or returned something else, values
                of several kinds, or of another kind than for the first rows. Rows are named.
        """
        if isinstance(remove, str):
            raise DataError(f"remove={remove!r}: give a list of columns, [{remove!r}].")
        for name in remove:
            self._check_column(name)
        function = _function(fn, batched, batch_size, with_index)
        return self._like(Mapped(self._node, function, tuple(remove), dict(features or {})))

    def filter(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
    ) -> "StreamingDataset":
        """The rows for which `fn` gives true, in their order; see `Dataset.filter`."""
        return self._like(Filtered(self._node, _function(fn, batched, batch_size, with_index)))

    def take(self, rows: int) -> "StreamingDataset":
        """The first rows."""
        return self._like(Limited(self._node, 0, _at_least("take", rows, 0)))

    def skip(self, rows: int) -> "StreamingDataset":
        """All but the first rows, which are read all the same."""
        return self._like(Limited(self._node, _at_least("skip", rows, 0), None))

    def shuffle(self, seed: int | None = 0, buffer_size: int = 10_000) -> "StreamingDataset":
        """The rows in an order drawn at random: files are, and then rows among their neighbours.

        Files come in another order where no step before depends on the order of rows (functions
        over batches, row numbers, `take` and `skip` do). Of what then comes, `buffer_size` rows at
        a time are in memory, and given out in an order drawn at random; the larger, the better
        rows of one class that stand together are mixed. The order is the same for the same seed
        and epoch: see `set_epoch`.
        """
        size = _at_least("shuffle", buffer_size, 1, "buffer_size")
        return self._like(Shuffled(self._node, checked_seed("shuffle", seed), size))

    def shard(self, index: int, count: int) -> "StreamingDataset":
        """One of `count` parts, for ranks or workers; together they have every row exactly once.

        As many files as are a multiple of `count` are shared out whole, and read by one part only.
        The rows of the others go to the parts in turn. Where a step depends on the order of rows
        (row numbers, `take`, `skip`), the rows that it makes do.
        """
        if not 0 <= index < count:
            raise DataError(f"shard: index is {index} of {count}; it must be 0 to {count - 1}.")
        return self._like(self._node.part(index, count))

    def concatenate(self, *others: "StreamingDataset") -> "StreamingDataset":
        """The rows of this stream and then of the others, which must have the same features."""
        return self._like(Concatenated([self._node, *(other._node for other in others)]))

    def interleave(
        self,
        *others: "StreamingDataset",
        weights: Sequence[float] | None = None,
        seed: int | None = 0,
        stop: Stop = "first_exhausted",
    ) -> "StreamingDataset":
        """The rows of this stream and of the others by turns, or drawn at random by `weights`.

        Arguments and rows are those of `Dataset.interleave`; with weights, each epoch has draws of
        its own. `shard` shares out the rows of the mixture: to read each file once only, take parts
        before they are mixed.
        """
        nodes = [self._node, *(other._node for other in others)]
        return self._like(Interleaved(nodes, weights, checked_seed("interleave", seed), stop))

    def to_dataset(self, limit: int | None = None, *, cache: bool = True) -> Dataset:
        """The rows, or the first `limit` of them, as a `Dataset`, memory-mapped in the cache.

        What was kept of the same files and steps is opened again. Raises `DataError` when there
        are no rows.
        """
        stream = self if limit is None else self.take(limit)
        node = stream._node
        counted = 0

        def write(writer: EntryWriter) -> None:
            nonlocal counted
            table = GrowingTable(writer, _TABLE, "to_dataset")
            try:
                reading = node.start(None, Run(self._epoch, BadRows(self._collect)))
                while (batch := reading.next(ROWS_AT_A_TIME)) is not None:
                    table.write(batch, f"row {counted} on")
                    counted += batch.num_rows
                reading.close()
                if not counted:
                    table.write(pa.RecordBatch.from_pylist([], node.kind.schema), "none")
            except BaseException:
                table.abandon()
                raise
            table.close()

        def parts() -> dict[str, str]:
            return {**node.parts(), "epoch": str(self._epoch), "collect": str(self._collect)}

        entry = computed("to_dataset", parts, write, cache=cache)
        kind = node.kind
        return Dataset(
            entry.tables[_TABLE],
            features=kind.features,
            roles=kind.roles,
            source=self.source,
            fingerprint=entry.fingerprint,
        )

    def _like(self, node: Node) -> "StreamingDataset":
        return StreamingDataset(node, collect=self._collect, epoch=self._epoch)


class StreamingDict(dict[str, StreamingDataset]):
    """Streams by split: `data["train"]`. Methods do to every split what they do to one.

    Attributes:
        source: Where it comes from, for people.
        metadata: What its card's YAML header says.
    """

    def __init__(
        self, splits: Mapping[str, StreamingDataset], source: str, metadata: Mapping[str, Any]
    ) -> None:
        super().__init__(splits)
        self.source = source
        self.metadata = dict(metadata)

    def __missing__(self, name: str) -> StreamingDataset:
        raise DataError(f"{self.source} has no split {name!r}. Its splits are: {', '.join(self)}.")

    def map(self, fn: Callable[..., Any], **options: Any) -> "StreamingDict":
        """See `StreamingDataset.map`."""
        return self._each(lambda stream: stream.map(fn, **options))

    def filter(self, fn: Callable[..., Any], **options: Any) -> "StreamingDict":
        """See `StreamingDataset.filter`."""
        return self._each(lambda stream: stream.filter(fn, **options))

    def rename(self, names: Mapping[str, str]) -> "StreamingDict":
        """See `StreamingDataset.rename`."""
        return self._each(lambda stream: stream.rename(names))

    def remove(self, *columns: str) -> "StreamingDict":
        """See `StreamingDataset.remove`."""
        return self._each(lambda stream: stream.remove(*columns))

    def select_columns(self, *columns: str) -> "StreamingDict":
        """See `StreamingDataset.select_columns`."""
        return self._each(lambda stream: stream.select_columns(*columns))

    def cast(self, column: str, feature: Feature) -> "StreamingDict":
        """See `StreamingDataset.cast`."""
        return self._each(lambda stream: stream.cast(column, feature))

    def shuffle(self, seed: int | None = 0, buffer_size: int = 10_000) -> "StreamingDict":
        """See `StreamingDataset.shuffle`."""
        return self._each(lambda stream: stream.shuffle(seed, buffer_size))

    def tokenize(self, tokenizer: "Tokenizer", **options: Any) -> "StreamingDict":
        """See `StreamingDataset.tokenize`."""
        return self._each(lambda stream: stream.tokenize(tokenizer, **options))

    def _each(self, do: Callable[[StreamingDataset], StreamingDataset]) -> "StreamingDict":
        splits = {name: do(stream) for name, stream in self.items()}
        return StreamingDict(splits, self.source, self.metadata)


def _function(fn: Callable[..., Any], batched: bool, batch_size: int, with_index: bool) -> Function:
    if batch_size < 1:
        raise DataError(f"batch_size={batch_size}: give 1 or more.")
    return Function(fn, batched, batch_size, with_index)


def _at_least(verb: str, value: int, least: int, name: str = "rows") -> int:
    if value < least:
        raise DataError(f"{verb}: {name} is {value}; it must be {least} or more.")
    return int(value)


def _own_part(node: Node) -> Node:
    """What this process reads: in a worker of PyTorch's `DataLoader`, its part."""
    torch_data = sys.modules.get("torch.utils.data")
    worker = None if torch_data is None else torch_data.get_worker_info()
    return node if worker is None else node.part(worker.id, worker.num_workers)


__all__ = ["StreamingDataset", "StreamingDict"]
