"""Figures of a split for its card: rows, lengths of texts, and how its classes are balanced."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import class_label_in
from graft.data.roles import is_list

if TYPE_CHECKING:
    from graft.data.base import DatasetBase


class Figures:
    """Figures of a split, counted while its rows go by.

    Attributes:
        rows: how many have gone by.
        unit: what lengths count: "characters" of the text, "words" where there are only those,
            "" where there is neither.
        balance: for each column of labels or tags, `int64[classes]`: how often each class occurs.
    """

    def __init__(self, dataset: "DatasetBase") -> None:
        roles, features = dataset.roles, dataset.features
        self.rows = 0
        self.unit = "characters" if roles.text else "words" if roles.tokens else ""
        self.balance: dict[str, npt.NDArray[np.int64]] = {}
        for column in (roles.label, roles.tags):
            label = class_label_in(features.get(column or ""))
            if column is not None and label is not None:
                self.balance[column] = np.zeros(len(label.names), np.int64)
        self._measured = roles.text or roles.tokens
        self._lengths: list[npt.NDArray[np.uint32]] = []

    def counting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches as they are; each is counted when it is taken."""
        for batch in batches:
            self._count(batch)
            yield batch

    def lengths(self) -> list[str]:
        """Mean, median and greatest length, as text; [] where there is nothing to measure."""
        if not self.unit:
            return []
        if not self.rows:
            return ["", "", ""]
        lengths = np.concatenate(self._lengths)
        figures = (lengths.mean(), np.median(lengths), lengths.max())
        return [f"{figure:,.0f}" for figure in figures]

    def _count(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        if self._measured is not None:
            values = batch.column(self._measured)
            count = pc.list_value_length if is_list(values.type) else pc.utf8_length
            lengths = pc.fill_null(count(values), 0).cast(pa.uint32())
            self._lengths.append(lengths.to_numpy(zero_copy_only=False))
        for column, counts in self.balance.items():
            labels = batch.column(column)
            flat = labels.flatten() if is_list(labels.type) else labels
            numbers = np.asarray(flat.drop_null())
            known = numbers[(numbers >= 0) & (numbers < len(counts))]
            counts += np.bincount(known, minlength=len(counts))
