"""`sql`: a query of DuckDB's over data sets, whose classes are strings in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import arrow_type_of, lists_like, of_classes, plain_batch, plain_schema
from graft.data.cache import EntryWriter, Step, computed
from graft.data.duck import explained, query_batches, tables_in_duckdb
from graft.data.feature_forms import features_from_json, features_to_json
from graft.data.features import Feature, class_label_in, feature_of
from graft.data.fingerprint import digest
from graft.data.formats.checks import check_unique
from graft.data.identity import given
from graft.data.roles import Roles, is_list
from graft.data.rows import Rows
from graft.data.transform import TransformVerbs
from graft.errors import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE, _RAW = "rows", "raw"
# What gives something else each time: functions, and words that stand alone.
_VOLATILE = re.compile(
    r"\b(?:random|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|now|today|ago|nextval|currval|"
    r"get_current_time|get_current_timestamp|transaction_timestamp|txid_current)\s*\("
    r"|\b(?:current_date|current_time|current_timestamp|localtime|localtimestamp|sample|"
    r"tablesample)\b",
    re.IGNORECASE,
)
_WHOLE_NUMBERS = ("HUGEINT", "UHUGEINT")


class SqlVerbs(TransformVerbs):
    """SQL over data sets."""

    def sql(self, query: str, /, *, cache: bool = True, **others: TransformVerbs) -> Self:
        """The rows that a query gives, in DuckDB's SQL, over this data set as the table `self`.

            data.sql("select * from self where length(text) > 100 order by length(text)")
            data.sql("select label, count(*) as rows from self group by label")
            data.sql("select self.* from self anti join test using (text)", test=data_test)

        Classes are strings in a query, their names (lists of strings for several labels a row); a
        column that is still called so in the result, and holds nothing but names of the classes,
        is one of classes again. Other columns that keep name and type keep their feature, and all
        that keep their feature keep their role. Sums of whole numbers are whole numbers.

        Rows in their order of storage are read where they lie; others are written to the cache
        before, in their order. The rows come in the order of the query: without `order by`,
        grouped and joined rows come in any. A query sees no files.

        Args:
            query: one query (`select`, `from`, `with`, `values`, ...).
            cache: whether the result is kept for the next time. That of a query which gives
                something else each time (`random()`, `now()`, `using sample`) never is.
            others: other data sets by the names of their tables.

        Raises `DataError` with what DuckDB says for a query that it refuses, and for a result that
        is no data set: two columns of one name, or values of a type that has no feature.
        """
        for name, other in others.items():
            if not isinstance(other, TransformVerbs):
                raise DataError(
                    f"sql: {name} is {type(other).__name__}. Give data sets; a data frame becomes "
                    "one with Dataset.from_pandas."
                )
        tables: dict[str, TransformVerbs] = {"self": self, **others}
        for name, dataset in tables.items():
            _check_names(name, dataset)
        made = _Query(query, tables)
        made.check()

        def parts() -> dict[str, str]:
            import duckdb

            tables = {f"table {name}": one.fingerprint for name, one in made.tables.items()}
            return {**tables, "query": digest(query), "duckdb": digest(duckdb.__version__)}

        keep = cache and _VOLATILE.search(query) is None
        entry = computed("sql", parts, made.write, cache=keep)
        features = features_from_json(entry.metadata["features"])
        kept = {
            role: name
            for role, name in self._roles.given().items()
            if name in features and features[name] == self._features[name]
        }
        return type(self)(
            Rows(entry.tables[_TABLE] if _TABLE in entry.tables else entry.tables[_RAW]),
            features=features,
            roles=Roles(**kept),
            source=self._source,
            fingerprint=given(Step("sql", parts()).fingerprint) if keep else None,
        )


@dataclass(frozen=True)
class _Query:
    """A query over data sets."""

    query: str
    tables: Mapping[str, TransformVerbs]

    def check(self) -> None:
        """Raises `DataError` for anything but one query."""
        import duckdb

        if not isinstance(self.query, str) or not self.query.strip():
            raise DataError("sql: give a query, such as 'select * from self where ...'.")
        with duckdb.connect(":memory:") as connection, explained("sql"):
            found = connection.extract_statements(self.query)
        if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
            told = ", ".join(str(one.type.name).lower() for one in found)
            raise DataError(
                f"sql: one query was expected, such as 'select ... from self', but this is: "
                f"{told or 'nothing'}. Data sets do not change; call sql once for each query."
            )

    def write(self, writer: EntryWriter) -> None:
        """Writes the result with the features that it keeps."""
        lent = {name: _lent(one) for name, one in self.tables.items()}
        with explained("sql"), tables_in_duckdb(lent) as connection:
            known = self._known(connection)
            relation = connection.sql(self.query)
            kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
            reader = query_batches(connection, self.query)
            schema = _checked(reader.schema, kinds)
            with writer.table(_RAW, schema) as table:
                for batch in reader:
                    table.write(_plain(batch, schema))
        raw = writer.read(_RAW)
        features = {
            name: _feature(raw.column(name), kinds[name], known.get(name, []))
            for name in schema.names
        }
        writer.metadata["features"] = features_to_json(features)
        wanted = pa.schema({name: arrow_type_of(feature) for name, feature in features.items()})
        if not wanted.equals(schema):
            with writer.table(_TABLE, wanted) as table:
                for batch in raw.to_batches():
                    arrays = [_stored(batch.column(name), features[name]) for name in wanted.names]
                    table.write(pa.RecordBatch.from_arrays(arrays, schema=wanted))
            writer.remove(_RAW)

    def _known(self, connection: "DuckDBPyConnection") -> dict[str, list[tuple[str, Feature]]]:
        """Columns by name: their type in DuckDB and their feature, in each table that has them."""
        known: dict[str, list[tuple[str, Feature]]] = {}
        for name, dataset in self.tables.items():
            table = connection.table(name)
            for column, kind in zip(table.columns, map(str, table.types), strict=True):
                known.setdefault(column, []).append((kind, dataset.features[column]))
        return known


def _check_names(name: str, dataset: TransformVerbs) -> None:
    seen: dict[str, str] = {}
    for column in dataset.column_names:
        other = seen.setdefault(column.lower(), column)
        if other != column:
            raise DataError(
                f"sql: {name} has the columns {other!r} and {column!r}, which are one name in SQL. "
                f"Rename one before: rename({{{column!r}: ...}})."
            )


def _lent(dataset: TransformVerbs) -> pa.Table:
    """The rows as DuckDB is to see them: classes by their names. Nothing is copied."""
    table = dataset.materialize().rows.table
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        label = class_label_in(dataset.features[name])
        if label is not None:
            column = _named(column, pa.array(label.names, pa.string()))
        elif pa.types.is_float16(column.type):  # which DuckDB does not have
            column = column.cast(pa.float32())
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _named(column: pa.ChunkedArray, names: pa.Array) -> pa.ChunkedArray:
    """Class numbers, or lists of them, as Arrow's categories."""
    kind = pa.dictionary(pa.int64(), pa.string())
    if not is_list(column.type):
        chunks = [_categories(chunk, names) for chunk in column.chunks]
        return pa.chunked_array(chunks, kind)
    chunks = [lists_like(chunk, _categories(chunk.flatten(), names)) for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.list_(kind))


def _categories(numbers: pa.Array, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(of_classes(numbers, len(names)), names)


def _checked(schema: pa.Schema, kinds: Mapping[str, str]) -> pa.Schema:
    """The types in which a result is kept. Raises `DataError` for columns that cannot be kept."""
    check_unique(schema.names, "sql: the result")
    fields = []
    for field in plain_schema(schema):
        kind = pa.int64() if kinds[field.name] in _WHOLE_NUMBERS else field.type
        try:
            arrow_type_of(feature_of(kind))
        except DataError as error:
            raise DataError(
                f"sql: the column {field.name!r} of the result is {kinds[field.name]}, which a "
                f"data set cannot hold. Cast it in the query: cast({field.name} as varchar)."
            ) from error
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    batch = plain_batch(batch)
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        try:
            arrays.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"sql: a number in the column {field.name!r} of the result is too large for a "
                f"whole number of 64 bits ({error}). Cast it in the query: "
                f"cast({field.name} as double)."
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _feature(column: pa.ChunkedArray, kind: str, known: list[tuple[str, Feature]]) -> Feature:
    """What a column of the result is, given those of its name: their types and features."""
    for known_kind, feature in known:
        label = class_label_in(feature)
        if kind == known_kind and (label is None or _are_names(column, label.names)):
            return feature
    return feature_of(column.type)


def _are_names(column: pa.ChunkedArray, names: list[str]) -> bool:
    wanted = pa.array(names, pa.string())
    for chunk in column.chunks:
        values = chunk.flatten() if is_list(chunk.type) else chunk.drop_null()
        if not pc.all(pc.is_in(values, value_set=wanted), min_count=0).as_py():
            return False
    return True


def _stored(array: pa.Array, feature: Feature) -> pa.Array:
    """An array of the result in the type of its feature."""
    label = class_label_in(feature)
    if label is None or pa.types.is_integer(array.type):
        return array.cast(arrow_type_of(feature))
    values = array.flatten() if is_list(array.type) else array
    numbers = pc.index_in(values, value_set=pa.array(label.names, pa.string())).cast(pa.int64())
    return lists_like(array, numbers) if is_list(array.type) else numbers
