"""The kinds of columns: values, class labels with their names, lists, records and more.

`graft.data.features` says how they are written beside the data, `graft.data.arrow_types` how Arrow
stores them.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graft.errors import DataError

# Names that Arrow, NumPy or older files have for the same type.
_ALIASES = {
    "bool_": "bool",
    "boolean": "bool",
    "date32[day]": "date32",
    "date64[ms]": "date64",
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "large_utf8": "large_string",
    "str": "string",
    "utf8": "string",
}


@dataclass(frozen=True)
class Value:
    """A plain column; `dtype` names the type of its values.

    Any type of Arrow's: "string", "int8" to "uint64", "float16" to "float64", "bool", "binary",
    "date32", "time64[us]", "timestamp[us, tz=UTC]", "duration[s]", "decimal128(10, 2)", "null", ...
    Other names of the same type ("double") become the usual one.
    """

    dtype: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _ALIASES.get(self.dtype, self.dtype))


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
    """A column whose rows are lists; `Sequence(ClassLabel(...))` is several labels a row.

    Attributes:
        feature: what the lists hold.
        length: how many values every list has, where all have as many.
        large: whether files hold the lists with 64-bit offsets, as `LargeList` of `datasets`.
    """

    feature: "Feature"
    length: int | None = None
    large: bool = False


@dataclass(frozen=True)
class Struct:
    """A column whose rows are records with named fields."""

    fields: "Features"


@dataclass(frozen=True)
class Translation:
    """A column whose rows hold a text in each of these languages: {"en": ..., "fr": ...}."""

    languages: list[str]


@dataclass(frozen=True)
class Json:
    """A column of JSON values, each kept as its text."""


@dataclass(frozen=True)
class Array:
    """A column of arrays of two to five axes, stored as lists of lists.

    Attributes:
        shape: the length of each axis; that of the first may be None, where it differs by row.
        dtype: the type of the values, named as for `Value`.
    """

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Kept:
    """A column of a kind that Graft keeps and does nothing with: images, audio, videos, PDFs, ...

    Attributes:
        kind: the ecosystem's name of it, such as "Image".
        settings: what else is declared of it, such as {"sampling_rate": 16000}.
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)


Feature: TypeAlias = Value | ClassLabel | Sequence | Struct | Translation | Json | Array | Kept
Features: TypeAlias = dict[str, Feature]


TEXTS = (Value("string"), Value("large_string"), Value("string_view"))
"""What a column of text may be declared as: files hold it so, tables of ours as strings."""


def class_label_in(feature: Feature | None) -> ClassLabel | None:
    """The class label that `feature` is, or is a list of; None for anything else."""
    inner = feature.feature if isinstance(feature, Sequence) else feature
    return inner if isinstance(inner, ClassLabel) else None


def spans_of(names: list[str]) -> Sequence:
    """The feature of labelled spans: a list of {start, end, label} a row, over these labels.

    `start` and `end` count from 0, and `end` is the place after the last (of a word or character).
    """
    place = Value("int64")
    return Sequence(Struct({"start": place, "end": place, "label": ClassLabel(names)}))
