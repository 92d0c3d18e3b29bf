"""What a data set's columns hold, and how it is written beside the data and read again.

The types are written as the ecosystem writes them: as JSON under the key ``huggingface`` of an
Arrow schema's metadata, and as YAML under ``dataset_info`` of a README.
"""

import json

import pyarrow as pa

from graft.data.arrow_types import (
    arrow_type_of,
    feature_of,
    fits,
    told_by_type,
    written_schema,
)
from graft.data.feature_forms import (
    features_from_json,
    features_from_yaml,
    features_to_json,
    features_to_yaml,
)
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
    class_label_in,
    spans_of,
)
from graft.errors import DataError

__all__ = [
    "Array",
    "ClassLabel",
    "Feature",
    "Features",
    "Json",
    "Kept",
    "Sequence",
    "Struct",
    "Translation",
    "Value",
    "arrow_type_of",
    "class_label_in",
    "declared_features",
    "feature_of",
    "features_from_yaml",
    "features_of",
    "features_to_yaml",
    "file_schema",
    "fits",
    "spans_of",
]

_METADATA_KEY = b"huggingface"


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
    """The features that a file tells beyond its columns' plain types: those in its metadata.

    Those of kinds that Graft does not know are left out. Columns that the metadata does not tell of
    may have a type of their own: lists of fixed size, JSON.

    Raises nothing: metadata that is no such JSON declares nothing.
    """
    told = {field.name: told_by_type(field) for field in schema}
    by_type = {name: feature for name, feature in told.items() if feature is not None}
    return {**by_type, **_in_metadata(schema)}


def _in_metadata(schema: pa.Schema) -> Features:
    raw = (schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        return {}
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    info = content.get("info") if isinstance(content, dict) else None
    entries = info.get("features") if isinstance(info, dict) else None
    try:
        return features_from_json(entries)
    except DataError:  # two classes of one name: its writer let them pass, and they mean nothing
        return {}


def file_schema(features: Features) -> pa.Schema:
    """The Arrow schema of a file with these columns, in the ecosystem's form: types and metadata.

    Raises `DataError` for a dtype Arrow does not have.
    """
    content = json.dumps({"info": {"features": features_to_json(features)}}, ensure_ascii=False)
    return written_schema(features).with_metadata({_METADATA_KEY: content.encode()})
