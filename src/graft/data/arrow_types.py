"""Features as Arrow stores them: in a table of ours, and in a file that others read.

A table of ours holds few types: `string` and `list`, never their large, view, fixed-size or
dictionary-encoded variants, and no extension types. What a column was declared as stays in its
feature, and a file is written with exactly that type, so that nothing is lost on the way.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.kinds import (
    Array,
    ClassLabel,
    Feature,
    Features,
    Json,
    Kept,
    Sequence,
    Struct,
    Translation,
    Value,
)
from graft.errors import DataError

_DTYPES: dict[str, pa.DataType] = {
    str(Value(str(arrow_type)).dtype): arrow_type
    for arrow_type in [
        *(pa.null(), pa.bool_(), pa.float16(), pa.float32(), pa.float64()),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.date32(), pa.date64(), pa.string(), pa.large_string(), pa.string_view()),
        *(pa.binary(), pa.large_binary(), pa.binary_view()),
    ]
}
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:,\s*tz=([\w/+:-]+))?\]")
_DURATION = re.compile(r"duration\[(s|ms|us|ns)\]")
_TIME = re.compile(r"time(32\[(?:s|ms)|64\[(?:us|ns))\]")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+),\s*(-?\d+)\)")
_FIXED_BINARY = re.compile(r"fixed_size_binary\[(\d+)\]")

_MEDIA = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_PLACED_TEXTS = pa.struct({"language": pa.list_(pa.string()), "translation": pa.list_(pa.string())})
_STORED_KINDS = {
    **dict.fromkeys(["Image", "Audio", "Video", "Pdf", "Nifti", "Mesh"], _MEDIA),
    **dict.fromkeys(["BioSequence", "BioStructure"], _MEDIA),
    "TranslationVariableLanguages": _PLACED_TEXTS,
}
# How a schema names a type that the bare Arrow format does not have.
_EXTENSION_NAME, _EXTENSION_CONTENT = b"ARROW:extension:name", b"ARROW:extension:metadata"
_JSON_EXTENSION = "arrow.json"
_ARRAY_EXTENSION = re.compile(r"datasets\.features\.features\.Array[2-5]DExtensionType")


def value_type(dtype: str) -> pa.DataType:
    """The Arrow type that a `Value` of this name has in files.

    Raises `DataError` for a name that Arrow does not have.
    """
    name = Value(dtype).dtype
    if name in _DTYPES:
        return _DTYPES[name]
    found = _parsed(name)
    if found is None:
        raise DataError(
            f"There is no column type {dtype!r}. "
            "Give an Arrow type by name, such as string, int64, float64 or bool."
        )
    return found


def is_kept(kind: str) -> bool:
    """Whether columns of this kind of the ecosystem's can be kept as a `Kept`."""
    return kind in _STORED_KINDS


def feature_of(arrow_type: pa.DataType) -> Feature:
    """The feature that an Arrow type alone tells: never a `ClassLabel`."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        return _feature_of_extension(arrow_type)
    if pa.types.is_dictionary(arrow_type) or pa.types.is_run_end_encoded(arrow_type):
        return feature_of(arrow_type.value_type)
    if pa.types.is_struct(arrow_type):
        return Struct({field.name: feature_of(field.type) for field in arrow_type})
    if pa.types.is_map(arrow_type):
        entry = {"key": feature_of(arrow_type.key_type), "value": feature_of(arrow_type.item_type)}
        return Sequence(Struct(entry))
    if pa.types.is_fixed_size_list(arrow_type):
        return Sequence(feature_of(arrow_type.value_type), length=arrow_type.list_size)
    if is_any_list(arrow_type):
        large = pa.types.is_large_list(arrow_type) or pa.types.is_large_list_view(arrow_type)
        return Sequence(feature_of(arrow_type.value_type), large=bool(large))
    if pa.types.is_decimal(arrow_type) and arrow_type.bit_width < 128:
        return Value(f"decimal128({arrow_type.precision}, {arrow_type.scale})")
    return Value(str(arrow_type))


def told_by_type(field: pa.Field) -> Feature | None:
    """The feature of a column whose type tells more than its plain type would; else None."""
    arrow_type = field.type
    content = field.metadata or {}
    if content.get(_EXTENSION_NAME) == _JSON_EXTENSION.encode() and _is_text(arrow_type):
        return Json()
    if isinstance(arrow_type, pa.BaseExtensionType) or pa.types.is_fixed_size_list(arrow_type):
        return feature_of(arrow_type)
    return None


def arrow_type_of(feature: Feature) -> pa.DataType:
    """The Arrow type that stores `feature` in a table of ours.

    Raises `DataError` for a dtype Arrow does not have.
    """
    return plain_type(written_type_of(feature))


def written_type_of(feature: Feature) -> pa.DataType:
    """The Arrow type of `feature` in a file, as `datasets` has it (extension types as stored).

    Raises `DataError` for a dtype Arrow does not have.
    """
    return _written_field("", feature).type


def written_schema(features: Features) -> pa.Schema:
    """The Arrow schema of a file with these columns.

    Extension types are the types that store them, and stand in their fields' metadata. Raises
    `DataError` naming the column that has a dtype Arrow does not have.
    """
    fields = []
    for name, feature in features.items():
        try:
            fields.append(_written_field(name, feature))
        except DataError as error:
            raise DataError(f"The column {name!r}: {error}") from error
    return pa.schema(fields)


def plain_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type that a table of ours holds values of `arrow_type` in."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        return plain_type(arrow_type.storage_type)
    if pa.types.is_dictionary(arrow_type) or pa.types.is_run_end_encoded(arrow_type):
        return plain_type(arrow_type.value_type)
    if pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type):
        return pa.string()
    if pa.types.is_large_binary(arrow_type) or pa.types.is_binary_view(arrow_type):
        return pa.binary()
    if pa.types.is_struct(arrow_type):
        return pa.struct([(inner.name, plain_type(inner.type)) for inner in arrow_type])
    if pa.types.is_map(arrow_type):
        entry = {"key": plain_type(arrow_type.key_type), "value": plain_type(arrow_type.item_type)}
        return pa.list_(pa.struct(entry))
    if is_any_list(arrow_type):
        return pa.list_(plain_type(arrow_type.value_type))
    if pa.types.is_decimal(arrow_type) and arrow_type.bit_width < 128:
        return pa.decimal128(arrow_type.precision, arrow_type.scale)
    return arrow_type


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with the types of a table of ours, and without metadata."""
    return pa.schema([pa.field(column.name, plain_type(column.type)) for column in schema])


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` in the types of a table of ours, and without metadata."""
    schema = plain_schema(batch.schema)
    if batch.schema.equals(schema):
        return batch.replace_schema_metadata(None)
    arrays = [_plain(array, wanted) for array, wanted in zip(batch, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def plain_table(table: pa.Table) -> pa.Table:
    """`table` in the types of a table of ours, and without metadata; nothing is copied that fits.

    Raises `pyarrow.ArrowInvalid` for a text of more than 2 GB.
    """
    schema = plain_schema(table.schema)
    if table.schema.equals(schema):
        return table.replace_schema_metadata(None)
    batches = chain.from_iterable(map(_plain_parts, table.to_batches()))
    return pa.Table.from_batches(batches, schema)


def _plain_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """`batch` in our types, in several parts where its texts are past the 2 GB of a `string`."""
    try:
        yield plain_batch(batch)
        return
    except pa.ArrowInvalid:
        if batch.num_rows < 2:
            raise
    half = batch.num_rows // 2
    for rows in (range(half), range(half, batch.num_rows)):
        # Taken and not sliced: a slice keeps the offsets that it has in the whole.
        yield from _plain_parts(batch.take(pa.array(rows, pa.int64())))


def written_array(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """An array of a table of ours in the type that a file holds it in, made by `written_schema`.

    Raises `pyarrow.ArrowInvalid` for values that are not of that type. Like `cast`, which stumbles
    over what lies hidden under a null record.
    """
    if array.type == wanted:
        return array
    if isinstance(array, pa.ExtensionArray):
        return written_array(array.storage, wanted)
    if isinstance(array, pa.StructArray) and [one.name for one in array.type] == [
        one.name for one in wanted
    ]:
        pairs = zip(array.flatten(), wanted, strict=True)
        fields = [written_array(values, one.type) for values, one in pairs]
        return pa.StructArray.from_arrays(fields, fields=list(wanted), mask=pc.is_null(array))
    if is_any_list(array.type) and is_any_list(wanted):
        values = written_array(array.flatten(), wanted.value_type)
        return lists_like(array, values).cast(wanted)
    return array.cast(wanted)


def lists_like(lists: pa.Array, values: pa.Array) -> pa.ListArray:
    """Lists as long as these, null where they are, of other values: [all values of the lists]."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(lists))


def of_classes(numbers: pa.Array, count: int) -> pa.Array:
    """Class numbers, null where they are of none of so many classes (-1 missing, -100 ignored)."""
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is None or 0 <= bounds["min"] <= bounds["max"] < count:
        return numbers
    known = pc.and_(pc.greater_equal(numbers, 0), pc.less(numbers, count))
    return pc.if_else(known, numbers, pa.scalar(None, numbers.type))


def fits(feature: Feature, arrow_type: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds `feature`, if need be in a variant of its type.

    Class numbers may have any width, a string may be large, a list of fixed size, and so on.
    """
    return _fits(feature, plain_type(arrow_type))


def _fits(feature: Feature, stored: pa.DataType) -> bool:
    if isinstance(feature, ClassLabel):
        return bool(pa.types.is_integer(stored))
    if isinstance(feature, Sequence):
        return bool(pa.types.is_list(stored)) and _fits(feature.feature, stored.value_type)
    if isinstance(feature, Struct):
        if not pa.types.is_struct(stored) or [field.name for field in stored] != [*feature.fields]:
            return False
        inner = feature.fields.values()
        return all(_fits(one, field.type) for one, field in zip(inner, stored, strict=True))
    return bool(arrow_type_of(feature) == stored)


def _parsed(dtype: str) -> pa.DataType | None:
    if match := _TIMESTAMP.fullmatch(dtype):
        return pa.timestamp(match[1], tz=match[2])
    if match := _DURATION.fullmatch(dtype):
        return pa.duration(match[1])
    if match := _TIME.fullmatch(dtype):
        bits, unit = match[1].split("[")
        return pa.time32(unit) if bits == "32" else pa.time64(unit)
    if match := _DECIMAL.fullmatch(dtype):
        make = pa.decimal256 if match[1] == "256" else pa.decimal128
        most = 76 if match[1] == "256" else 38
        return make(int(match[2]), int(match[3])) if 0 < int(match[2]) <= most else None
    if match := _FIXED_BINARY.fullmatch(dtype):
        return pa.binary(int(match[1]))
    return None


def is_any_list(arrow_type: pa.DataType) -> bool:
    """Whether a type is one of lists: with 32 or 64 bits, of fixed size, or of views."""
    kinds = (
        *(pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
        *(pa.types.is_list_view, pa.types.is_large_list_view),
    )
    return any(kind(arrow_type) for kind in kinds)


def _is_text(arrow_type: pa.DataType) -> bool:
    return bool(plain_type(arrow_type) == pa.string())


def _feature_of_extension(arrow_type: Any) -> Feature:
    if arrow_type.extension_name == _JSON_EXTENSION:
        return Json()
    if _ARRAY_EXTENSION.fullmatch(arrow_type.extension_name):
        shape, dtype = json.loads(arrow_type.__arrow_ext_serialize__())
        return Array(tuple(shape), Value(dtype).dtype)
    return feature_of(arrow_type.storage_type)


def _written_field(name: str, feature: Feature) -> pa.Field:
    if isinstance(feature, Json):
        return _extension_field(name, pa.string(), _JSON_EXTENSION, "")
    if isinstance(feature, Array):
        arrow_type = value_type(feature.dtype)
        for _ in feature.shape:
            arrow_type = pa.list_(arrow_type)
        kind = f"datasets.features.features.Array{len(feature.shape)}DExtensionType"
        content = json.dumps([list(feature.shape), feature.dtype])
        return _extension_field(name, arrow_type, kind, content)
    return pa.field(name, _written_type(feature))


def _written_type(feature: Feature) -> pa.DataType:
    if isinstance(feature, ClassLabel):
        return pa.int64()
    if isinstance(feature, Sequence):
        item = _written_field("item", feature.feature)
        if feature.length is not None:
            return pa.list_(item, feature.length)
        return pa.large_list(item) if feature.large else pa.list_(item)
    if isinstance(feature, Struct):
        return pa.struct([_written_field(name, one) for name, one in feature.fields.items()])
    if isinstance(feature, Translation):
        return pa.struct([(language, pa.string()) for language in sorted(feature.languages)])
    if isinstance(feature, Kept):
        return _STORED_KINDS[feature.kind]
    if isinstance(feature, Value):
        return value_type(feature.dtype)
    raise DataError(
        f"{feature!r} is no feature. Give one such as Value('int64'), ClassLabel(['no', 'yes']) or "
        "Sequence(Value('string'))."
    )


def _extension_field(name: str, stored: pa.DataType, kind: str, content: str) -> pa.Field:
    metadata: Mapping[bytes, bytes] = {
        _EXTENSION_NAME: kind.encode(),
        _EXTENSION_CONTENT: content.encode(),
    }
    return pa.field(name, stored, metadata=metadata)


def _plain(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Like `cast`, which does not read views of lists and runs."""
    if array.type == wanted:
        return array
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage, wanted)
    if isinstance(array, pa.DictionaryArray):  # `cast` does not look views up
        return _plain(array.dictionary, wanted).take(array.indices)
    if isinstance(array, pa.RunEndEncodedArray):
        return _plain(pc.run_end_decode(array), wanted)
    if is_any_list(array.type):
        return lists_like(array, _plain(array.flatten(), wanted.value_type)).cast(wanted)
    if isinstance(array, pa.StructArray):
        fields = [_plain(array.field(number), one.type) for number, one in enumerate(wanted)]
        return pa.StructArray.from_arrays(fields, fields=list(wanted), mask=pc.is_null(array))
    return array.cast(wanted)
