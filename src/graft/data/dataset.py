"""Data sets: one split as immutable rows in Arrow, and the splits by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from rich.console import RenderableType

from graft.data import show
from graft.data.column_verbs import ColumnVerbs
from graft.data.combine import CombineVerbs
from graft.data.convert_verbs import ConvertVerbs
from graft.data.dataset_dict import DatasetDict
from graft.data.describe.verbs import DescribeVerbs
from graft.data.duplicates.verbs import DedupVerbs
from graft.data.from_verbs import FromVerbs
from graft.data.label_verbs import LabelVerbs
from graft.data.roles import Roles
from graft.data.rows import Numbers
from graft.data.split_verbs import SplitVerbs
from graft.data.sql import SqlVerbs
from graft.data.tags.verbs import TagVerbs
from graft.data.tokens.verbs import TokenVerbs
from graft.data.transform import Row
from graft.data.value_verbs import ValueVerbs
from graft.data.writing.export_verbs import ExportVerbs
from graft.data.writing.shards import SHARD_BYTES

__all__ = ["Dataset", "DatasetDict"]


class Dataset(
    SplitVerbs,
    CombineVerbs,
    SqlVerbs,
    DedupVerbs,
    ConvertVerbs,
    ExportVerbs,
    FromVerbs,
    TagVerbs,
    ColumnVerbs,
    LabelVerbs,
    ValueVerbs,
    TokenVerbs,
    DescribeVerbs,
):
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

    def with_roles(
        self,
        *,
        text: str | None = None,
        text_pair: str | None = None,
        label: str | None = None,
        tokens: str | None = None,
        tags: str | None = None,
        answers: str | None = None,
        target: str | None = None,
    ) -> "Dataset":
        """With roles given to other columns; a new label column becomes classes if it was not."""
        given = Roles(text, text_pair, label, tokens, tags, answers, target).given()
        return DatasetDict({"": self}).with_roles(**given)[""]

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
