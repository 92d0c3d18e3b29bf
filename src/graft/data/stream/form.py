"""What the rows of files become in a stream, found out from the first of them.

A data set that is read whole has its types, roles and classes found out over all rows. A stream has
them from its first rows, in the same way, and holds all others to them. Where the first rows are
all that there are, nothing differs; else labels whose classes are not declared stay as written.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import Features, Sequence, arrow_type_of, class_label_in
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, Options
from graft.data.labels import encode_labels
from graft.data.reading.classes import Convert
from graft.data.reading.raw import (
    Memory,
    Piece,
    RawData,
    RawSplit,
    Stream,
    content_of,
    read_split,
)
from graft.data.reading.shape import Column, Shape, check_declared, shape
from graft.data.reading.sources import Plan
from graft.data.roles import is_list
from graft.data.stream.node import Kind
from graft.data.values import common_type
from graft.errors import DataError

# Of each split so many rows or bytes are read first, of as many files as they come from.
_FIRST_ROWS = 20_000
_FIRST_BYTES = 24 << 20
_SHOWN = 60


class _Stray(Exception):
    """A row that does not fit; where it is, is found out by whoever knows."""


@dataclass(frozen=True)
class Place:
    """Where some rows stand.

    Attributes:
        file: The file's name.
        row: The number of the first of them in it, from 0.
        step: How far it is from one to the next.
    """

    file: str
    row: int
    step: int = 1

    def told(self, number: int) -> str:
        """One of the rows, for an error."""
        return f"{self.file}, row {self.row + number * self.step + 1}"


@dataclass(frozen=True)
class Form:
    """What is made of the raw rows of a split.

    Attributes:
        split: Its name.
        raw: The types of the raw columns.
        columns: What each column is made of.
        kind: What the rows then are.
        own: The raw columns that the split's first rows have; others are of other splits.
        declared: Columns whose values become what is declared, whatever type they are read in.
        dropped: Rows (from 0) of each file that are set aside, by the file's name.
    """

    split: str
    raw: pa.Schema
    columns: tuple[Column, ...]
    kind: Kind
    own: tuple[str, ...]
    declared: frozenset[str] = frozenset()
    dropped: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def settled(self, batch: pa.RecordBatch, place: Place, bad: BadRows) -> pa.RecordBatch:
        """The rows of the stream that some raw rows become.

        A row that does not fit goes to `bad`; one that is set aside is left out. Raises
        `DataError`, naming file, row and column, for values that do not fit.
        """
        stored = self._stored(batch, place)
        mask = np.ones(batch.num_rows, np.bool_)
        for row in self.dropped.get(place.file, ()):
            at, off = divmod(row - place.row, place.step)
            if not off and 0 <= at < len(mask):
                mask[at] = False
                _set_aside(batch, place, at, bad)
        arrays: list[pa.Array] = []
        for column in self.columns:
            values = stored(column.source)
            free = column.source in self.declared
            kind = values.type if free else self.raw.field(column.source).type
            wanted = arrow_type_of(column.feature)
            convert = partial(_made, column.convert[self.split], kind, wanted)
            try:
                arrays.append(convert(values))
            except (pa.ArrowException, _Stray, DataError):
                arrays.append(self._without_strays(values, column, place, convert, bad, mask))
        made = pa.RecordBatch.from_arrays(arrays, schema=self.kind.schema)
        return made if mask.all() else made.filter(pa.array(mask))

    def _stored(self, batch: pa.RecordBatch, place: Place) -> Callable[[str], pa.Array]:
        """The raw columns; those that the rows lack are null."""
        new = [
            name
            for name in batch.schema.names
            if name not in self.raw.names and batch.column(name).null_count < batch.num_rows
        ]
        if new:
            first = int(pc.index(pc.is_valid(batch.column(new[0])), True).as_py())
            raise DataError(
                f"{place.told(first)}: the column {new[0]!r} is not among those of the "
                f"first rows ({', '.join(self.raw.names)}), by which the columns of a stream are "
                f"found out. Say what it holds: load_dataset(..., features={{{new[0]!r}: ...}})."
            )

        def column(name: str) -> pa.Array:
            if name in batch.schema.names:
                return batch.column(name)
            return pa.nulls(batch.num_rows, self.raw.field(name).type)

        return column

    def _without_strays(
        self,
        values: pa.Array,
        column: Column,
        place: Place,
        convert: Callable[[pa.Array], pa.Array],
        bad: BadRows,
        mask: npt.NDArray[np.bool_],
    ) -> pa.Array:
        """The values converted, null in rows that do not fit, which are refused one by one."""
        parts: list[pa.Array] = []
        start = 0
        while start < len(values):
            length = _longest(values.slice(start), convert)
            if length:
                parts.append(convert(values.slice(start, length)))
            start += length
            if start < len(values):
                self._refuse(values[start], column, place, start, bad)
                mask[start] = False
                parts.append(pa.nulls(1, arrow_type_of(column.feature)))
                start += 1
        return pa.concat_arrays(parts)

    def _refuse(
        self, value: pa.Scalar, column: Column, place: Place, number: int, bad: BadRows
    ) -> None:
        shown = repr(value.as_py())
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        label = class_label_in(column.feature)
        if label is not None:
            names = ", ".join(label.names[:12]) + (", ..." if len(label.names) > 12 else "")
            reason = f"{shown} is none of the classes: {names}"
            advice = "Correct it, or declare the class."
        else:
            wanted = arrow_type_of(column.feature)
            reason = f"{shown} is no {wanted}, which the first rows hold"
            if pa.types.is_null(wanted):
                reason = f"{shown} stands where the first rows hold nothing"
            advice = (
                "Correct it, or say what the column holds: "
                f"load_dataset(..., features={{{column.source!r}: Value('string')}})."
            )
        error = DataError(f"{place.told(number)}, column {column.source!r}: {reason}. {advice}")
        bad.refuse(place.file, None, f"column {column.source!r}: {reason}", shown, error)


def _set_aside(batch: pa.RecordBatch, place: Place, number: int, bad: BadRows) -> None:
    """Counts a row that was found, among the first ones, to hold what its columns cannot."""
    row = repr(batch.slice(number, 1).to_pylist()[0])
    reason = "a value is none of the classes of its column, or not of its type"
    error = DataError(f"{place.told(number)}: {reason}: {row[:_SHOWN]}")
    bad.refuse(place.file, None, f"row {place.row + number * place.step + 1}, {reason}", row, error)


def _longest(values: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> int:
    """How many values from the first on can be converted."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            convert(values.slice(0, middle))
            low = middle
        except (pa.ArrowException, _Stray, DataError):
            high = middle - 1
    return low


def _made(
    convert: Callable[[pa.Array], pa.Array] | None,
    stored: pa.DataType,
    wanted: pa.DataType,
    values: pa.Array,
) -> pa.Array:
    """Raw values in the type that all have in common, and then as the column has them."""
    if values.type != stored:
        if common_type(values.type, stored) is None:
            raise _Stray
        values = values.cast(stored)
    values = values if convert is None else convert(values)
    return values if values.type == wanted else values.cast(wanted)


def forms(
    plan: Plan,
    given: Mapping[str, str],
    options: Options,
    declared: Features,
    *,
    collect: bool,
) -> dict[str, Form]:
    """What the rows of each split become; the first rows of each are read for it.

    `given` are the columns given a role by hand, and `declared` what columns hold. Raises
    `DataError` for what cannot be read, and for columns, types or roles that do not fit together.
    """
    samples = {name: _Sample(pieces, options) for name, pieces in plan.splits.items()}
    splits = {
        name: read_split(name, name, sample.pieces(), options, BadRows(collect), Memory())
        for name, sample in samples.items()
    }
    whole = all(sample.whole for sample in samples.values())
    raw = RawData(plan.name, splits, plan.declared, plan.metadata)
    found = shape(raw, given, BadRows(collect), whole=whole)
    if not whole:
        found = _with_columns(_for_more(found), declared, [*plan.splits])
    check_declared(found.features, declared, plan.name)
    features = found.features
    schema = pa.schema([(name, arrow_type_of(feature)) for name, feature in features.items()])
    kind = Kind(schema, features, found.roles)
    return {
        name: Form(
            name,
            found.schema,
            tuple(found.columns),
            kind,
            tuple(splits[name].schema.names),
            frozenset() if whole else frozenset(plan.declared),
            _by_file(splits[name], found.dropped.get(name)),
        )
        for name in plan.splits
    }


class _Sample:
    """The first rows of a split's pieces.

    Attributes:
        whole: Whether they are all that there are; known when they have been read.
    """

    def __init__(self, pieces: list[Piece], options: Options) -> None:
        self.whole = True
        self._pieces, self._options = pieces, options
        self._rows = self._bytes = 0

    def pieces(self) -> Iterator[Piece]:
        """Pieces, until enough was read, that end where it was."""
        for piece in self._pieces:
            if self._is_enough():
                self.whole = False
                return
            yield Stream(piece.name, partial(self._content, piece))

    def _content(self, piece: Piece, bad: BadRows) -> Content:
        content = content_of(piece, self._options, bad)
        return replace(content, batches=self._first(content.batches))

    def _first(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._is_enough():
                self.whole = False
                return
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
            yield batch

    def _is_enough(self) -> bool:
        return self._rows >= _FIRST_ROWS or self._bytes >= _FIRST_BYTES


def _by_file(split: RawSplit, dropped: npt.NDArray[np.int64] | None) -> dict[str, frozenset[int]]:
    """Rows over all files as such of each."""
    found: dict[str, frozenset[int]] = {}
    if dropped is None:
        return found
    start = 0
    for name, rows in split.files:
        within = dropped[(dropped >= start) & (dropped < start + rows)] - start
        found[name] = frozenset(within.tolist())
        start += rows
    return found


def _for_more(found: Shape) -> Shape:
    """The same for rows that were not seen: nulls and classes are looked for in all of them."""
    texts = (found.roles.text, found.roles.text_pair)
    columns = []
    for column in found.columns:
        label = class_label_in(column.feature)
        convert: Convert
        if label is not None:
            convert = partial(_encoded, column)
        elif column.name in texts and all(each is None for each in column.convert.values()):
            convert = _filled
        else:
            columns.append(column)
            continue
        columns.append(replace(column, convert=dict.fromkeys(column.convert, convert)))
    return replace(found, columns=columns)


def _with_columns(found: Shape, declared: Features, splits: list[str]) -> Shape:
    """With columns that are declared, and may come in rows that were not seen."""
    columns, schema = list(found.columns), found.schema
    for name, feature in declared.items():
        if name not in schema.names:
            columns.append(Column(name, name, feature, dict.fromkeys(splits)))
            schema = schema.append(pa.field(name, arrow_type_of(feature)))
    return replace(found, columns=columns, schema=schema)


def _filled(values: pa.Array) -> pa.Array:
    return pc.fill_null(values.cast(pa.string()), "") if values.null_count else values


def _encoded(column: Column, values: pa.Array) -> pa.Array:
    several = isinstance(column.feature, Sequence)
    if is_list(values.type) != several and not pa.types.is_null(values.type):
        raise _Stray
    encoded, _ = encode_labels(
        {"": pa.chunked_array([values])}, column.feature, lambda _, row: f"row {row}"
    )
    return encoded[""].combine_chunks()
