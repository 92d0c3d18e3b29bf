"""What each column holds: missing and different values, and the range of numbers and lengths."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.describe.lengths import LengthCounter, Lengths
from graft.data.describe.repeats import Hasher
from graft.data.features import ClassLabel
from graft.data.roles import is_list, is_text
from graft.data.show import kind

if TYPE_CHECKING:
    from graft.data.base import DatasetBase

_BYTES_AT_A_TIME = 32 << 20
_MOST_ROWS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Numbers:
    """Figures of a column of numbers; those that are not finite are left out and counted."""

    min: float
    mean: float
    std: float
    q25: float
    median: float
    q75: float
    max: float
    not_finite: int = 0


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: Its name.
        kind: Its feature in a few words.
        role: The part it plays, or None.
        missing: Rows without a value.
        distinct: Different values, where values are texts, numbers, classes or the like.
        numbers: Figures, where they are numbers.
        lengths: Of texts, in characters; of lists, in values.
    """

    name: str
    kind: str
    role: str | None
    missing: int
    distinct: int | None = None
    numbers: Numbers | None = None
    lengths: Lengths | None = None


def batches_of(dataset: "DatasetBase", columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of these columns, about 32 MB at a time."""
    size = dataset.rows.at_a_time(_MOST_ROWS_AT_A_TIME, _BYTES_AT_A_TIME)
    return dataset.batches(size, columns)


def describe_column(dataset: "DatasetBase", name: str, hasher: Hasher) -> Column:
    """Reads one column, batch by batch; 8 bytes a row are kept of texts and numbers."""
    feature = dataset.features[name]
    arrow_type = dataset.rows.schema.field(name).type
    arrays = (batch.column(0) for batch in batches_of(dataset, [name]))
    if isinstance(feature, ClassLabel):
        found = _classes(arrays)
    elif is_text(arrow_type):
        found = _texts(arrays, hasher)
    elif is_list(arrow_type):
        found = _lists(arrays)
    elif pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type):
        found = _numbers(arrays)
    elif pa.types.is_boolean(arrow_type):
        found = _classes(array.cast(pa.int8()) for array in arrays)
    else:
        found = {"missing": sum(array.null_count for array in arrays)}
    return Column(name=name, kind=kind(feature), role=dataset.roles.of(name), **found)


def _classes(arrays: Iterator[pa.Array]) -> dict[str, Any]:
    missing, seen = 0, pa.array([], pa.int64())
    for array in arrays:
        missing += array.null_count
        new = pc.unique(array.drop_null()).cast(pa.int64())
        seen = pc.unique(pa.concat_arrays([seen, new]))
    return {"missing": missing, "distinct": len(seen)}


def _texts(arrays: Iterator[pa.Array], hasher: Hasher) -> dict[str, Any]:
    missing, counter = 0, LengthCounter("characters")
    digests = [np.zeros(0, np.uint64)]
    for array in arrays:
        missing += array.null_count
        given = array.drop_null()
        counter.add(np.asarray(pc.utf8_length(given), np.int64))
        digests.append(np.unique(hasher.digests(given)))
    distinct = len(np.unique(np.concatenate(digests)))
    return {"missing": missing, "distinct": distinct, "lengths": counter.figures()}


def _lists(arrays: Iterator[pa.Array]) -> dict[str, Any]:
    missing, counter = 0, LengthCounter("values")
    for array in arrays:
        missing += array.null_count
        counter.add(np.asarray(pc.list_value_length(array).drop_null(), np.int64))
    return {"missing": missing, "lengths": counter.figures()}


def _numbers(arrays: Iterator[pa.Array]) -> dict[str, Any]:
    missing, parts, given = 0, [np.zeros(0, np.float64)], 0
    for array in arrays:
        missing += array.null_count
        values = array.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
        given += len(values)
        parts.append(values[np.isfinite(values)])
    values = np.concatenate(parts)
    found: dict[str, Any] = {"missing": missing, "distinct": len(np.unique(values))}
    if len(values):
        found["numbers"] = _figures(values, given - len(values))
    return found


def _figures(values: npt.NDArray[np.float64], not_finite: int) -> Numbers:
    # Of numbers brought to 1 at most, which do not overflow when they are added or squared.
    scale = float(np.abs(values).max()) or 1.0
    q25, median, q75 = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Numbers(
        min=float(values.min()),
        mean=float((values / scale).mean()) * scale,
        std=float((values / scale).std()) * scale,
        q25=q25,
        median=median,
        q75=q75,
        max=float(values.max()),
        not_finite=not_finite,
    )
