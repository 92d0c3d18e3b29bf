"""Splits of rows: training and test parts, folds, samples, and classes brought into balance."""

import math
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from graft.data.dataset_dict import DatasetDict
from graft.data.folds import dealt, grouped
from graft.data.roles import is_list
from graft.data.row_verbs import RowVerbs
from graft.data.sampling import drawn, groups_of, stratified_sample, with_every_class
from graft.data.seeds import checked_seed
from graft.errors import DataError

_TEST_SHARE = 0.2

Chosen = npt.NDArray[np.int64]


class SplitVerbs(RowVerbs):
    """Choosing rows at random. No row is copied."""

    def train_test_split(
        self,
        test_size: float | None = None,
        seed: int | None = 0,
        stratify_by: str | None = None,
        *,
        train_size: float | None = None,
        group_by: str | None = None,
        shuffle: bool = True,
    ) -> DatasetDict:
        """Two parts, "train" and "test", drawn at random; each keeps the order of the rows.

        Args:
            test_size: the share of rows in "test" (below 1), or their number. Without it, what
                `train_size` leaves, or a fifth.
            seed: the same seed gives the same parts.
            stratify_by: a column whose values keep their proportions in both parts, to one row. Of
                each value at least one row stays in "train".
            train_size: the share of rows in "train", or their number; without it, all others.
            group_by: a column whose equal values all go to the same part, such as the document
                that a row was taken from. The parts come as close to their sizes as the groups
                allow. Missing values are one group.
            shuffle: False takes the first rows for "train", and those after them for "test".

        Raises `DataError` when a part would be empty, or both are more than there is.
        """
        seed = checked_seed("train_test_split", seed)
        train, test = self._sizes(train_size, test_size)
        if not shuffle:
            if stratify_by is not None or group_by is not None:
                raise DataError(
                    "train_test_split: stratify_by and group_by draw rows at random, which "
                    "shuffle=False forbids. Leave one of them out."
                )
            return self._parts(np.arange(train), np.arange(train, train + test))
        if group_by is not None:
            return self._grouped_split(train, test, seed, stratify_by, group_by)
        classes = self._classes(stratify_by)
        chosen = stratified_sample(classes, test, seed, leave=1)
        if len(chosen) == 0:
            raise DataError(
                f"train_test_split: every value of {stratify_by!r} is in one row only, so none can "
                "go to the test part. Split without stratify_by."
            )
        rest = np.setdiff1d(np.arange(len(self)), chosen)
        if train_size is not None and train < len(rest):
            rest = rest[stratified_sample(classes[rest], train, seed)]
        return self._parts(rest, chosen)

    def k_fold(
        self,
        k: int = 5,
        seed: int | None = 0,
        stratify_by: str | None = None,
        *,
        group_by: str | None = None,
    ) -> list[DatasetDict]:
        """`k` ways to split the rows into "train" and "test": each row is in one "test" of them.

        Args:
            k: how many folds; the test parts are of the same size, to a row.
            seed: the same seed gives the same folds.
            stratify_by: a column whose values all test parts have as many rows of, to a row.
            group_by: a column whose equal values all go to the same part; the test parts are then
                as large as the groups allow.

        Raises `DataError` for fewer than two folds, or more of them than rows or groups.
        """
        seed = checked_seed("k_fold", seed)
        groups = None if group_by is None else groups_of(self.column(group_by))
        most = len(self) if groups is None else len(np.unique(groups))
        if not 2 <= k <= most:
            what = "rows" if groups is None else f"values of {group_by!r}"
            raise DataError(
                f"k_fold: {most} {what} cannot make {k} folds. Give k of 2 or more, up to {most}."
            )
        classes = self._classes(stratify_by)
        if groups is None:
            fold = dealt(classes, k, seed)
        else:
            fold = grouped(groups, classes, np.full(k, 1 / k), seed)
        return [
            self._parts(np.flatnonzero(fold != number), np.flatnonzero(fold == number))
            for number in range(k)
        ]

    def subset(self, fraction: float, seed: int | None = 0) -> Self:
        """A share of the rows (0 to 1) at random, in proportion to the labels and in their order.

        Of each class at least one row is kept, so that the share can be a little larger.
        """
        seed = checked_seed("subset", seed)
        if not 0 < fraction <= 1:
            raise DataError(f"subset: {fraction} is no share. Give one above 0, up to 1.")
        if len(self) == 0:
            return self
        size = max(round(fraction * len(self)), 1)
        if not self.label_names:
            return self.select(stratified_sample(np.zeros(len(self), np.int64), size, seed))
        labels = self.column(self._roles.label or "")
        rows = stratified_sample(groups_of(labels), size, seed, keep=1)
        return self.select(with_every_class(rows, labels) if is_list(labels.type) else rows)

    def sample(self, n: int, seed: int | None = 0) -> Self:
        """`n` rows drawn at random, none twice, in their order.

        Raises `DataError` when there are not that many.
        """
        seed = checked_seed("sample", seed)
        if isinstance(n, float) or not 0 <= n <= len(self):
            raise DataError(
                f"sample: {n} rows cannot be drawn from {len(self)}. Give a whole number from 0 to "
                f"{len(self)}; for a share of them, subset."
            )
        rows = np.random.default_rng(seed).choice(len(self), n, replace=False)
        return self.select(np.sort(rows))

    def balance(
        self,
        column: str | None = None,
        how: Literal["under", "over"] = "under",
        seed: int | None = 0,
    ) -> Self:
        """As many rows of each class, in their order. Rows without a class are left out.

        Args:
            column: the column of classes, or any whose values are to be as frequent; the label
                where it is not given.
            how: "under" draws as many rows of each class as the rarest one has. "over" keeps all
                rows and repeats those of rarer classes, all of them about as often; copies of a
                row follow it, so shuffle before training.
            seed: the same seed gives the same rows.

        Raises `DataError` when there is no such column, or a row can have several classes.
        """
        seed = checked_seed("balance", seed)
        if how not in ("under", "over"):
            raise DataError(f"balance: how={how!r} is not known. Use 'under' or 'over'.")
        values = self.column(self._balanced_column(column))
        if is_list(values.type):
            raise DataError(
                f"balance: {self._source}, column {column or self._roles.label!r}: a row can have "
                "several classes, which cannot be balanced by choosing rows. See class_weights()."
            )
        rows = np.flatnonzero(np.asarray(pc.is_valid(values)))
        if len(rows) == 0:
            return self.select(rows)
        classes = groups_of(pc.drop_null(values))
        counts = np.bincount(classes)
        if how == "under":
            return self.select(rows[drawn(classes, np.full_like(counts, counts.min()), seed)])
        whole, rest = np.divmod(counts.max(), counts)
        times = whole[classes]
        times[drawn(classes, rest, seed)] += 1
        return self.select(np.repeat(rows, times))

    def _balanced_column(self, column: str | None) -> str:
        found = column or self._roles.label
        if found is None:
            raise DataError(
                f"balance: {self._source} has no label. Give the column: balance('<column>')."
            )
        return found

    def _classes(self, stratify_by: str | None) -> Chosen:
        if stratify_by is None:
            return np.zeros(len(self), np.int64)
        return groups_of(self.column(stratify_by))

    def _parts(self, train: Chosen, test: Chosen) -> DatasetDict:
        parts = {"train": self._selected(train), "test": self._selected(test)}
        return DatasetDict(parts)  # type: ignore[arg-type]

    def _selected(self, rows: Chosen) -> Self:
        """`select`, which keeps rows that follow one another as a slice."""
        whole = len(rows) and rows[-1] - rows[0] == len(rows) - 1
        return self.select(range(int(rows[0]), int(rows[-1]) + 1) if whole else rows)

    def _grouped_split(
        self, train: int, test: int, seed: int, stratify_by: str | None, group_by: str
    ) -> DatasetDict:
        groups = groups_of(self.column(group_by))
        sizes = np.array([test, train, len(self) - train - test])
        shares = sizes[sizes > 0] / len(self)
        count = len(np.unique(groups))
        if count < len(shares):
            raise DataError(
                f"train_test_split: {self._source}, column {group_by!r} has {count} different "
                f"values, and {len(shares)} parts cannot be made of so few. Split without group_by."
            )
        part = grouped(groups, self._classes(stratify_by), shares, seed)
        return self._parts(np.flatnonzero(part == 1), np.flatnonzero(part == 0))

    def _sizes(self, train_size: float | None, test_size: float | None) -> tuple[int, int]:
        """Rows of both parts."""
        count = len(self)
        if test_size is None and train_size is None:
            test_size = _TEST_SHARE
        given = {"train_size": train_size, "test_size": test_size}
        rows = {name: _rows(size, count) for name, size in given.items() if size is not None}
        train = rows.get("train_size", count - rows.get("test_size", 0))
        test = rows.get("test_size", count - train)
        told = " and ".join(f"{name}={given[name]}" for name in rows)
        if train <= 0 or test <= 0:
            raise DataError(
                f"train_test_split: {told} of {count} rows leaves a part empty. Give a share "
                "between 0 and 1, or a number of rows below theirs."
            )
        if train + test > count:
            raise DataError(
                f"train_test_split: {told} are more than the {count} rows there are. Give less, or "
                "one of them only."
            )
        return train, test


def _rows(size: float, count: int) -> int:
    """A number of rows, given as such or as a share of `count`; 0 for what is neither."""
    if not 0 < size < math.inf:
        return 0
    if isinstance(size, float) and size >= 1:
        return int(size) if size > 1 and size.is_integer() else 0
    return round(size * count) if size < 1 else int(size)
