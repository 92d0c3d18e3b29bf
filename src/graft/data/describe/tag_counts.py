"""How often labels, entities and tags occur."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.describe.columns import batches_of
from graft.data.features import ClassLabel, class_label_in
from graft.data.roles import is_list, is_text
from graft.data.tags.schemes import Tagset, tagset_of
from graft.data.tags.words import distinct_in, words_of

if TYPE_CHECKING:
    from graft.data.base import DatasetBase


def label_counts(dataset: "DatasetBase") -> dict[str, int]:
    """Rows of each class of the label, in the order of the classes; {} where it has none."""
    label = class_label_in(dataset.features.get(dataset.roles.label or ""))
    if label is None or dataset.roles.label is None:
        return {}
    return _class_counts(dataset, dataset.roles.label, label)


def entity_counts(dataset: "DatasetBase") -> tuple[dict[str, int], bool]:
    """How many entities of each label the tags tell, and True; or words of each tag, and False.

    The second where the tags are of no scheme, such as parts of speech. {} where there are none.
    """
    column = dataset.roles.tags
    if column is None or not is_list(dataset.rows.schema.field(column).type):
        return {}, True
    label = class_label_in(dataset.features[column])
    names = _tags_in(dataset, column) if label is None else list(label.names)
    tags = tagset_of(names)
    if tags is not None and tags.labels:
        return _entities(dataset, column, tags), True
    if label is not None:
        return _class_counts(dataset, column, label), False
    return _tag_counts(dataset, column, names), False


def class_numbers(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A column of classes as `int64[rows]`, -1 where there is none."""
    return np.asarray(pc.fill_null(column, -1), np.int64)


def is_single_class(dataset: "DatasetBase") -> bool:
    """Whether every row has one class at most."""
    return isinstance(dataset.features.get(dataset.roles.label or ""), ClassLabel)


def _class_counts(dataset: "DatasetBase", column: str, label: ClassLabel) -> dict[str, int]:
    counts = np.zeros(len(label.names), np.int64)
    for batch in batches_of(dataset, [column]):
        values = batch.column(0)
        flat = values.flatten() if is_list(values.type) else values
        numbers = np.asarray(flat.drop_null())
        known = numbers[(numbers >= 0) & (numbers < len(counts))]
        counts += np.bincount(known, minlength=len(counts))
    return dict(zip(label.names, counts.tolist(), strict=True))


def _entities(dataset: "DatasetBase", column: str, tags: Tagset) -> dict[str, int]:
    counts = np.zeros(len(tags.labels), np.int64)
    for batch in batches_of(dataset, [column]):
        for words in words_of(pa.chunked_array([batch.column(0)]), tags):
            counts += np.bincount(words.kinds[words.starts], minlength=len(counts))
    return _most_first(dict(zip(tags.labels, counts.tolist(), strict=True)))


def _tags_in(dataset: "DatasetBase", column: str) -> list[str]:
    found: set[str] = set()
    for batch in batches_of(dataset, [column]):
        found.update(map(str, distinct_in(pa.chunked_array([batch.column(0)]))))
    return sorted(found)


def _tag_counts(dataset: "DatasetBase", column: str, names: list[str]) -> dict[str, int]:
    counts = np.zeros(len(names), np.int64)
    written = pa.array(names, pa.string())
    for batch in batches_of(dataset, [column]):
        words = batch.column(0).flatten().drop_null()
        texts = words if is_text(words.type) else words.cast(pa.string())
        numbers = pc.index_in(texts.cast(pa.string()), value_set=written)
        counts += np.bincount(np.asarray(numbers), minlength=len(counts))
    return _most_first(dict(zip(names, counts.tolist(), strict=True)))


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
