"""A table whose columns' types are found out while it is written, in memory that stays small."""

from contextlib import ExitStack

import pyarrow as pa

from graft.data.cache import EntryWriter
from graft.data.cache.files import TableWriter
from graft.data.values import common_type
from graft.errors import DataError


class GrowingTable:
    """Writes batches of the same columns, whose types may widen from one batch to the next.

    Null takes any type and whole numbers become fractions where fractions follow. What was written
    before a type widened is written once more at the end, so that rows of one type cost nothing.

    Attributes:
        schema: The columns so far; None before the first batch.
    """

    def __init__(self, writer: EntryWriter, name: str, verb: str) -> None:
        """Writes the table `name` of an entry; `verb` is what errors begin with."""
        self.schema: pa.Schema | None = None
        self._writer = writer
        self._name = name
        self._verb = verb
        self._parts: list[str] = []
        self._open = ExitStack()
        self._table: TableWriter | None = None

    def write(self, batch: pa.RecordBatch, rows: str) -> None:
        """Appends a batch; `rows` names its rows in errors ("rows 1000 to 1999").

        Raises `DataError` when its columns are others, or of another kind than those before.
        """
        schema = batch.schema if self.schema is None else self._widened(batch.schema, rows)
        if self._table is None or schema != self.schema:
            self._begin(schema)
        assert self._table is not None
        self._table.write(_cast(batch, schema, self._verb))

    def close(self) -> None:
        """Finishes the table. Without a batch there is none."""
        self._open.close()
        if self.schema is None or self._parts == [self._name]:
            return
        parts = [self._writer.read(part) for part in self._parts]
        for part in self._parts:
            self._writer.remove(part)
        with self._writer.table(self._name, self.schema) as table:
            for part in parts:
                for batch in part.to_batches():
                    table.write(_cast(batch, self.schema, self._verb))

    def abandon(self) -> None:
        """Lets go of the files, after an error."""
        self._open.close()

    def _begin(self, schema: pa.Schema) -> None:
        self._open.close()
        name = f"{self._name} {len(self._parts)}" if self._parts else self._name
        self._parts.append(name)
        self._table = self._open.enter_context(self._writer.table(name, schema))
        self.schema = schema

    def _widened(self, new: pa.Schema, rows: str) -> pa.Schema:
        old = self.schema
        assert old is not None
        if old.equals(new):
            return old
        if set(new.names) != set(old.names) or len(new) != len(old):
            raise DataError(
                f"{self._verb}: the function returned other columns for some rows than for "
                f"others: {', '.join(new.names) or 'none'} for {rows}, "
                f"{', '.join(old.names) or 'none'} before."
            )
        fields = []
        for field in old:
            kind = new.field(field.name).type
            found = common_type(field.type, kind)
            if found is None:
                raise DataError(
                    f"{self._verb}: the function returned values of several kinds: {field.name!r} "
                    f"is {kind} in {rows}, but {field.type} before. Return one kind for all rows, "
                    "for instance str(value)."
                )
            fields.append(pa.field(field.name, found))
        return pa.schema(fields)


def _cast(batch: pa.RecordBatch, schema: pa.Schema, verb: str) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    arrays = []
    for field in schema:
        try:
            arrays.append(batch.column(field.name).cast(field.type))
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{verb}: the values of {field.name!r} do not fit into {field.type}, which holds "
                f"those of other rows ({reason}). Return one kind for all rows, for instance "
                "float(value) or str(value)."
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
