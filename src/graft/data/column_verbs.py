"""Which columns, of which kind, under which name: verbs that leave the rows as they are."""

from collections.abc import Mapping
from typing import Any, Self

import pyarrow as pa

from graft.data.base import DatasetBase
from graft.data.features import Feature, feature_of
from graft.data.identity import Identity
from graft.data.labels import cast_column, encode_labels
from graft.data.reading.memory import columns_in_memory
from graft.data.roles import Roles
from graft.errors import DataError


class ColumnVerbs(DatasetBase):
    """Renaming, removing, adding and casting columns."""

    def rename(self, names: Mapping[str, str]) -> Self:
        """Columns renamed, old name -> new name; their roles go with them."""
        for name in names:
            self._check_column(name)
        columns = [names.get(name, name) for name in self.column_names]
        if len(set(columns)) < len(columns):
            raise DataError(f"rename: two columns would have one name: {', '.join(columns)}.")
        return self._like(
            self._rows.with_table(self._rows.table.rename_columns(columns)),
            self._identity.then("rename", dict(names)),
            features={names.get(name, name): kind for name, kind in self._features.items()},
            roles=self._roles.renamed(names),
        )

    def remove(self, *columns: str) -> Self:
        """Without these columns. Raises `DataError` for the text; give another its role first."""
        for name in columns:
            self._check_column(name)
        if self._roles.text in columns:
            raise DataError(
                f"remove: the column {self._roles.text!r} is the text of this data set. Give the "
                "role to another column first: with_roles(text='<column>')."
            )
        return self._like(
            self._rows.with_table(self._rows.table.drop_columns(list(columns))),
            self._identity.then("remove", columns),
            features={name: kind for name, kind in self._features.items() if name not in columns},
            roles=self._roles.without(columns),
        )

    def with_column(self, name: str, column: Any, feature: Feature | None = None) -> Self:
        """With a column added, or put in place of the one of that name.

        Args:
            name: of the column.
            column: a value for each row: of Arrow, NumPy, pandas or Polars, or a list: [rows].
            feature: what it holds; without it, what its values tell (never classes).

        Raises `DataError` when it has another number of rows, or a value that does not fit.
        """
        values = columns_in_memory({name: column}, "with_column").table.column(0)
        if len(values) != len(self):
            raise DataError(
                f"with_column: {name!r} has {len(values)} values for {len(self)} rows. "
                "Give one value per row."
            )
        found = feature_of(values.type)
        wanted = found if feature is None else feature
        if wanted != found:
            where = f"with_column, column {name!r}"
            values = cast_column(values, found, wanted, self._where(name), where)
        then = self._identity.then("with_column", name, values, wanted)
        return self._with(name, values, wanted, then)

    def cast(self, column: str, feature: Feature) -> Self:
        """A column as another feature: class numbers or names as `ClassLabel`, classes as text, ...

        Raises `DataError` when a value does not fit, naming it.
        """
        values, old = self.column(column), self._features[column]
        name = f"{self._source}, column {column!r}"
        cast = cast_column(values, old, feature, self._where(column), name)
        return self._with(column, cast, feature, self._identity.then("cast", column, feature))

    def class_encode(self, column: str) -> Self:
        """A column of strings or numbers as classes, named by its sorted values."""
        encoded, feature = encode_labels({"": self.column(column)}, None, self._where(column))
        then = self._identity.then("class_encode", column)
        return self._with(column, encoded[""], feature, then)

    def with_roles_of(self, roles: Roles) -> Self:
        """With exactly these roles. Raises `DataError` when a column is not there."""
        return self._like(self._rows, self._identity.then("with_roles", roles), roles=roles)

    def _with(self, name: str, column: pa.ChunkedArray, feature: Feature, then: Identity) -> Self:
        rows = self._rows.with_column(name, column)
        return self._like(rows, then, features={**self._features, name: feature})
