"""Classes within records and lists of records: labels of spans, of answers, of parts of a row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import arrow_type_of, lists_like, of_classes
from graft.data.kinds import TEXTS, ClassLabel, Feature, Sequence, Struct, class_label_in
from graft.data.roles import is_list, is_text

_Found = tuple[npt.NDArray[np.int64], pa.Array, ClassLabel]


@dataclass(frozen=True)
class Inner:
    """A column with its inner classes as numbers.

    Attributes:
        values: the column in the type that stores its feature; a label that is none of the classes
            is null.
        rows: `int64[strays]`, the row of each such label, ascending within a field.
        strays: the labels themselves, as they are written.
        labels: the classes that each is none of.
    """

    values: pa.Array
    rows: npt.NDArray[np.int64]
    strays: list[object]
    labels: list[ClassLabel]


def has_inner_classes(feature: Feature | None) -> bool:
    """Whether there are classes within `feature` that are more than a label or labels of a row."""
    if feature is None or class_label_in(feature) is not None:
        return False
    return _has_classes(feature)


def holds(feature: Feature, arrow_type: pa.DataType) -> bool:
    """Whether a column of this type has the lists and records of `feature`, classes by name too."""
    if isinstance(feature, ClassLabel):
        return is_text(arrow_type) or bool(pa.types.is_integer(arrow_type))
    if isinstance(feature, Sequence):
        return is_list(arrow_type) and holds(feature.feature, arrow_type.value_type)
    if isinstance(feature, Struct):
        if not pa.types.is_struct(arrow_type):
            return False
        types = {field.name: field.type for field in arrow_type}
        return types.keys() == feature.fields.keys() and all(
            holds(one, types[name]) for name, one in feature.fields.items()
        )
    return bool(arrow_type_of(feature) == arrow_type) or pa.types.is_null(arrow_type)


def encode_inner(array: pa.Array, feature: Feature) -> Inner:
    """The classes within an array of records or lists as numbers; -1 and "" are missing: null.

    `array` is one whose type `holds` says yes to.
    """
    rows = np.arange(len(array), dtype=np.int64)
    found: list[_Found] = []
    values = _encoded(array, feature, rows, found)
    strays = [stray for _, labels, _ in found for stray in labels.to_pylist()]
    classes = [label for _, labels, label in found for _ in range(len(labels))]
    return Inner(values, np.concatenate([rows[:0], *(at for at, _, _ in found)]), strays, classes)


def with_names(array: pa.Array, old: Feature, new: Feature) -> pa.Array:
    """An array of `old`, where the names of classes stand wherever `new` has other classes or text.

    What the two have in different lists or records stays as it is.
    """
    if old == new:
        return array
    if isinstance(old, ClassLabel):
        named = isinstance(new, ClassLabel) or new in TEXTS
        names = pa.array(old.names, pa.string())
        return pc.take(names, of_classes(array, len(names))) if named else array
    if isinstance(old, Sequence) and isinstance(new, Sequence):
        return lists_like(array, with_names(array.flatten(), old.feature, new.feature))
    if isinstance(old, Struct) and isinstance(new, Struct):
        names = [field.name for field in array.type]
        fields = [
            with_names(values, old.fields[name], new.fields.get(name, old.fields[name]))
            for name, values in zip(names, array.flatten(), strict=True)
        ]
        return pa.StructArray.from_arrays(fields, names, mask=pc.is_null(array))
    return array


def _has_classes(feature: Feature) -> bool:
    if isinstance(feature, Struct):
        return any(_has_classes(inner) for inner in feature.fields.values())
    if isinstance(feature, Sequence):
        return _has_classes(feature.feature)
    return isinstance(feature, ClassLabel)


def _encoded(
    array: pa.Array,
    feature: Feature,
    rows: npt.NDArray[np.int64],
    found: list[_Found],
) -> pa.Array:
    """`array` encoded; `rows` are those of its values, and labels of no class go to `found`."""
    if isinstance(feature, ClassLabel):
        return _numbers(array, feature, rows, found)
    if isinstance(feature, Sequence) and is_list(array.type):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0), np.int64)
        values = _encoded(array.flatten(), feature.feature, np.repeat(rows, lengths), found)
        return lists_like(array, values)
    if isinstance(feature, Struct) and isinstance(array, pa.StructArray):
        by_name = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
        fields = [_encoded(by_name[name], one, rows, found) for name, one in feature.fields.items()]
        kept = list(arrow_type_of(feature))
        return pa.StructArray.from_arrays(fields, fields=kept, mask=pc.is_null(array))
    return array.cast(arrow_type_of(feature))


def _numbers(
    array: pa.Array,
    label: ClassLabel,
    rows: npt.NDArray[np.int64],
    found: list[_Found],
) -> pa.Array:
    if is_text(array.type):
        names = pa.array(["", *label.names], array.type)
        numbers = pc.subtract(pc.index_in(array, value_set=names), 1).cast(pa.int64())
        known = pc.is_in(array, value_set=names)
    else:
        numbers = array.cast(pa.int64())
        known = pc.and_(pc.greater_equal(numbers, -1), pc.less(numbers, len(label.names)))
    stray = pc.and_(pc.is_valid(array), pc.invert(pc.fill_null(known, False)))
    places = np.flatnonzero(stray.to_numpy(zero_copy_only=False))
    if len(places):
        found.append((rows[places], array.take(pa.array(places)), label))
    missing = pc.or_(pc.equal(numbers, -1), stray)
    return pc.if_else(missing, pa.scalar(None, pa.int64()), numbers)
