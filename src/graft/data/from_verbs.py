"""Data sets of rows that Python has already: read as `load_dataset` reads them, as one split."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import pyarrow as pa

from graft.data.base import DatasetBase
from graft.data.features import Features, arrow_type_of, class_label_in, features_of
from graft.data.labels import cast_column
from graft.data.reading.memory import in_memory
from graft.data.reading.raw import InMemory, Stream
from graft.data.roles import Roles, is_text, is_tokens
from graft.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class FromVerbs(DatasetBase):
    """Data sets from memory, from functions and from databases.

    All of these read as `load_dataset` does: a missing text becomes "", labels become classes.
    `features` say what columns are where their values do not tell, by name: those of a data set
    whose rows were given away (`to_list`, `to_csv`) make the same data set again. The roles of
    columns are found out unless they are given: `text=`, `text_pair=`, `label=`, `tokens=`,
    `tags=`, `answers=`, `target=`. Rows without any text, and no rows at all, have the roles that
    are given.
    """

    @classmethod
    def from_pandas(
        cls, frame: "pd.DataFrame", *, features: Features | None = None, **roles: str
    ) -> Self:
        """The rows of a pandas DataFrame; categories are classes.

        Raises `DataError` for a column with values of several kinds, and as `load_dataset` does.
        """
        return cls._in_memory(in_memory(frame, "data frame", {}), features, roles)

    @classmethod
    def from_polars(
        cls, frame: "pl.DataFrame", *, features: Features | None = None, **roles: str
    ) -> Self:
        """The rows of a Polars DataFrame; categories are classes. See `from_pandas`."""
        return cls._in_memory(in_memory(frame, "data frame", {}), features, roles)

    @classmethod
    def from_arrow(
        cls,
        table: "pa.Table | pa.RecordBatch | pa.RecordBatchReader",
        *,
        features: Features | None = None,
        **roles: str,
    ) -> Self:
        """The rows of a table of Arrow, or of anything that hands out Arrow's stream."""
        return cls._in_memory(in_memory(table, "table", {}), features, roles)

    @classmethod
    def from_list(
        cls,
        rows: Iterable[Mapping[str, Any]] | Iterable[str],
        *,
        features: Features | None = None,
        **roles: str,
    ) -> Self:
        """Rows that are dicts of column -> value, or texts (the column `text`).

        Raises `DataError` for no rows without `features`, and as `from_pandas` does.
        """
        listed = list(rows)
        if not listed and features is not None:
            return cls._in_memory(InMemory("list", _empty(features)), features, roles)
        return cls._in_memory(in_memory(listed, "list", {}), features, roles)

    @classmethod
    def from_dict(
        cls, columns: Mapping[str, Any], *, features: Features | None = None, **roles: str
    ) -> Self:
        """Columns by name: lists, or arrays of NumPy, Arrow or PyTorch, all as long."""
        return cls._in_memory(in_memory(columns, "dict", {}), features, roles)

    @classmethod
    def from_generator(
        cls,
        function: Callable[..., Iterable[Mapping[str, Any]]],
        *,
        gen_kwargs: Mapping[str, Any] | None = None,
        features: Features | None = None,
        **roles: str,
    ) -> Self:
        """The rows that a function yields, read once: they are kept in the cache.

        Args:
            function: yields rows, each a dict of column -> value.
            gen_kwargs: its arguments by name. What it does and these are the fingerprint.
            features: what columns are, by name.
            roles: columns by role.
        """
        return cls._loaded(function, features, roles, gen_kwargs=dict(gen_kwargs or {}))

    @classmethod
    def from_sql(
        cls,
        query: str,
        url: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        keep: bool = False,
        features: Features | None = None,
        **roles: str,
    ) -> Self:
        """The rows of a query on a database.

        Args:
            query: in the database's SQL.
            url: the database's address as SQLAlchemy reads it, such as "sqlite:///reviews.db".
            parameters: values of the query's `:name` placeholders.
            keep: whether to use rows that were kept for the same query before, however the
                database has changed.
            features: what columns are, by name.
            roles: columns by role.
        """
        return cls._loaded(
            url, features, roles, query=query, parameters=dict(parameters or {}), keep=keep
        )

    @classmethod
    def _in_memory(
        cls, piece: InMemory | Stream, features: Features | None, roles: Mapping[str, str]
    ) -> Self:
        if isinstance(piece, Stream):
            raise DataError(f"{piece.name} yields rows: give it to from_generator.")
        declared = {**piece.declared, **(features or {})}
        _check_declared(declared, piece)
        if piece.table.num_rows == 0 or not (roles or _has_text(piece.table.schema, declared)):
            return cls._as_they_are(piece, declared, Roles(**roles))
        return cls._loaded(piece.table, declared, roles)

    @classmethod
    def _loaded(
        cls, source: Any, features: Features | None, roles: Mapping[str, str], **options: Any
    ) -> Self:
        from graft.data.load import load_dataset

        given: dict[str, Any] = {**roles, **options}
        found: Any = load_dataset(source, split="train", features=features, **given)
        return cast(Self, found)

    @classmethod
    def _as_they_are(cls, piece: InMemory, declared: Features, roles: Roles) -> Self:
        """Rows without a text, or none: their columns as they are declared."""
        table = piece.table
        told = features_of(table.schema)
        features = {name: declared.get(name, told[name]) for name in table.column_names}
        columns = {}
        for name, column in zip(table.column_names, table.columns, strict=True):

            def where(_: str, row: int, name: str = name) -> str:
                return f"{piece.name}, row {row} (counted from 0), column {name!r}"

            columns[name] = cast_column(
                column, told[name], features[name], where, f"{piece.name}, column {name!r}"
            )
        return cls(pa.table(columns), features=features, roles=roles, source=piece.name)


def _has_text(schema: pa.Schema, declared: Features) -> bool:
    """Whether a column could hold the texts: categories are none."""
    return any(
        is_text(field.type) or is_tokens(field.type)
        for field in schema
        if class_label_in(declared.get(field.name)) is None
    )


def _check_declared(features: Features, piece: InMemory) -> None:
    for name in features:
        if name not in piece.table.column_names:
            raise DataError(
                f"{piece.name} has no column {name!r}, of which features tells. Its columns are: "
                f"{', '.join(piece.table.column_names)}."
            )


def _empty(features: Features) -> pa.Table:
    return pa.schema({name: arrow_type_of(one) for name, one in features.items()}).empty_table()
