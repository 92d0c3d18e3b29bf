"""The rows of files, tables, queries and generators, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graft.data.fingerprint import digest
from graft.data.formats.data_file import DataFile, Options
from graft.data.reading.raw import Piece, content_of
from graft.data.stream.form import Form, Place
from graft.data.stream.node import Kind, Node, Reading, Run, State
from graft.data.stream.order import every_nth
from graft.errors import DataError

# Formats whose rows may each have other columns: one that a row lacks is null.
_LOOSE = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Part:
    """A piece, or every `count`-th row of it.

    Attributes:
        piece: A file, or rows from elsewhere.
        index: The number of the first row.
        count: How far it is to the next one.
    """

    piece: Piece
    index: int = 0
    count: int = 1

    @property
    def told(self) -> str:
        """The piece's name, and which rows are meant."""
        name = self.piece.name.rsplit("/", 1)[-1]
        return name if self.count == 1 else f"{name}[{self.index}::{self.count}]"

    def part(self, index: int, count: int) -> "Part":
        """One of `count` parts of this one."""
        return Part(self.piece, self.index + self.count * index, self.count * count)


class Source(Node):
    """The rows of a split."""

    def __init__(
        self,
        name: str,
        pieces: tuple[Part, ...],
        form: Form,
        options: Options,
        parts: Callable[[], Mapping[str, str]],
        seeds: tuple[int, ...] = (),
    ) -> None:
        """`parts` gives the digests of all files; `seeds` decide in which order they come."""
        self.name = name
        self._pieces, self._form, self._options = pieces, form, options
        self._parts, self._seeds = parts, seeds
        self.settings = (*(part.told for part in pieces), *seeds)

    @property
    def kind(self) -> Kind:
        """See `Node.kind`."""
        return self._form.kind

    @property
    def files(self) -> int:
        """See `Node.files`."""
        return len(self._pieces)

    def part(self, index: int, count: int) -> Node:
        """See `Node.part`: files go to one part as they are while there are enough for all."""
        whole = len(self._pieces) // count * count
        mine = [*self._pieces[:whole][index::count]]
        for number, piece in enumerate(self._pieces[whole:]):
            # Another part gets the first row each time, so that all have about as many.
            mine.append(piece.part((index + number) % count, count))
        return self._with(tuple(mine), self._seeds)

    def shuffled(self, seed: int) -> Node:
        """See `Node.shuffled`."""
        return self._with(self._pieces, (seed,))

    def start(self, state: State | None, run: Run) -> Reading:
        """See `Node.start`."""
        pieces = self._pieces
        for seed in self._seeds:
            order = np.random.default_rng((seed, run.epoch)).permutation(len(pieces))
            pieces = tuple(pieces[number] for number in order.tolist())
        return _SourceReading(pieces, self._form, self._options, state, run)

    def parts(self) -> Mapping[str, str]:
        """See `Node.parts`."""
        chosen = [(part.piece.name, part.index, part.count) for part in self._pieces]
        return {**self._parts(), "order": digest([*self._seeds]), "pieces": digest(chosen)}

    def _with(self, pieces: tuple[Part, ...], seeds: tuple[int, ...]) -> "Source":
        return Source(self.name, pieces, self._form, self._options, self._parts, seeds)


class _SourceReading(Reading):
    """Its state is the number of a piece, and how many of its rows were passed."""

    def __init__(
        self,
        parts: tuple[Part, ...],
        form: Form,
        options: Options,
        state: State | None,
        run: Run,
    ) -> None:
        self._parts, self._form, self._options, self._run = parts, form, options, run
        self._number = 0 if state is None else int(state["piece"])
        self._row = 0 if state is None else int(state["row"])
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._batch: pa.RecordBatch | None = None
        self._at = 0

    def next(self, most: int) -> pa.RecordBatch | None:
        while self._number < len(self._parts):
            if self._batches is None:
                self._batches = self._read(self._parts[self._number], self._row)
            if self._batch is None:
                self._batch, self._at = next(self._batches, None), 0
            if self._batch is None:
                self._batches, self._number, self._row = None, self._number + 1, 0
                continue
            given = self._batch.slice(self._at, most)
            self._at += given.num_rows
            self._row += given.num_rows
            if self._at == self._batch.num_rows:
                self._batch = None
            if given.num_rows:
                return given
        return None

    def state(self) -> State:
        return {"piece": self._number, "row": self._row}

    def close(self) -> None:
        self._batches = self._batch = None

    def _read(self, part: Part, skip: int) -> Iterator[pa.RecordBatch]:
        """The rows of a piece without the first `skip` of those that are given out."""
        piece, form, bad = part.piece, self._form, self._run.bad
        row = 0
        first = True
        for batch in content_of(piece, self._options, bad).batches:
            if first:
                _check_columns(piece, batch.schema, form)
            first = False
            mine = every_nth(batch, row, part.index, part.count)
            numbers = row + (part.index - row) % part.count
            row += batch.num_rows
            passed = min(skip, mine.num_rows) if not bad.collect else 0
            mine = mine.slice(passed)
            skip -= passed
            if not mine.num_rows:
                continue
            place = Place(piece.name, numbers + passed * part.count, part.count)
            made = form.settled(mine, place, bad)
            passed = min(skip, made.num_rows)
            skip -= passed
            yield made.slice(passed)


def _check_columns(piece: Piece, schema: pa.Schema, form: Form) -> None:
    """Raises `DataError` where a file with fixed columns lacks some."""
    if not isinstance(piece, DataFile) or piece.suffix in _LOOSE:
        return
    missing = [name for name in form.own if name not in schema.names]
    if missing:
        raise DataError(
            f"{piece.name} has no column {missing[0]!r}, which other files of the split "
            f"{form.split!r} have. Its columns are: {', '.join(schema.names)}. "
            "Give all files the same columns."
        )
