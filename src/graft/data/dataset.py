"""Data sets: one split as immutable rows in Arrow, and the splits by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
from rich.console import RenderableType

from graft.data import show
from graft.data.column_verbs import ColumnVerbs
from graft.data.dataset_dict import DatasetDict
from graft.data.features import ClassLabel
from graft.data.label_verbs import LabelVerbs
from graft.data.roles import is_list
from graft.data.row_verbs import RowVerbs
from graft.data.rows import Numbers, Rows
from graft.data.sampling import groups_of, stratified_sample, with_every_class
from graft.data.shards import SHARD_BYTES
from graft.data.tag_verbs import TagVerbs
from graft.data.token_verbs import TokenVerbs
from graft.data.transform import Row, TransformVerbs
from graft.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "DatasetDict"]


class Dataset(RowVerbs, TagVerbs, ColumnVerbs, LabelVerbs, TransformVerbs, TokenVerbs):
    """One split: rows in Arrow, a feature per column, and the roles of the columns.

    Nothing changes a data set in place: every method returns a new one over the same memory where
    it can. A class label is stored as its number (int64, null when missing); `label_names` gives
    the names. `ds[3]` is a row as a dict, `ds["text"]` a column as a list, `ds[:100]` and
    `ds[[3, 1]]` are data sets.
    """

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: slice | Sequence[int] | Numbers) -> "Dataset": ...
    def __getitem__(
        self, key: int | str | slice | Sequence[int] | Numbers
    ) -> "Row | list[Any] | Dataset":
        if isinstance(key, int | np.integer):
            count = len(self)
            if not -count <= key < count:
                raise IndexError(f"row {key} of a data set with {count} rows")
            return self._rows.row(int(key) % count)
        if isinstance(key, str):
            return list(self.column(key).to_pylist())
        if isinstance(key, slice):
            return self.select(range(*key.indices(len(self))))
        return self.select(key)

    def __iter__(self) -> Iterator[Row]:
        return self.iter_rows()

    def iter_rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """The rows as dicts of column -> value, in order; a batch of them is in memory at a time.

        Raises `DataError` when a column is not there.
        """
        for batch in self.batches(self._rows.at_a_time(), columns):
            yield from batch.to_pylist()

    def __repr__(self) -> str:
        return show.as_text({"": self})

    def __rich__(self) -> RenderableType:
        return show.as_table({"": self})

    def _repr_html_(self) -> str:
        return show.as_html({"": self})

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas DataFrame; class labels are categories with their names.

        Raises `DataError` when pandas is not installed.
        """
        table = self.table
        for position, name in enumerate(self.column_names):
            feature = self._features[name]
            if isinstance(feature, ClassLabel):
                codes = table.column(name).combine_chunks().cast(pa.int32())
                named = pa.DictionaryArray.from_arrays(codes, pa.array(feature.names, pa.string()))
                table = table.set_column(position, name, named)
        try:
            frame: pd.DataFrame = table.to_pandas()
        except ModuleNotFoundError as error:
            raise DataError(
                "to_pandas needs pandas. Install it with: pip install pandas"
            ) from error
        return frame

    def with_roles(
        self, *, text: str | None = None, text_pair: str | None = None, label: str | None = None
    ) -> "Dataset":
        """With roles given to other columns; a new label column becomes classes if it was not."""
        return DatasetDict({"": self}).with_roles(text=text, text_pair=text_pair, label=label)[""]

    def concatenate(self, *others: "Dataset") -> "Dataset":
        """The rows of this data set and then of the others, which must have the same features."""
        for other in others:
            for name in {**self._features, **other._features}:
                if self._features.get(name) != other._features.get(name):
                    raise DataError(
                        f"concatenate: the column {name!r} is {self._features.get(name)} in "
                        f"{self._source}, but {other._features.get(name)} in {other._source}. "
                        "Bring both to the same features with rename, remove or cast."
                    )
        tables = [self.table, *(other.table.select(self.column_names) for other in others)]
        then = self._identity.then("concatenate", *(other._identity for other in others))
        return self._like(Rows(pa.concat_tables(tables)), then)

    def train_test_split(
        self, test_size: float = 0.2, seed: int = 0, stratify_by: str | None = None
    ) -> "DatasetDict":
        """Two parts, "train" and "test", drawn at random; each keeps the order of the rows.

        Args:
            test_size: the share of rows in "test" (below 1), or their number.
            seed: the same seed gives the same parts.
            stratify_by: a column whose values keep their proportions in both parts. Of each
                value at least one row stays in "train".

        Raises `DataError` when a part would be empty.
        """
        size = round(test_size * len(self)) if test_size < 1 else int(test_size)
        if not 0 < size < len(self):
            raise DataError(
                f"train_test_split: test_size={test_size} of {len(self)} rows leaves a part empty. "
                "Give a share between 0 and 1, or a number of rows below theirs."
            )
        groups = np.zeros(len(self), np.int64)
        if stratify_by is not None:
            groups = groups_of(self.column(stratify_by))
        test = stratified_sample(groups, size, seed, leave=1)
        if len(test) == 0:
            raise DataError(
                f"train_test_split: every value of {stratify_by!r} is in one row only, so none can "
                "go to the test part. Split without stratify_by."
            )
        train = np.setdiff1d(np.arange(len(self)), test)
        return DatasetDict({"train": self.select(train), "test": self.select(test)})

    def subset(self, fraction: float, seed: int = 0) -> "Dataset":
        """A share of the rows (0 to 1) at random, in proportion to the labels and in their order.

        Of each class at least one row is kept, so that the share can be a little larger.
        """
        if not 0 < fraction <= 1:
            raise DataError(f"subset: {fraction} is no share. Give one above 0, up to 1.")
        size = max(round(fraction * len(self)), 1)
        if not self.label_names:
            return self.select(stratified_sample(np.zeros(len(self), np.int64), size, seed))
        labels = self.column(self._roles.label or "")
        rows = stratified_sample(groups_of(labels), size, seed, keep=1)
        return self.select(with_every_class(rows, labels) if is_list(labels.type) else rows)

    def save(
        self,
        folder: str | Path,
        *,
        split: str = "train",
        config: str | None = None,
        max_shard_size: int | str = SHARD_BYTES,
    ) -> None:
        """Writes Parquet and a card into a folder, as `split`; see `DatasetDict.save`."""
        one = DatasetDict({split: self})
        one.save(folder, config=config, max_shard_size=max_shard_size)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        split: str = "train",
        config: str | None = None,
        max_shard_size: int | str = SHARD_BYTES,
        private: bool = False,
        message: str = "",
    ) -> str:
        """Uploads the rows as `split` of a data set on the hub; see `DatasetDict.push_to_hub`."""
        return DatasetDict({split: self}).push_to_hub(
            repo_id,
            config=config,
            max_shard_size=max_shard_size,
            private=private,
            message=message,
        )
