"""Features as they are written beside data: the JSON of Arrow schemas and the YAML of cards.

Both are those of `datasets`. What is written is read by every version of it since 2.14 that knows
the kind; what is read is what any of them wrote:

- a list is `Sequence` or `List`, and a list of records is the JSON list `[{...}]` or a `List`;
- a `Sequence` of records is a record of lists.
"""

import re
from collections.abc import Mapping
from typing import Any

from graft.data.arrow_types import is_kept, value_type
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

_ARRAY = re.compile(r"Array[2-5]D")
_LISTS_IN_YAML = ("large_list", "list", "sequence")


def features_from_json(entries: object) -> Features:
    """The features that the metadata of a file declares; columns of unknown kinds are left out."""
    if not isinstance(entries, dict):
        return {}
    return _known({str(name): _from_json(entry) for name, entry in entries.items()})


def features_to_json(features: Features) -> dict[str, Any]:
    """The inverse of `features_from_json`."""
    return {name: _to_json(feature) for name, feature in features.items()}


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


def _known(features: Mapping[str, Feature | None]) -> Features:
    return {name: feature for name, feature in features.items() if feature is not None}


def _from_json(entry: object) -> Feature | None:
    if isinstance(entry, list) and len(entry) == 1:
        return _list(_from_json(entry[0]), {})
    if not isinstance(entry, dict):
        return None
    kind = entry.get("_type")
    if not isinstance(kind, str):  # a record may have a field of this name
        return _struct({str(name): _from_json(value) for name, value in entry.items()})
    if kind == "Sequence":
        return _sequence(_from_json(entry.get("feature")), entry)
    if kind in ("List", "LargeList"):
        return _list(_from_json(entry.get("feature")), entry, large=kind == "LargeList")
    return _of_kind(kind, {name: value for name, value in entry.items() if name != "_type"})


def _to_json(feature: Feature) -> Any:
    if isinstance(feature, Struct):
        return features_to_json(feature.fields)
    if not isinstance(feature, Sequence):
        kind, settings = _kind_of(feature)
        return {**settings, "_type": kind}
    inner = _to_json(feature.feature)
    if feature.large:
        return {"feature": inner, "_type": "LargeList"}
    length = {} if feature.length is None else {"length": feature.length}
    if not isinstance(feature.feature, Struct):
        return {"feature": inner, **length, "_type": "Sequence"}
    return {"feature": inner, **length, "_type": "List"} if length else [inner]


def _from_yaml(entry: Mapping[str, object]) -> Feature | None:
    if "dtype" in entry:
        return _from_yaml_type(entry["dtype"])
    if "struct" in entry:
        return _from_yaml_type(entry["struct"])
    for kind in _LISTS_IN_YAML:
        if kind in entry:
            inner = _from_yaml_type(entry[kind])
            if kind == "sequence":
                return _sequence(inner, entry)
            return _list(inner, entry, large=kind == "large_list")
    return None


def _from_yaml_type(content: object) -> Feature | None:
    if isinstance(content, str):
        kind = _of_kind(_camel(content), {})
        return Value(content) if kind is None else kind
    if isinstance(content, list):
        fields = [entry for entry in content if isinstance(entry, dict) and "name" in entry]
        return _struct({str(entry["name"]): _from_yaml(entry) for entry in fields})
    if not isinstance(content, dict):
        return None
    if len(content) == 1 and not {"dtype", "struct", *_LISTS_IN_YAML} & content.keys():
        ((kind, settings),) = content.items()
        return _of_kind(_camel(str(kind)), settings if isinstance(settings, dict) else {})
    return _from_yaml(content)


def _to_yaml(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, Struct):
        return {"struct": features_to_yaml(feature.fields)}
    if isinstance(feature, Value):
        return {"dtype": feature.dtype}
    if not isinstance(feature, Sequence):
        kind, settings = _kind_of(feature)
        if isinstance(feature, ClassLabel):
            settings = {"names": {str(i): name for i, name in enumerate(feature.names)}}
        return {"dtype": {_snake(kind): settings} if settings else _snake(kind)}
    inner = _to_yaml(feature.feature)
    is_record = isinstance(feature.feature, Struct)
    kind = "large_list" if feature.large else "list" if is_record else "sequence"
    content = next(iter(inner.values())) if [*inner] in (["dtype"], ["struct"]) else inner
    length = {} if feature.length is None else {"length": feature.length}
    return {kind: content, **length}


def _of_kind(kind: str, settings: Mapping[str, Any]) -> Feature | None:
    """The feature of a kind by its name; None for one that is not known, or not whole."""
    if kind == "Value":
        return _value(settings.get("dtype"))
    if kind == "ClassLabel":
        return _class_label(settings.get("names"))
    if kind == "Translation" and isinstance(settings.get("languages"), list):
        return Translation([str(language) for language in settings["languages"]])
    if kind == "Json":
        return Json()
    if _ARRAY.fullmatch(kind):
        return _array(settings.get("shape"), settings.get("dtype"))
    if is_kept(kind):
        # Older versions also wrote what had its default.
        told = {name: value for name, value in settings.items() if value is not None}
        return Kept(
            kind, {name: told[name] for name in told if (name, told[name]) != ("decode", True)}
        )
    return None


def _kind_of(feature: Feature) -> tuple[str, dict[str, Any]]:
    """The name of a kind that is neither list nor record, and what is declared of it."""
    if isinstance(feature, ClassLabel):
        return "ClassLabel", {"names": list(feature.names)}
    if isinstance(feature, Translation):
        return "Translation", {"languages": list(feature.languages)}
    if isinstance(feature, Json):
        return "Json", {}
    if isinstance(feature, Array):
        shape = {"shape": list(feature.shape), "dtype": feature.dtype}
        return f"Array{len(feature.shape)}D", shape
    if isinstance(feature, Kept):
        return feature.kind, dict(feature.settings)
    if isinstance(feature, Value):
        return "Value", {"dtype": feature.dtype}
    raise TypeError(f"{feature!r} has no kind of its own")


def _value(dtype: object) -> Value | None:
    try:
        value_type(str(dtype))
    except DataError:  # of a later version: the file's own type tells what it is
        return None
    return Value(str(dtype))


def _class_label(names: object) -> ClassLabel | None:
    if isinstance(names, list):
        return ClassLabel([str(name) for name in names])
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        by_position = sorted(names.items(), key=lambda item: int(item[0]))
        return ClassLabel([str(name) for _, name in by_position])
    return None


def _array(shape: object, dtype: object) -> Array | None:
    value = _value(dtype)
    if value is None or not isinstance(shape, list | tuple):
        return None
    return Array(tuple(None if size is None else int(size) for size in shape), value.dtype)


def _sequence(inner: Feature | None, entry: Mapping[str, object]) -> Feature | None:
    """What `Sequence` has always meant; of records, a record of lists."""
    if not isinstance(inner, Struct):
        return _list(inner, entry)
    return _struct({name: _list(field, entry) for name, field in inner.fields.items()})


def _list(
    inner: Feature | None, entry: Mapping[str, object], *, large: bool = False
) -> Sequence | None:
    length = entry.get("length")
    fixed = length if isinstance(length, int) and length >= 0 else None
    return None if inner is None else Sequence(inner, length=fixed, large=large)


def _struct(fields: Mapping[str, Feature | None]) -> Feature | None:
    known = _known(fields)
    return Struct(known) if len(known) == len(fields) else None


def _camel(name: str) -> str:
    """``class_label`` -> ``ClassLabel``, ``array2_d`` -> ``Array2D``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _snake(name: str) -> str:
    """``ClassLabel`` -> ``class_label``, ``Array2D`` -> ``array2_d``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
