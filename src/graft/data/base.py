"""What every data set is: rows, features, roles, and a fingerprint. The verbs stand upon it."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import pyarrow as pa

from graft.data import identity
from graft.data.arrow_types import plain_table
from graft.data.features import Features, class_label_in, features_of
from graft.data.formats.bad_rows import NONE
from graft.data.formats.checks import check_unique
from graft.data.identity import Identity
from graft.data.labels import Where
from graft.data.roles import Roles, columns_of, infer_roles
from graft.data.rows import ROWS_AT_A_TIME, Rows
from graft.errors import DataError


class DatasetBase:
    """Rows in Arrow, a feature per column, and the roles of the columns.

    Each group of verbs is a class over this one in a file of its own; `Dataset` is all of them.

    Attributes:
        bad_rows: rows of the files that were set aside when it was loaded: see `load_dataset`.
    """

    def __init__(
        self,
        table: pa.Table | Rows,
        *,
        features: Features | None = None,
        roles: Roles | None = None,
        source: str = "memory",
        fingerprint: str | Identity | None = None,
    ) -> None:
        """Wraps `table`; `features` and `roles` are inferred from it where they are not given.

        `source` says for people where the rows come from. `fingerprint` stands for the rows with
        their features and roles; without one, it is computed of them when it is needed.

        Raises `DataError` when the roles cannot be inferred, or name columns that are not there.
        """
        rows = table if isinstance(table, Rows) else Rows(plain_table(table))
        check_unique(rows.column_names, source)
        self._features = features_of(table.schema) if features is None else dict(features)
        if rows.schema.metadata is not None:
            rows = rows.with_table(rows.table.replace_schema_metadata(None))
        self._rows = rows
        self._source = source
        self.bad_rows: pa.Table = NONE
        if roles is None:
            roles = infer_roles(rows.table, self._features, where=source)
        self._roles = roles
        for column in roles.given().values():
            self._check_column(column)
        if isinstance(fingerprint, str):
            fingerprint = identity.given(fingerprint)
        self._identity = fingerprint or identity.of_content(rows, self._features, roles)

    @property
    def rows(self) -> Rows:
        """The table as it is stored, and the order in which it is read."""
        return self._rows

    @property
    def table(self) -> pa.Table:
        """The rows in order, as Arrow holds them.

        Rows that were selected, filtered, shuffled or sorted are copied into memory for this, once:
        `batches` and `rows` read them piece by piece.
        """
        return self._rows.materialized()

    @property
    def features(self) -> Features:
        """What each column holds, by name."""
        return dict(self._features)

    @property
    def roles(self) -> Roles:
        """Which columns are the text, its pair, the label, ..."""
        return self._roles

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        return self._source

    @property
    def fingerprint(self) -> str:
        """32 hex digits that stand for the rows, their features and roles.

        Equal in every process where the rows came about in the same way. It takes no time for rows
        that were loaded or made by a verb; rows in memory are read once, when it is first asked.
        """
        return self._identity.fingerprint

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return self._rows.column_names

    @property
    def text_column(self) -> str:
        """The column of texts. Raises `DataError` when no column has that role."""
        if self._roles.text is None:
            raise DataError(
                f"{self._source} has no column of text. Its columns are: "
                f"{', '.join(self.column_names)}. Give one the role: with_roles(text='<column>')."
            )
        return self._roles.text

    @property
    def label_names(self) -> list[str]:
        """The classes' names in the order of their numbers; [] when the label is not a class."""
        label = class_label_in(self._features.get(self._roles.label or ""))
        return list(label.names) if label else []

    def __len__(self) -> int:
        return self._rows.num_rows

    def __graft_fingerprint__(self) -> str:
        return self.fingerprint

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_identity": self.fingerprint}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _identity=identity.given(state["_identity"]))

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as Arrow holds it: [rows]. Raises `DataError` when there is none such."""
        self._check_column(name)
        return self._rows.column(name)

    def batches(
        self, size: int = ROWS_AT_A_TIME, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in order, `size` at a time, as Arrow's record batches of these columns or all.

        Only a batch is in memory at a time. A batch whose strings would pass 2 GB comes as several
        smaller ones. Raises `DataError` when a column is not there.
        """
        for name in columns or ():
            self._check_column(name)
        if size < 1:
            raise DataError(f"batches: a batch of {size} rows is none. Give a size of 1 or more.")
        return self._rows.batches(size, columns)

    def _like(
        self,
        rows: Rows,
        fingerprint: Identity,
        *,
        features: Features | None = None,
        roles: Roles | None = None,
    ) -> Self:
        """A data set of other rows; what is not given is that of this one."""
        return type(self)(
            rows,
            features=self._features if features is None else features,
            roles=self._roles if roles is None else roles,
            source=self._source,
            fingerprint=fingerprint,
        )

    def _check_column(self, name: str) -> None:
        if name not in self._features:
            raise DataError(
                f"{self._source} has no column {name!r}. "
                f"Its columns are: {columns_of(self._rows.table)}."
            )

    def _where(self, column: str) -> Where:
        return lambda _, row: f"{self._source}, row {row} (counted from 0), column {column!r}"
