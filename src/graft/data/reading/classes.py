"""Whole columns of labels as class numbers: by their distinct values, a batch at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import lists_like
from graft.data.features import ClassLabel, Feature, Value, arrow_type_of, class_label_in
from graft.data.labels import Where, encode_labels, lists_of
from graft.data.roles import is_list, is_text
from graft.data.tags.schemes import in_order
from graft.errors import DataError

Chunks = Callable[[], Iterator[pa.Array]]
"""Reads a column of one split from its start, an array at a time, all of one type."""
Convert = Callable[[pa.Array], pa.Array]

_DECIMAL = r"^-?\d*\.?\d+$"
# Beyond this many distinct values, decimal fractions are a measure, and need not be kept in mind.
_MANY = 100_000
_MOST_STRAY = 1000


class _Collected(Exception):
    """Values that were taken for a measure turn out to be none, so all of them are needed."""


@dataclass
class Encoding:
    """How the values of a column become class numbers.

    Attributes:
        feature: what the column then holds.
        convert: makes the numbers of a split's values.
        strays: the values of each split that are none of the classes; {} unless asked for.
    """

    feature: Feature
    convert: dict[str, Convert]
    strays: dict[str, pa.Array] = field(default_factory=dict)

    def rows_with_strays(self, split: str, chunks: Chunks) -> npt.NDArray[np.int64]:
        """The rows (from 0, ascending) of a split that hold one of the strays."""
        if split not in self.strays:
            return np.zeros(0, np.int64)
        found, start = [], 0
        for chunk in chunks():
            stray = pc.is_in(_flat(chunk), value_set=self.strays[split])
            rows = pc.list_parent_indices(chunk) if is_list(chunk.type) else None
            places = pc.indices_nonzero(stray)
            places = places if rows is None else pc.unique(rows.take(places))
            found.append(np.asarray(places).astype(np.int64) + start)
            start += len(chunk)
        return np.concatenate(found)


def encoding_of(
    splits: Mapping[str, Chunks],
    declared: Feature | None,
    where: Where,
    *,
    collect: bool = False,
    gaps: bool = False,
) -> Encoding:
    """How a column of labels is encoded; see `encode_labels` for what counts as which class.

    With `collect`, values that are none of the classes are gathered in `strays`; otherwise the
    first raises `DataError`. With `gaps`, a null within a list is a label that is missing (of a
    word), and not an error.
    """
    values = {name: _distinct(name, chunks, where, gaps) for name, chunks in splits.items()}
    several = any(is_list(kind) for _, kind in values.values())
    label = class_label_in(declared)
    distinct = {name: pa.chunked_array([array]) for name, (array, _) in values.items()}
    strays: dict[str, list[int]] = {name: [] for name in splits}
    while True:
        place: list[tuple[str, int]] = []

        def where_value(split: str, position: int, place: list[tuple[str, int]] = place) -> str:
            place.append((split, position))
            row = _first_row(splits[split], values[split][0][position])
            return where(split, row)

        try:
            numbers, feature = encode_labels(
                _without(distinct, strays), label, where_value, of_lists=several
            )
            break
        except DataError:
            if not collect or not place or len(strays[place[0][0]]) >= _MOST_STRAY:
                raise
            strays[place[0][0]].append(place[0][1])
    if several:
        feature = lists_of(feature, declared)
    found = {name: values[name][0].take(pa.array(at)) for name, at in strays.items() if at}
    if isinstance(feature, Value) or class_label_in(feature) is None:
        wanted = arrow_type_of(feature)
        return Encoding(feature, dict.fromkeys(splits, lambda array: array.cast(wanted)), found)
    convert = {name: _converter(values[name][0], numbers[name].combine_chunks()) for name in splits}
    return Encoding(feature, convert, found)


def distinct_names(splits: Mapping[str, Chunks], where: Where) -> set[str]:
    """The distinct strings in a column of strings or lists of them, over all splits."""
    arrays = [_distinct(name, chunks, where, True)[0] for name, chunks in splits.items()]
    names = {name for array in arrays if is_text(array.type) for name in array.to_pylist()}
    return names - {None}


def _without(
    distinct: Mapping[str, pa.ChunkedArray], strays: Mapping[str, list[int]]
) -> dict[str, pa.ChunkedArray]:
    """The distinct values, null where they are known to be stray: places stay as they are."""
    kept = dict(distinct)
    for name, places in strays.items():
        if places:
            mask = np.zeros(len(distinct[name]), np.bool_)
            mask[places] = True
            array = distinct[name].combine_chunks()
            blank = pc.if_else(pa.array(mask), pa.scalar(None, array.type), array)
            kept[name] = pa.chunked_array([blank])
    return kept


def _converter(values: pa.Array, numbers: pa.Array) -> Convert:
    def convert(array: pa.Array) -> pa.Array:
        flat = _flat(array)
        if pa.types.is_null(values.type):
            found = pa.nulls(len(flat), pa.int64())
        else:
            found = numbers.take(pc.index_in(flat, value_set=values))
        return lists_like(array, found) if is_list(array.type) else found

    return convert


def _flat(array: pa.Array) -> pa.Array:
    return pc.list_flatten(array) if is_list(array.type) else array


def _distinct(split: str, chunks: Chunks, where: Where, gaps: bool) -> tuple[pa.Array, pa.DataType]:
    """The distinct values of a column (within its lists), and the column's type."""
    try:
        return _collected(split, chunks, where, gaps, measures=True)
    except _Collected:
        return _collected(split, chunks, where, gaps, measures=False)


def _collected(
    split: str, chunks: Chunks, where: Where, gaps: bool, *, measures: bool
) -> tuple[pa.Array, pa.DataType]:
    parts: list[pa.Array] = []
    kept, pending, row = 0, 0, 0
    kind = pa.null()
    measure = False
    for chunk in chunks():
        kind, values = chunk.type, _flat(chunk)
        if is_list(kind) and values.null_count and not gaps:
            at = int(pc.list_parent_indices(chunk)[pc.index(pc.is_null(values), True).as_py()])
            raise DataError(
                f"{where(split, row + at)}: a null stands among the labels. "
                "Leave it out of the list."
            )
        row += len(chunk)
        if measure:
            if not _is_measure(values):
                raise _Collected
            continue
        parts.append(pc.unique(values))
        pending += len(parts[-1])
        if pending > 2 * kept + 1000:
            parts = [pc.unique(pa.concat_arrays(parts))]
            kept = pending = len(parts[0])
            measure = measures and kept > _MANY and _is_measure(parts[0])
    return pc.unique(pa.concat_arrays(parts)), kind


def _is_measure(values: pa.Array) -> bool:
    if is_text(values.type):
        filled = pc.filter(values, pc.not_equal(values, ""))
        return bool(pc.all(pc.match_substring_regex(filled, _DECIMAL)).as_py())
    return bool(pa.types.is_floating(values.type))


def _first_row(chunks: Chunks, value: pa.Scalar) -> int:
    start = 0
    for chunk in chunks():
        place = int(pc.index(_flat(chunk), value).as_py())
        if place >= 0:
            within = pc.list_parent_indices(chunk)[place].as_py() if is_list(chunk.type) else place
            return start + int(within)
        start += len(chunk)
    return 0


def tag_classes(names: set[str]) -> ClassLabel:
    """The classes of tags: "O" first, then by kind, the tags that begin one before those within."""
    return ClassLabel(in_order(sorted(names)) or sorted(names))
