"""The values of a column: which there are, and how often."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.base import DatasetBase
from graft.data.features import class_label_in
from graft.data.roles import is_list
from graft.errors import DataError


class ValueVerbs(DatasetBase):
    """Distinct values. Only a batch of rows and the distinct values are in memory."""

    def unique(self, column: str) -> list[Any]:
        """The distinct values of a column, in the order in which they first occur, None among them.

        Class labels are numbers. Of lists, the values within them. Raises `DataError` when the
        column is not there, or holds records or lists of lists.
        """
        kind = self._kind_of_values("unique", column)
        found = pa.array([], kind)
        for values in self._values(column):
            found = pc.unique(pa.concat_arrays([found, pc.unique(values)]))
        return list(found.to_pylist())

    def class_counts(self, column: str | None = None) -> dict[Any, int]:
        """How many rows have each value of a column: the label's, where none is given.

        Classes come by name in their order, those without rows included; other values as they
        first occur. A row with several labels counts for each. Missing values count nowhere.
        Raises `DataError` when the column is not there, or holds records or lists of lists.
        """
        name = column or self._roles.label
        if name is None:
            raise DataError(
                f"class_counts: {self._source} has no label. Give a column: "
                "class_counts('<column>')."
            )
        self._kind_of_values("class_counts", name)
        label = class_label_in(self._features[name])
        found: dict[Any, int] = {} if label is None else dict.fromkeys(range(len(label.names)), 0)
        for values in self._values(name):
            for pair in pc.value_counts(values.drop_null()).to_pylist():
                found[pair["values"]] = found.get(pair["values"], 0) + pair["counts"]
        return found if label is None else {label.names[n]: rows for n, rows in found.items()}

    def _values(self, column: str) -> Iterator[pa.Array]:
        for batch in self._rows.batches(self._rows.at_a_time(), [column]):
            array = batch.column(0)
            yield array.flatten() if is_list(array.type) else array

    def _kind_of_values(self, verb: str, column: str) -> pa.DataType:
        self._check_column(column)
        kind = self._rows.schema.field(column).type
        kind = kind.value_type if is_list(kind) else kind
        if pa.types.is_nested(kind):
            raise DataError(
                f"{verb}: {self._source}, column {column!r} holds {kind}, whose values cannot be "
                "told apart. Count them in SQL: sql('select ... from self group by ...')."
            )
        return kind
