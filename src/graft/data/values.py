"""The values that a user's function returns, as columns of Arrow."""

from typing import Any

import numpy as np
import pyarrow as pa

from graft.data.role_finder import is_list, is_text


def array_of(values: Any, old: pa.DataType | None = None) -> pa.Array:
    """The values that a function returned for a column, as an Arrow array.

    Args:
        values: A list, or an array of Arrow, NumPy, pandas or PyTorch.
        old: The type of the column of that name that there was; kept where the values are of its
            kind and fit, so that small whole numbers stay small.

    Raises `pa.ArrowInvalid`, `pa.ArrowTypeError` or another of Arrow's errors, or `OverflowError`,
    where the values are of several kinds or of none that Arrow has.
    """
    array = _any_array(values)
    if old is None or array.type.equals(old) or not alike(array.type, old):
        return array
    try:
        return array.cast(old)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return array


def alike(first: pa.DataType, second: pa.DataType) -> bool:
    """Whether two types hold values of one kind: whole numbers of any width, lists of those, ..."""
    if first.equals(second) or pa.types.is_null(first) or pa.types.is_null(second):
        return True
    if is_list(first) and is_list(second):
        return alike(first.value_type, second.value_type)
    if pa.types.is_struct(first) and pa.types.is_struct(second):
        fields = {field.name: field.type for field in first}
        return set(fields) == {field.name for field in second} and all(
            alike(fields[field.name], field.type) for field in second
        )
    kinds = (pa.types.is_integer, pa.types.is_floating, is_text, _is_bytes, pa.types.is_timestamp)
    return any(kind(first) and kind(second) for kind in kinds)


def common_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both; None where they are of different kinds.

    Whole numbers and fractions have one (float64), null has one with any.
    """
    if first.equals(second):
        return first
    schemas = [pa.schema([("", first)]), pa.schema([("", second)])]
    try:
        found = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    # Arrow would take texts for bytes.
    return None if _mixes_text_and_bytes(found, first, second) else found


def mixed(values: Any, error: Exception) -> tuple[str, tuple[int, int] | None]:
    """Why Arrow could not hold `values`: in words, and where two of different kinds stand first."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not isinstance(values, list):
        return reason, None
    first: tuple[int, type] | None = None
    for place, value in enumerate(values):
        if value is None:
            continue
        kind = float if type(value) in (int, float) else type(value)
        if first is None:
            first = place, kind
        elif kind is not first[1]:
            one, other = _short(values[first[0]]), _short(value)
            return f"{one} and {other}", (first[0], place)
    return reason, None


def _any_array(values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu().numpy()
    if isinstance(values, tuple) or (isinstance(values, np.ndarray) and values.ndim > 1):
        values = list(values)
    if isinstance(values, list):
        kinds = {type(value) for value in values}
        if any(issubclass(kind, np.ndarray) or hasattr(kind, "detach") for kind in kinds):
            values = [_as_list(value) for value in values]
    array = pa.array(values)
    if _is_bytes(array.type) and isinstance(values, list) and str in kinds:
        raise pa.ArrowTypeError("texts among bytes")  # which Arrow would take for bytes
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _as_list(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim != 1 else value


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _mixes_text_and_bytes(found: pa.DataType, first: pa.DataType, second: pa.DataType) -> bool:
    if is_list(found):
        return (
            is_list(first)
            and is_list(second)
            and _mixes_text_and_bytes(found.value_type, first.value_type, second.value_type)
        )
    return _is_bytes(found) and (is_text(first) or is_text(second))


def _short(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:40]}{'...' if len(text) > 40 else ''}"
