"""From raw splits to a data set: one set of columns, roles, types and classes over all splits."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import (
    Feature,
    Features,
    Sequence,
    Value,
    arrow_type_of,
    class_label_in,
    feature_of,
    fits,
)
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.untyped import misfits, type_of_texts, typed
from graft.data.inner_classes import encode_inner, has_inner_classes, holds
from graft.data.kinds import TEXTS
from graft.data.labels import Where, stray_label
from graft.data.reading.classes import (
    Chunks,
    Convert,
    Encoding,
    distinct_names,
    encoding_of,
    tag_classes,
)
from graft.data.reading.raw import RawData, RawSplit, promoted, unified
from graft.data.roles import Roles, columns_of, infer_roles, is_text, is_tokens
from graft.data.texts import join_tokens
from graft.data.writing.card import card_roles
from graft.errors import DataError

# Roles are found out from so many rows at the most, taken from all over the splits.
_SAMPLED_PIECES, _SAMPLED_ROWS = 50, 1000


@dataclass(frozen=True)
class Column:
    """A column of the data set, and how it comes from the raw one.

    Attributes:
        source: the raw column.
        name: its name in the data set.
        feature: what it holds.
        convert: makes a split's values of the raw ones (in the type common to all splits); None
            where they stay as they are.
    """

    source: str
    name: str
    feature: Feature
    convert: Mapping[str, Convert | None]


@dataclass(frozen=True)
class Shape:
    """What is to be made of raw splits.

    Attributes:
        schema: the types that the raw columns have in common over all splits.
        columns: the columns of the data set.
        roles: the roles they have.
        dropped: rows (from 0, ascending) of each split that are set aside.
    """

    schema: pa.Schema
    columns: list[Column]
    roles: Roles
    dropped: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    @property
    def features(self) -> Features:
        """What each column holds, by name."""
        return {column.name: column.feature for column in self.columns}


def shape(raw: RawData, given: Mapping[str, str], bad: BadRows, *, whole: bool = True) -> Shape:
    """The columns, types, classes and roles of a data set of raw splits; nothing is made yet.

    `given` are the columns given a role by hand; the card's come next, others are inferred. Types
    and classes are found out over all rows. With `bad.collect`, rows whose label is none of the
    classes are dropped. Where `raw` does not hold the `whole` data set, labels and tags stay as
    they are written unless their classes are declared.

    Raises `DataError` when columns, types, roles or labels do not fit together.
    """
    schema = unified([(split.where, split.schema) for split in raw.splits.values()])
    declared: Features = {}
    for split in reversed(raw.splits.values()):
        declared.update(split.declared)
    declared.update(raw.declared)
    wanted = {**card_roles(raw.metadata), **given}
    roles = infer_roles(_sample(raw, schema), declared, where=raw.name, **wanted)
    for split in raw.splits.values():
        _check_columns(split, roles, raw)
    return _Shaping(raw, schema, declared, roles, bad, whole=whole).shape()


def check_declared(found: Features, features: Mapping[str, Feature], where: str) -> None:
    """Raises `DataError` where a column is not there, or cannot hold what is said of it by hand."""
    for name, feature in features.items():
        if name not in found:
            raise DataError(
                f"{where} has no column {name!r} (given in features). Its columns are: "
                f"{', '.join(found)}."
            )
        if found[name] != feature:
            raise DataError(
                f"{where}, column {name!r}: {feature} was given in features, but there are values "
                f"that do not fit; it holds {found[name]}."
            )


class _Shaping:
    """The decisions for one data set, column by column."""

    def __init__(
        self,
        raw: RawData,
        schema: pa.Schema,
        declared: Features,
        roles: Roles,
        bad: BadRows,
        *,
        whole: bool,
    ) -> None:
        self.raw = raw
        self.whole = whole
        self.schema = schema
        self.declared = declared
        self.roles = roles
        self.bad = bad
        self.untyped = all(split.untyped for split in raw.splits.values())
        self.strays: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in raw.splits}

    def shape(self) -> Shape:
        joined, roles = self._joined_texts()
        columns = [self._column(name) for name in self.schema.names]
        dropped = {
            name: np.unique(np.concatenate(rows)) for name, rows in self.strays.items() if rows
        }
        return Shape(self.schema, [*columns, *joined], roles, dropped)

    def _joined_texts(self) -> tuple[list[Column], Roles]:
        """Columns of text for roles of text that lists of words have."""
        columns, names = [], {}
        for role in ("text", "text_pair"):
            source = getattr(self.roles, role)
            if source is None or not is_tokens(self.schema.field(source).type):
                continue
            name = role if role not in self.schema.names else f"{source}_text"
            columns.append(Column(source, name, Value("string"), self._each(_join)))
            names[role] = name
        return columns, Roles(**{**self.roles.given(), **names})

    def _column(self, name: str) -> Column:
        declared = self.declared.get(name)
        stored = self.schema.field(name).type
        if name in (self.roles.text, self.roles.text_pair) and not is_tokens(stored):
            convert = {
                split: _filled if self._has_nulls(split, name) else None
                for split in self.raw.splits
            }
            return Column(name, name, declared if declared in TEXTS else Value("string"), convert)
        is_measure = isinstance(declared, Value) and declared.dtype.startswith("float")
        is_label = self.whole and name == self.roles.label and not is_measure
        if class_label_in(declared) is not None or is_label:
            return self._encoded(name, declared)
        if self.whole and name == self.roles.tags and is_tokens(stored):
            names = distinct_names(self._splits(name), self._where(name))
            return self._encoded(name, Sequence(tag_classes(names)))
        if self.untyped and is_text(stored):
            return self._of_texts(name, declared)
        return self._declared(name, declared, stored)

    def _encoded(self, name: str, declared: Feature | None) -> Column:
        splits = self._splits(name)
        encoding = encoding_of(
            splits,
            declared,
            self._where(name),
            collect=self.bad.collect,
            gaps=name != self.roles.label,
        )
        for split in encoding.strays:
            self._set_aside(split, name, encoding)
        return Column(name, name, encoding.feature, encoding.convert)

    def _set_aside(self, split: str, name: str, encoding: Encoding) -> None:
        rows = encoding.rows_with_strays(split, self._splits(name)[split])
        self.strays[split].append(rows)
        values = self._values(split, name, rows)
        for row, value in zip(rows.tolist(), values, strict=True):
            where = self._where(name)(split, row)
            reason = f"column {name!r}: none of the classes"
            self._refuse(split, row, reason, value, DataError(f"{where}: {reason}"))

    def _values(self, split: str, name: str, rows: npt.NDArray[np.int64]) -> Iterator[object]:
        start = 0
        for chunk in self._splits(name)[split]():
            within = rows[(rows >= start) & (rows < start + len(chunk))] - start
            yield from chunk.take(pa.array(within)).to_pylist()
            start += len(chunk)

    def _of_texts(self, name: str, declared: Feature | None) -> Column:
        """A column of files without types: as it is declared, else as what its texts stand for."""
        if declared == Value("string"):
            return Column(name, name, declared, self._each(None))
        if isinstance(declared, Value):
            return Column(name, name, declared, self._as_declared(name, declared))
        splits = self._splits(name).values()
        kind = type_of_texts(chunk for chunks in splits for chunk in chunks())
        convert = None if kind is None else partial(typed, kind=kind)
        return Column(name, name, feature_of(kind or pa.string()), self._each(convert))

    def _as_declared(self, name: str, declared: Value) -> dict[str, Convert | None]:
        """What makes values of texts; rows whose text is none of the type are refused."""
        wanted = arrow_type_of(declared)
        converts: dict[str, Convert | None] = {}
        for split, chunks in self._splits(name).items():
            start, rows = 0, []
            for chunk in chunks():
                for row in misfits(chunk, wanted):
                    rows.append(start + row)
                    self._refuse_text(split, start + row, name, str(chunk[row]), declared)
                start += len(chunk)
            if rows:
                self.strays[split].append(np.array(rows))
            converts[split] = partial(typed, kind=wanted, strays=bool(rows))
        return converts

    def _refuse_text(self, split: str, row: int, name: str, text: str, declared: Value) -> None:
        reason = f"column {name!r}: not {declared.dtype}"
        where = self._where(name)(split, row)
        error = DataError(
            f"{where}: {text!r} is not {declared.dtype}, as which the column is declared. Correct "
            "it, or the declaration: features=, or dataset_info in README.md."
        )
        self._refuse(split, row, reason, text, error)

    def _declared(self, name: str, declared: Feature | None, stored: pa.DataType) -> Column:
        if declared is None:
            return Column(name, name, feature_of(stored), self._each(None))
        if has_inner_classes(declared) and holds(declared, stored):
            return self._with_inner(name, declared)
        wanted = arrow_type_of(declared)
        if wanted == stored:
            return Column(name, name, declared, self._each(None))
        if fits(declared, stored) or self._casts(name, wanted):
            return Column(name, name, declared, self._each(lambda array: array.cast(wanted)))
        return Column(name, name, feature_of(stored), self._each(None))

    def _with_inner(self, name: str, declared: Feature) -> Column:
        """A column with classes within its records, all of whose labels are among them."""
        as_it_is = True
        for split, chunks in self._splits(name).items():
            start, rows = 0, []
            for chunk in chunks():
                inner = encode_inner(chunk, declared)
                as_it_is = as_it_is and inner.values.equals(chunk)
                rows.append(inner.rows + start)
                for row, stray, label in zip(rows[-1], inner.strays, inner.labels, strict=True):
                    error = stray_label(self._where(name)(split, int(row)), stray, label.names)
                    reason = f"column {name!r}: none of the classes"
                    self._refuse(split, int(row), reason, stray, error)
                start += len(chunk)
            self.strays[split] += rows
        encode = None if as_it_is else lambda array: encode_inner(array, declared).values
        return Column(name, name, declared, self._each(encode))

    def _refuse(self, split: str, row: int, reason: str, value: object, error: DataError) -> None:
        file, number = self.raw.splits[split].place_of(row)
        self.bad.refuse(file, None, f"row {number}, {reason}", repr(value), error)

    def _casts(self, name: str, wanted: pa.DataType) -> bool:
        """Whether all values can be stored so without a loss."""
        try:
            for chunks in self._splits(name).values():
                for chunk in chunks():
                    chunk.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            return False
        return True

    def _has_nulls(self, split: str, name: str) -> bool:
        tables = self.raw.splits[split].tables
        return any(
            name not in table.column_names or table.column(name).null_count > 0 for table in tables
        )

    def _each(self, convert: Convert | None) -> dict[str, Convert | None]:
        return dict.fromkeys(self.raw.splits, convert)

    def _splits(self, name: str) -> dict[str, Chunks]:
        return {
            split: _chunks(raw, pa.schema([self.schema.field(name)]))
            for split, raw in self.raw.splits.items()
        }

    def _where(self, column: str) -> Where:
        splits = self.raw.splits
        return lambda split, row: f"{splits[split].where_rows([row])}, column {column!r}"


def _check_columns(split: RawSplit, roles: Roles, raw: RawData) -> None:
    """The texts must be in every split; labels may be missing, but not by a slip of the pen."""
    names = split.schema.names
    for column in (roles.text, roles.text_pair):
        if column is not None and column not in names:
            raise DataError(
                f"{split.where} has no column {column!r}, which other splits have. "
                f"Its columns are: {columns_of(split.schema)}."
            )
    if roles.label is None or roles.label in names:
        return
    usual = {
        name
        for other in raw.splits.values()
        if roles.label in other.schema.names
        for name in other.schema.names
    }
    own = [name for name in names if name not in usual]
    for close in difflib.get_close_matches(roles.label, own, n=1):
        raise DataError(
            f"{split.where} has no column {roles.label!r}, but {close!r}. Its columns are: "
            f"{columns_of(split.schema)}. Name the column of labels alike in all splits."
        )


def _sample(raw: RawData, schema: pa.Schema) -> pa.Table:
    """Rows from all over the splits: all of them where they are few."""
    pieces = [schema.empty_table()]
    for split in raw.splits.values():
        share = max(split.num_rows, 1)
        for table in split.tables:
            places = max(round(_SAMPLED_PIECES * table.num_rows / share), 1)
            if table.num_rows <= places * _SAMPLED_ROWS:
                pieces.append(table)
                continue
            starts = np.linspace(0, table.num_rows - _SAMPLED_ROWS, places).astype(np.int64)
            pieces += [table.slice(start, _SAMPLED_ROWS) for start in starts.tolist()]
    return pa.concat_tables(pieces, promote_options="permissive")


def _chunks(split: RawSplit, schema: pa.Schema) -> Chunks:
    def chunks() -> Iterator[pa.Array]:
        for batch in split.batches(schema.names):
            for piece in promoted(batch, schema):
                yield piece.column(0)

    return chunks


def _filled(array: pa.Array) -> pa.Array:
    return pc.fill_null(array.cast(pa.string()), "")


def _join(array: pa.Array) -> pa.Array:
    return join_tokens(pa.chunked_array([array])).combine_chunks()
