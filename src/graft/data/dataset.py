"""Data sets: one split as an immutable Arrow table, and the splits by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import RenderableType

from graft.data import show
from graft.data.dataset_dict import DatasetDict
from graft.data.features import (
    ClassLabel,
    Feature,
    Features,
    class_label_in,
    feature_of,
    features_of,
)
from graft.data.labels import Where, cast_column, encode_labels
from graft.data.roles import Roles, columns_of, infer_roles, is_list
from graft.data.sampling import groups_of, stratified_sample, with_every_class
from graft.data.texts import is_blank
from graft.data.transform import ROWS_AT_A_TIME, Row, filter_mask, mapped_columns, rows_of
from graft.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "DatasetDict"]


class Dataset:
    """One split: rows in Arrow, a feature per column, and the roles of the columns.

    Nothing changes a data set in place: every method returns a new one over the same memory where
    it can. A class label is stored as its number (int64, null when missing); `label_names` gives
    the names. `ds[3]` is a row as a dict, `ds["text"]` a column as a list, `ds[:100]` a data set.
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        features: Features | None = None,
        roles: Roles | None = None,
        source: str = "memory",
    ) -> None:
        """Wraps `table`; `features` and `roles` are inferred from it where they are not given.

        Raises `DataError` when the roles cannot be inferred, or name columns that are not there.
        """
        self._features = features_of(table.schema) if features is None else dict(features)
        self._table = table.replace_schema_metadata(None)
        self._source = source
        if roles is None:
            roles = infer_roles(self._table, self._features, where=source)
        self._roles = roles
        for column in (roles.text, roles.text_pair, roles.label):
            if column is not None:
                self._check_column(column)

    @property
    def table(self) -> pa.Table:
        """The rows, as Arrow holds them."""
        return self._table

    @property
    def features(self) -> Features:
        """What each column holds, by name."""
        return dict(self._features)

    @property
    def roles(self) -> Roles:
        """Which columns are the text, its pair and the label."""
        return self._roles

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        return self._source

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._table.column_names)

    @property
    def label_names(self) -> list[str]:
        """The classes' names in the order of their numbers; [] when the label is not a class."""
        label = class_label_in(self._features.get(self._roles.label or ""))
        return list(label.names) if label else []

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: slice) -> "Dataset": ...
    def __getitem__(self, key: int | str | slice) -> "Row | list[Any] | Dataset":
        if isinstance(key, str):
            return list(self.column(key).to_pylist())
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._replace(self._table.slice(start, max(stop - start, 0)))
            return self.select(range(start, stop, step))
        if not -len(self) <= key < len(self):
            raise IndexError(f"row {key} of a data set with {len(self)} rows")
        row: Row = self._table.slice(key % len(self), 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[Row]:
        return rows_of(self._table)

    def __repr__(self) -> str:
        return show.as_text({"": self})

    def __rich__(self) -> RenderableType:
        return show.as_table({"": self})

    def _repr_html_(self) -> str:
        return show.as_html({"": self})

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as Arrow holds it: [rows]. Raises `DataError` when there is none such."""
        self._check_column(name)
        return self._table.column(name)

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas DataFrame; class labels are categories with their names.

        Raises `DataError` when pandas is not installed.
        """
        table = self._table
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

    def select(self, rows: Iterable[int] | npt.NDArray[np.int64]) -> "Dataset":
        """The rows of these numbers (from 0; negative ones count from the end), in their order.

        Raises `DataError` for a row that is not there.
        """
        wanted = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.int64)
        outside = wanted[(wanted < -len(self)) | (wanted >= len(self))]
        if len(outside):
            raise DataError(f"select: there is no row {outside[0]}; there are {len(self)} rows.")
        return self._replace(self._table.take(pa.array(wanted % max(len(self), 1))))

    def filter(self, fn: Callable[[Row], Any]) -> "Dataset":
        """The rows for which `fn(row)` is true; a row is a dict of column -> value."""
        return self._replace(self._table.filter(filter_mask(self._table, fn)))

    def map(
        self, fn: Callable[[Any], Any], *, batched: bool = False, batch_size: int = ROWS_AT_A_TIME
    ) -> "Dataset":
        """The rows with the columns that `fn` returns added, or put in place of those they had.

        Args:
            fn: takes a row (a dict) and returns a dict of column -> value. When `batched`, it
                takes a dict of lists and returns one, with as many values as there are rows.
            batched: whether `fn` takes many rows at a time.
            batch_size: how many.

        Raises `DataError` when `fn` returns something else, or a label that is not a class.
        """
        if len(self) == 0:
            return self
        new = mapped_columns(self._table, fn, batched=batched, batch_size=batch_size)
        result = self
        for name in new.column_names:
            column: pa.ChunkedArray = new.column(name)
            feature = self._features.get(name)
            if feature is not None and class_label_in(feature) is not None:
                column = encode_labels({"": column}, feature, self._where(name))[0][""]
                result = result.with_column(name, column, feature)
            else:
                result = result.with_column(name, column, feature_of(column.type))
        return result

    def shuffle(self, seed: int = 0) -> "Dataset":
        """The rows in an order drawn at random; the same for the same seed."""
        return self.select(np.random.default_rng(seed).permutation(len(self)))

    def sort(self, column: str, *, descending: bool = False) -> "Dataset":
        """The rows sorted by a column, missing values last; equal ones keep their order."""
        direction = "descending" if descending else "ascending"
        order = pc.sort_indices(self.column(column), sort_keys=[("", direction)])
        return self._replace(self._table.take(order))

    def rename(self, names: Mapping[str, str]) -> "Dataset":
        """Columns renamed, old name -> new name; their roles go with them."""
        for name in names:
            self._check_column(name)
        columns = [names.get(name, name) for name in self.column_names]
        if len(set(columns)) < len(columns):
            raise DataError(f"rename: two columns would have one name: {', '.join(columns)}.")
        features = {names.get(name, name): feature for name, feature in self._features.items()}
        roles = self._roles
        new = [names.get(name, name) if name else None for name in (roles.text_pair, roles.label)]
        return Dataset(
            self._table.rename_columns(columns),
            features=features,
            roles=Roles(names.get(roles.text, roles.text), new[0], new[1]),
            source=self._source,
        )

    def remove(self, *columns: str) -> "Dataset":
        """Without these columns. Raises `DataError` for the text; give another its role first."""
        for name in columns:
            self._check_column(name)
        roles = self._roles
        if roles.text in columns:
            raise DataError(
                f"remove: the column {roles.text!r} is the text of this data set. Give the role to "
                "another column first: with_roles(text='<column>')."
            )
        return Dataset(
            self._table.drop_columns(list(columns)),
            features={name: kind for name, kind in self._features.items() if name not in columns},
            roles=Roles(
                roles.text,
                None if roles.text_pair in columns else roles.text_pair,
                None if roles.label in columns else roles.label,
            ),
            source=self._source,
        )

    def with_column(self, name: str, column: pa.ChunkedArray, feature: Feature) -> "Dataset":
        """With a column of Arrow added, or put in place of the one of that name."""
        if name in self.column_names:
            table = self._table.set_column(self.column_names.index(name), name, column)
        else:
            table = self._table.append_column(name, column)
        return Dataset(
            table,
            features={**self._features, name: feature},
            roles=self._roles,
            source=self._source,
        )

    def cast(self, column: str, feature: Feature) -> "Dataset":
        """A column as another feature: class numbers or names as `ClassLabel`, classes as text, ...

        Raises `DataError` when a value does not fit, naming it.
        """
        values, old = self.column(column), self._features[column]
        name = f"{self._source}, column {column!r}"
        cast = cast_column(values, old, feature, self._where(column), name)
        return self.with_column(column, cast, feature)

    def class_encode(self, column: str) -> "Dataset":
        """A column of strings or numbers as classes, named by its sorted values."""
        encoded, feature = encode_labels({"": self.column(column)}, None, self._where(column))
        return self.with_column(column, encoded[""], feature)

    def with_roles(
        self, *, text: str | None = None, text_pair: str | None = None, label: str | None = None
    ) -> "Dataset":
        """With roles given to other columns; a new label column becomes classes if it was not."""
        return DatasetDict({"": self}).with_roles(text=text, text_pair=text_pair, label=label)[""]

    def with_roles_of(self, roles: Roles) -> "Dataset":
        """With exactly these roles. Raises `DataError` when a column is not there."""
        return Dataset(self._table, features=self._features, roles=roles, source=self._source)

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
        tables = [self._table, *(other.table.select(self.column_names) for other in others)]
        return self._replace(pa.concat_tables(tables))

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
        blank = is_blank(self.column(self._roles.text))
        if self._roles.text_pair is not None:
            blank = pc.or_(blank, is_blank(self.column(self._roles.text_pair)))
        rows: list[int] = pc.indices_nonzero(blank).to_pylist()
        return rows

    def save(self, folder: str | Path, *, split: str = "train") -> None:
        """Writes Parquet and a card into a folder, as `split`; see `DatasetDict.save`."""
        DatasetDict({split: self}).save(folder)

    def push_to_hub(
        self, repo_id: str, *, split: str = "train", private: bool = False, message: str = ""
    ) -> str:
        """Uploads the rows as `split` of a data set on the hub; see `DatasetDict.push_to_hub`."""
        return DatasetDict({split: self}).push_to_hub(repo_id, private=private, message=message)

    def _label_counts(self) -> npt.NDArray[np.int64]:
        names = self.label_names
        if self._roles.label is None or not names:
            raise DataError(
                f"{self._source} has no class labels. Its columns are: {columns_of(self._table)}. "
                "Give the label column: with_roles(label='<column>')."
            )
        labels = self.column(self._roles.label)
        flat = pc.list_flatten(labels) if is_list(labels.type) else labels
        return np.bincount(np.asarray(flat.drop_null()), minlength=len(names))

    def _check_column(self, name: str) -> None:
        if name not in self._table.column_names:
            raise DataError(
                f"{self._source} has no column {name!r}. "
                f"Its columns are: {columns_of(self._table)}."
            )

    def _where(self, column: str) -> Where:
        return lambda _, row: f"{self._source}, row {row} (counted from 0), column {column!r}"

    def _replace(self, table: pa.Table) -> "Dataset":
        return Dataset(table, features=self._features, roles=self._roles, source=self._source)
