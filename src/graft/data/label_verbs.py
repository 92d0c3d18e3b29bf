"""What the texts and labels of a data set are like: counts, weights, gaps."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.base import DatasetBase
from graft.data.roles import columns_of, is_list
from graft.data.texts import is_blank
from graft.errors import DataError


class LabelVerbs(DatasetBase):
    """Figures of labels and texts."""

    def label_counts(self) -> dict[str, int]:
        """How many rows each class has, in the order of the classes, those without rows included.

        Rows without a label count nowhere. Raises `DataError` when there are no class labels.
        """
        counts = self._label_counts()
        return dict(zip(self.label_names, counts.tolist(), strict=True))

    def class_weights(self) -> npt.NDArray[np.float32]:
        """The weight of each class in a loss that makes all classes count alike: float32 [classes].

        One label a row: rows / (classes * rows of the class), over the classes that have rows.
        Several labels a row: rows without the label / rows with it (the weight of a positive); a
        label that every row carries counts as missing in one, so that it is learned all the same.
        A class without rows has the weight 0. Raises `DataError` when there are no class labels.
        """
        counts = self._label_counts()
        labels = self.column(self._roles.label or "")
        if is_list(labels.type):
            without = len(labels) - labels.null_count - counts
            weights = np.maximum(without, 1) / np.maximum(counts, 1)
        else:
            weights = counts.sum() / (max((counts > 0).sum(), 1) * np.maximum(counts, 1))
        return np.where(counts > 0, weights, 0).astype(np.float32)

    def empty_texts(self) -> list[int]:
        """The numbers (from 0) of the rows whose text, or its pair, is missing or blank."""
        found: list[int] = []
        columns = [name for name in (self._roles.text, self._roles.text_pair) if name is not None]
        start = 0
        for batch in self.batches(columns=columns) if columns else ():
            blank = np.zeros(batch.num_rows, np.bool_)
            for column in batch.columns:
                blank |= is_blank(pa.chunked_array([column])).to_numpy()
            found += (np.flatnonzero(blank) + start).tolist()
            start += batch.num_rows
        return found

    def _label_counts(self) -> npt.NDArray[np.int64]:
        names = self.label_names
        if self._roles.label is None or not names:
            raise DataError(
                f"{self._source} has no class labels. Its columns are: "
                f"{columns_of(self._rows.table)}. "
                "Give the label column: with_roles(label='<column>')."
            )
        labels = self.column(self._roles.label)
        flat = pc.list_flatten(labels) if is_list(labels.type) else labels
        numbers = np.asarray(flat.drop_null())
        known = numbers[(numbers >= 0) & (numbers < len(names))]
        return np.bincount(known, minlength=len(names))
