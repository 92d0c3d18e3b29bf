"""Turning columns of labels into class numbers, by Arrow's kernels: no Python object per row."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import lists_like, written_array, written_type_of
from graft.data.features import (
    ClassLabel,
    Feature,
    Sequence,
    Value,
    arrow_type_of,
    class_label_in,
)
from graft.data.inner_classes import encode_inner, has_inner_classes, holds, with_names
from graft.data.roles import is_list, is_text
from graft.data.tags.schemes import in_order
from graft.data.tokens.names import IGNORED
from graft.errors import DataError

Where = Callable[[str, int], str]
"""Names a row for an error: (split, row from 0) -> "test.csv, row 18"."""

_WORD = re.compile(r"[-_. ]")
_WHOLE_NUMBER = re.compile(r"-?\d+")
_DECIMAL_PATTERN = r"^-?\d*\.?\d+$"
# Decimal fractions with more values than this are measurements, not names of classes.
_MOST_DECIMAL_CLASSES = 20
_NAMES_IN_A_MESSAGE = 12


def encode_labels(
    splits: Mapping[str, pa.ChunkedArray],
    declared: Feature | None,
    where: Where,
    *,
    of_lists: bool = False,
) -> tuple[dict[str, pa.ChunkedArray], Feature]:
    """The label column of every split as class numbers over one set of classes.

    `splits` holds strings, numbers, booleans, or lists of those, of one type. With a `declared`
    class label (from a card or a Parquet schema) its names count, and -1 is a missing label. In
    lists (which values were of, with `of_lists`) -100 is a label to be ignored, and it stays.
    Without one, the classes are those of the split "train" and of others named so, such as
    "oos_train" (of all splits, where there is none), sorted; numbers keep their written form as
    names. Empty strings, and -1 in a split that holds nothing else, are missing labels. Decimal
    fractions are no classes: they become float64.

    Returns int64 columns (lists of int64 for several labels a row), in which a missing label is
    null, and their feature.

    Raises `DataError` for a label that is not among the classes, naming file, row and label.
    """
    values = {name: _flat(column) for name, column in splits.items()}
    if all(_is_measure(column) for column in values.values()):
        return {name: column.cast(pa.float64()) for name, column in splits.items()}, Value(
            "float64"
        )

    def where_value(split: str, position: int) -> str:
        return where(split, _row_of(splits[split], position))

    several = any(is_list(column.type) for column in splits.values())
    for name, column in values.items():
        if several and declared is None and column.null_count:
            row = where_value(name, _first(pc.is_null(column)) or 0)
            raise DataError(f"{row}: a null stands among the labels. Leave it out of the list.")
    label = class_label_in(declared)
    if label is None:
        texts = _drop_unlabelled({name: _as_text(column) for name, column in values.items()})
        names = _names_in(texts)
        label = ClassLabel((in_order(names) if several else None) or names)
        numbers = {
            name: _numbers_by_name(name, column, label, where_value)
            for name, column in texts.items()
        }
    else:
        numbers = {
            name: _declared_numbers(name, column, label, where_value, several or of_lists)
            for name, column in values.items()
        }
    if not several:
        return numbers, label
    lists = {name: _as_lists(splits[name], numbers[name]) for name in splits}
    return lists, lists_of(label, declared)


def lists_of(feature: Feature, declared: Feature | None) -> Sequence:
    """Lists of `feature`, of the size and kind that they were declared with."""
    if isinstance(declared, Sequence):
        return replace(declared, feature=feature)
    return Sequence(feature)


def cast_column(
    column: pa.ChunkedArray, old: Feature, new: Feature, where: Where, name: str
) -> pa.ChunkedArray:
    """A column of the feature `old` as one of `new`; classes become text by their names.

    Raises `DataError` when a value does not fit; `where` names a row, `name` the column.
    """
    if old != new:
        column = _with_names(column, old, new)
    if class_label_in(new) is not None and is_list(column.type) == isinstance(new, Sequence):
        return encode_labels({"": column}, new, where)[0][""]
    if has_inner_classes(new) and holds(new, column.type):
        return _encoded_inner(column, new, where)
    wanted = arrow_type_of(new)
    try:
        cast = column.cast(wanted)
        for chunk in cast.chunks:  # lists of a fixed length are stored as any others
            written_array(chunk, written_type_of(new))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: {column.type} cannot become {wanted} ({reason}).") from error
    return cast


def stray_label(where: str, label: object, classes: list[str]) -> DataError:
    """The error for a label that is none of the declared classes."""
    return DataError(
        f"{where}: {label!r} is none of the declared classes: "
        f"{_listed(classes)} (or their numbers, 0 to {len(classes) - 1}; -1 for a missing label). "
        "Correct it, or declare the class."
    )


def dictionary_names(column: pa.ChunkedArray) -> list[str] | None:
    """The categories of a dictionary-encoded column of strings in their order; None for others."""
    if not pa.types.is_dictionary(column.type) or column.num_chunks == 0:
        return None
    values = column.type.value_type
    if not is_text(values) and not pa.types.is_string_view(values):  # as Polars gives them
        return None
    names: list[str] = column.unify_dictionaries().chunk(0).dictionary.to_pylist()
    return names


def _with_names(column: pa.ChunkedArray, old: Feature, new: Feature) -> pa.ChunkedArray:
    label = class_label_in(old)
    if label is not None:  # the names are what counts, whatever becomes of them
        new = Value("string") if isinstance(old, ClassLabel) else Sequence(Value("string"))
    chunks = [with_names(chunk, old, new) for chunk in column.chunks]
    return pa.chunked_array(chunks) if chunks else column


def _encoded_inner(column: pa.ChunkedArray, feature: Feature, where: Where) -> pa.ChunkedArray:
    chunks, start = [], 0
    for chunk in column.chunks:
        inner = encode_inner(chunk, feature)
        for row, stray, label in zip(inner.rows, inner.strays, inner.labels, strict=True):
            raise stray_label(where("", start + int(row)), stray, label.names)
        chunks.append(inner.values)
        start += len(chunk)
    return pa.chunked_array(chunks, arrow_type_of(feature))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.list_flatten(column) if is_list(column.type) else column


def _as_lists(lists: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """`numbers` in the lists that they are of, chunk by chunk: all of them may be past 2**31."""
    chunks, start = [], 0
    for chunk in lists.chunks:
        count = len(chunk.flatten())
        chunks.append(lists_like(chunk, numbers.slice(start, count).combine_chunks()))
        start += count
    return pa.chunked_array(chunks, pa.list_(pa.int64()))


def _row_of(column: pa.ChunkedArray, position: int) -> int:
    if not is_list(column.type):
        return position
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0))
    return int(pc.index(pc.greater(ends, position), True).as_py())


def _is_measure(column: pa.ChunkedArray) -> bool:
    """Whether a column holds decimal fractions (a score), rather than classes."""
    if pa.types.is_null(column.type):
        return False
    if is_text(column.type):
        filled = pc.filter(column, pc.not_equal(column, ""))
        decimal = pc.match_substring_regex(filled, _DECIMAL_PATTERN)
        if len(filled) == 0 or not pc.all(decimal).as_py():
            return False
        numbers = filled.cast(pa.float64())
        few = pc.count_distinct(numbers).as_py() <= _MOST_DECIMAL_CLASSES
        return not few and not _all_whole(numbers)
    return bool(pa.types.is_floating(column.type)) and not _all_whole(column)


def _all_whole(numbers: pa.ChunkedArray) -> bool:
    return pc.all(pc.equal(numbers, pc.floor(numbers))).as_py() is not False


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels in their written form; empty ones become null."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    text = column if is_text(column.type) else column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)


def _drop_unlabelled(texts: dict[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """-1 is a class of its own only in a split that also has others."""
    kept = {}
    for name, column in texts.items():
        unlabelled = pc.all(pc.equal(column, "-1")).as_py() and column.null_count < len(column)
        kept[name] = (
            pa.chunked_array([pa.nulls(len(column), column.type)]) if unlabelled else column
        )
    return kept


def _names_in(texts: Mapping[str, pa.ChunkedArray]) -> list[str]:
    distinct = {
        name: set(pc.unique(column.drop_null()).to_pylist()) for name, column in texts.items()
    }
    training = [found for name, found in distinct.items() if "train" in _WORD.split(name)]
    names: set[str] = set().union(*training) or set().union(*distinct.values())
    if all(_WHOLE_NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _numbers_by_name(
    split: str, texts: pa.ChunkedArray, label: ClassLabel, where: Where
) -> pa.ChunkedArray:
    numbers = pc.index_in(texts, value_set=pa.array(label.names, texts.type)).cast(pa.int64())
    stray = _first(pc.and_(pc.is_null(numbers), pc.is_valid(texts)))
    if stray is not None:
        raise DataError(
            f"{where(split, stray)}: the label {texts[stray].as_py()!r} does not occur in the "
            f"split 'train', whose classes are: {_listed(label.names)}. Correct it, add it to "
            "'train', or declare all classes in README.md (dataset_info, features, class_label)."
        )
    return numbers


def _declared_numbers(
    split: str, values: pa.ChunkedArray, label: ClassLabel, where: Where, of_lists: bool
) -> pa.ChunkedArray:
    if is_text(values.type):
        numbers = _declared_texts(_as_text(values), label)
    else:
        numbers = values.cast(pa.int64())
    valid = pc.is_valid(_as_text(values))
    known = pc.and_(pc.greater_equal(numbers, -1), pc.less(numbers, len(label.names)))
    if of_lists:
        known = pc.or_(known, pc.equal(numbers, IGNORED))
    stray = _first(pc.and_(pc.invert(pc.fill_null(known, False)), valid))
    if stray is not None:
        raise stray_label(where(split, stray), values[stray].as_py(), label.names)
    return pc.if_else(pc.equal(numbers, -1), pa.scalar(None, pa.int64()), numbers)


def _declared_texts(texts: pa.ChunkedArray, label: ClassLabel) -> pa.ChunkedArray:
    """Names, or the numbers of classes written as text; null for neither."""
    written = [*label.names, "-1"]
    numbers = [*range(len(label.names)), -1]
    for number in range(len(label.names)):
        if str(number) not in label.names:
            written.append(str(number))
            numbers.append(number)
    found = pc.index_in(texts, value_set=pa.array(written, texts.type))
    return pc.take(pa.array(numbers, pa.int64()), found)


def _first(mask: pa.ChunkedArray) -> int | None:
    position = int(pc.index(mask, True).as_py())
    return None if position < 0 else position


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_IN_A_MESSAGE])
    rest = len(names) - _NAMES_IN_A_MESSAGE
    return f"{shown} and {rest} more" if rest > 0 else shown
