"""What a data set's columns hold: values, class labels with their names, lists and records.

The types are written beside the data as the ecosystem writes them: as JSON under the key
``huggingface`` of an Arrow schema's metadata, and as YAML under ``dataset_info`` of a README.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from graft.errors import DataError

_METADATA_KEY = b"huggingface"
_ARROW_ALIASES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}


@dataclass(frozen=True)
class Value:
    """A plain column; `dtype` is Arrow's name of the type: "string", "int64", "float64", ..."""

    dtype: str


@dataclass(frozen=True)
class ClassLabel:
    """A column of classes, stored as int64: a row holds the position of its class in `names`.

    A missing label is null. Raises `DataError` when two classes have the same name.
    """

    names: list[str]

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise DataError(
                f"Two classes have the same name: {', '.join(map(repr, twice))}. "
                "Give every class its own name."
            )

    def __hash__(self) -> int:
        return hash(tuple(self.names))


@dataclass(frozen=True)
class Sequence:
    """A column whose rows are lists; `Sequence(ClassLabel(...))` is several labels a row."""

    feature: "Feature"


@dataclass(frozen=True)
class Struct:
    """A column whose rows are records with named fields."""

    fields: "Features"


Feature: TypeAlias = Value | ClassLabel | Sequence | Struct
Features: TypeAlias = dict[str, Feature]


def feature_of(arrow_type: pa.DataType) -> Feature:
    """The feature that an Arrow type alone tells: never a `ClassLabel`."""
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        return Sequence(feature_of(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return Struct({field.name: feature_of(field.type) for field in arrow_type})
    return Value(_ARROW_ALIASES.get(str(arrow_type), str(arrow_type)))


def arrow_type_of(feature: Feature) -> pa.DataType:
    """The Arrow type that stores `feature`. Raises `DataError` for a dtype Arrow does not have."""
    if isinstance(feature, ClassLabel):
        return pa.int64()
    if isinstance(feature, Sequence):
        return pa.list_(arrow_type_of(feature.feature))
    if isinstance(feature, Struct):
        return pa.struct([(name, arrow_type_of(inner)) for name, inner in feature.fields.items()])
    try:
        return pa.type_for_alias(feature.dtype)
    except ValueError as error:
        raise DataError(
            f"There is no column type {feature.dtype!r}. "
            "Give an Arrow type by name, such as string, int64, float64 or bool."
        ) from error


def features_of(schema: pa.Schema) -> Features:
    """One feature per column: as the schema's metadata declares it, else as its type tells."""
    declared = declared_features(schema)
    features: Features = {}
    for field in schema:
        told = declared.get(field.name)
        suits = told is not None and fits(told, field.type)
        features[field.name] = told if told is not None and suits else feature_of(field.type)
    return features


def declared_features(schema: pa.Schema) -> Features:
    """The features in the schema's metadata; those of kinds that Graft does not know are left out.

    Raises nothing: metadata that is no such JSON declares nothing.
    """
    raw = (schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        return {}
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    info = content.get("info") if isinstance(content, dict) else None
    entries = info.get("features") if isinstance(info, dict) else None
    if not isinstance(entries, dict):
        return {}
    return _known({name: _from_json(entry) for name, entry in entries.items()})


def with_metadata(table: pa.Table, features: Features) -> pa.Table:
    """`table` with `features` written into its schema's metadata, in the ecosystem's form."""
    entries = {name: _to_json(features[name]) for name in table.column_names}
    content = json.dumps({"info": {"features": entries}}, ensure_ascii=False)
    return table.replace_schema_metadata({_METADATA_KEY: content.encode()})


def features_from_yaml(entries: object) -> Features:
    """The features that a card declares under ``dataset_info.features``.

    Columns of kinds that Graft does not know are left out, and so their types come from the files.
    """
    if not isinstance(entries, list):
        return {}
    named = {
        str(entry["name"]): _from_yaml(entry)
        for entry in entries
        if isinstance(entry, dict) and "name" in entry
    }
    return _known(named)


def features_to_yaml(features: Features) -> list[dict[str, Any]]:
    """The inverse of `features_from_yaml`."""
    return [{"name": name, **_to_yaml(feature)} for name, feature in features.items()]


def fits(feature: Feature, arrow_type: pa.DataType) -> bool:
    """Whether a column of this Arrow type stores `feature` as it is."""
    if isinstance(feature, ClassLabel):
        return bool(pa.types.is_integer(arrow_type))
    if isinstance(feature, Sequence):
        is_list = pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)
        return bool(is_list) and fits(feature.feature, arrow_type.value_type)
    return feature == feature_of(arrow_type)


def class_label_in(feature: Feature | None) -> ClassLabel | None:
    """The class label that `feature` is, or is a list of; None for anything else."""
    inner = feature.feature if isinstance(feature, Sequence) else feature
    return inner if isinstance(inner, ClassLabel) else None


def _known(features: Mapping[str, Feature | None]) -> Features:
    return {name: feature for name, feature in features.items() if feature is not None}


def _from_json(entry: object) -> Feature | None:
    if not isinstance(entry, dict):
        return None
    kind = entry.get("_type")
    if kind == "Value":
        return Value(str(entry.get("dtype")))
    if kind == "ClassLabel":
        return _class_label(entry.get("names"))
    if kind in ("Sequence", "List", "LargeList"):
        return _sequence(_from_json(entry.get("feature")), columnar=kind == "Sequence")
    if kind is None:
        return _struct({str(name): _from_json(value) for name, value in entry.items()})
    return None


def _from_yaml(entry: Mapping[str, object]) -> Feature | None:
    if "dtype" in entry:
        return _from_yaml_type(entry["dtype"])
    if "struct" in entry:
        return _from_yaml_type(entry["struct"])
    for kind in ("sequence", "list"):
        if kind in entry:
            return _sequence(_from_yaml_type(entry[kind]), columnar=kind == "sequence")
    return None


def _from_yaml_type(content: object) -> Feature | None:
    if isinstance(content, str):
        return Value(content)
    if isinstance(content, list):
        fields = [entry for entry in content if isinstance(entry, dict) and "name" in entry]
        return _struct({str(entry["name"]): _from_yaml(entry) for entry in fields})
    if isinstance(content, dict) and "class_label" in content:
        declared = content["class_label"]
        return _class_label(declared.get("names") if isinstance(declared, dict) else None)
    return _from_yaml(content) if isinstance(content, dict) else None


def _class_label(names: object) -> ClassLabel | None:
    if isinstance(names, list):
        return ClassLabel([str(name) for name in names])
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        by_position = sorted(names.items(), key=lambda item: int(item[0]))
        return ClassLabel([str(name) for _, name in by_position])
    return None


def _sequence(inner: Feature | None, *, columnar: bool) -> Feature | None:
    if columnar and isinstance(inner, Struct):  # a "sequence of records" is a record of lists
        return Struct({name: Sequence(field) for name, field in inner.fields.items()})
    return None if inner is None else Sequence(inner)


def _struct(fields: Mapping[str, Feature | None]) -> Feature | None:
    known = _known(fields)
    return Struct(known) if len(known) == len(fields) else None


def _to_json(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, ClassLabel):
        return {"names": feature.names, "_type": "ClassLabel"}
    if isinstance(feature, Sequence):
        kind = "List" if isinstance(feature.feature, Struct) else "Sequence"
        return {"feature": _to_json(feature.feature), "_type": kind}
    if isinstance(feature, Struct):
        return {name: _to_json(field) for name, field in feature.fields.items()}
    return {"dtype": feature.dtype, "_type": "Value"}


def _to_yaml(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, ClassLabel):
        return {"dtype": _class_names(feature)}
    if isinstance(feature, Struct):
        return {"struct": features_to_yaml(feature.fields)}
    if isinstance(feature, Value):
        return {"dtype": feature.dtype}
    inner = feature.feature
    if isinstance(inner, ClassLabel):
        return {"sequence": _class_names(inner)}
    if isinstance(inner, Struct):
        return {"list": features_to_yaml(inner.fields)}
    return {"sequence": inner.dtype if isinstance(inner, Value) else _to_yaml(inner)}


def _class_names(feature: ClassLabel) -> dict[str, Any]:
    return {"class_label": {"names": {str(i): name for i, name in enumerate(feature.names)}}}
