"""Verbs of a stream on its columns: names, kinds, tokens."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from graft.data.dataset import Dataset
from graft.data.features import Feature, arrow_type_of
from graft.data.fingerprint import digest
from graft.data.labels import cast_column, encode_labels
from graft.data.roles import Roles, columns_of, infer_roles
from graft.data.stream.blocks import Cut
from graft.data.stream.node import ROWS_AT_A_TIME, Kind, Node, Run
from graft.data.stream.steps import Each, Several, chosen, renamed
from graft.data.tokens.blocks import Blocks
from graft.data.tokens.names import INPUT_IDS
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.tokens.align import Alignment
    from graft.text.tokenizer import Tokenizer
    from graft.text.truncation import Truncation


class ColumnVerbs(ABC):
    """Which columns, of which kind, under which name."""

    _node: Node

    @abstractmethod
    def _like(self, node: Node) -> Self:
        """A data set of the same kind over another step."""

    def rename(self, names: Mapping[str, str]) -> Self:
        """Columns renamed, old name -> new name; their roles go with them."""
        for name in names:
            self._check_column(name)
        kind = renamed(self._node.kind, names)
        columns = kind.schema.names
        if len(set(columns)) < len(columns):
            raise DataError(f"rename: two columns would have one name: {', '.join(columns)}.")
        return self._each("rename", kind, lambda batch, _: batch.rename_columns(columns), names)

    def select_columns(self, *columns: str) -> Self:
        """With these columns alone, in this order."""
        for name in columns:
            self._check_column(name)
        if not columns or len(set(columns)) < len(columns):
            raise DataError(f"select_columns: give each column once: {', '.join(columns)}.")
        kind = chosen(self._node.kind, list(columns))
        return self._each("select", kind, lambda batch, _: batch.select(list(columns)), columns)

    def remove(self, *columns: str) -> Self:
        """Without these columns. Raises `DataError` for the text; give another its role first."""
        for name in columns:
            self._check_column(name)
        text = self._node.kind.roles.text
        if text in columns:
            raise DataError(
                f"remove: the column {text!r} is the text of this data set. Give the "
                "role to another column first: with_roles(text='<column>')."
            )
        kept = [name for name in self._node.kind.schema.names if name not in columns]
        return self.select_columns(*kept)

    def cast(self, column: str, feature: Feature) -> Self:
        """A column as another feature: class numbers or names as `ClassLabel`, classes as text, ...

        Raises `DataError` when a value does not fit, naming it, when it is read.
        """
        self._check_column(column)
        kind, name = self._node.kind, self._node.name
        place = kind.schema.names.index(column)
        old = kind.features[column]
        schema = kind.schema.set(place, pa.field(column, arrow_type_of(feature)))
        made = Kind(schema, {**kind.features, column: feature}, kind.roles)

        def work(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
            def where(_: str, row: int) -> str:
                return f"{name}, row {first + row} (counted from 0), column {column!r}"

            values = pa.chunked_array([batch.column(place)])
            told = f"{name}, rows {first} on, column {column!r}"
            arrays = list(batch.columns)
            arrays[place] = cast_column(values, old, feature, where, told).combine_chunks()
            return pa.RecordBatch.from_arrays(arrays, schema=schema)

        return self._each("cast", made, work, [column, repr(feature)])

    def class_encode(self, column: str) -> Self:
        """A column of strings or numbers as classes, named by its sorted values.

        All rows are read for it, once and now; `cast` to a `ClassLabel` of names needs no reading.
        """
        self._check_column(column)
        values: list[pa.ChunkedArray] = []
        reading = self._node.start(None, Run())
        while (batch := reading.next(ROWS_AT_A_TIME)) is not None:
            values.append(pa.chunked_array([batch.column(column).unique()]))
        reading.close()
        kind = self._node.kind.schema.field(column).type
        every = pa.chunked_array([part for each in values for part in each.chunks], kind)
        _, feature = encode_labels({"": every.unique()}, None, lambda _, row: f"value {row}")
        return self.cast(column, feature)

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
    ) -> Self:
        """With roles given to other columns; those not given stay.

        Raises `DataError` when a column is missing or does not fit its role.
        """
        kind = self._node.kind
        given = {
            **kind.roles.given(),
            **Roles(text, text_pair, label, tokens, tags, answers, target).given(),
        }
        empty = kind.schema.empty_table()
        roles = infer_roles(empty, kind.features, where=self._node.name, **given)
        made = Kind(kind.schema, kind.features, roles)
        return self._each("with_roles", made, lambda batch, _: batch, repr(roles))

    def tokenize(
        self,
        tokenizer: "Tokenizer",
        *,
        max_length: int | None = None,
        stride: int | None = None,
        truncation: "Truncation" = "longest_first",
        text: str | None = None,
        text_pair: str | None = None,
        keep: Sequence[str] = (),
        spans: bool = False,
        labels: "Alignment" = "first",
        inside: bool = False,
        entities: str | None = None,
        entity_labels: Sequence[str] | None = None,
        scheme: str = "BIO",
        add_special_tokens: bool = True,
        num_threads: int | None = None,
    ) -> Self:
        """The rows as token ids; arguments, columns and errors are those of `Dataset.tokenize`.

        `entity_labels` must be given where the labels of `entities` are not declared. `source_row`
        is the number of a row in the stream.
        """
        from graft.data.tokens.plan import planned, span_labels

        empty = self._without_rows()
        if entities is not None and entity_labels is None and not span_labels(empty, entities):
            raise DataError(
                f"{empty.source}: the labels of the spans in {entities!r} are not declared. "
                "Give them: entity_labels=['PER', ...]."
            )
        plan = planned(
            empty,
            tokenizer,
            text=text,
            text_pair=text_pair,
            keep=keep,
            labels=labels,
            inside=inside,
            entities=entities,
            entity_labels=entity_labels,
            scheme=scheme,
            max_length=max_length,
            stride=stride,
            truncation=truncation,
            special_tokens=add_special_tokens,
            spans=spans,
            threads=num_threads,
        )

        def work(batch: pa.RecordBatch, row: int) -> Iterator[pa.RecordBatch]:
            return plan.apply(batch.select(plan.columns), row)

        def parts() -> dict[str, str]:
            return {"tokenizer": digest(tokenizer), "options": digest(dict(plan.options))}

        made = Kind(plan.schema, plan.made, plan.roles)
        return self._like(Several(self._node, made, work, parts, numbered=stride is not None))

    def blocks(
        self,
        size: int,
        *,
        across_documents: bool = True,
        separator_id: int | None = None,
        drop_last: bool = False,
    ) -> Self:
        """The token ids cut into blocks of `size`: see `Dataset.blocks`."""
        from graft.data.tokens.plan import check_tokenized

        check_tokenized(self._without_rows())
        plan = Blocks(size, across_documents, separator_id, drop_last)
        cut = Cut(self._node, plan)
        if across_documents:
            return self._like(cut)
        made = cut.kind

        def work(batch: pa.RecordBatch, _: int) -> Iterator[pa.RecordBatch]:
            for lists in plan.cut([batch.column(INPUT_IDS)]):
                array = lists.cast(made.schema.field(0).type)
                yield pa.RecordBatch.from_arrays([array], schema=made.schema)

        def parts() -> dict[str, str]:
            return {"blocks": digest(plan.options)}

        return self._like(Several(self._node, made, work, parts, numbered=False))

    def _without_rows(self) -> Dataset:
        """What the rows are, with none of them: enough to plan and to check."""
        kind = self._node.kind
        table = kind.schema.empty_table()
        return Dataset(table, features=kind.features, roles=kind.roles, source=self._node.name)

    def _each(self, verb: str, kind: Kind, work: Any, arguments: object) -> Self:
        def parts() -> dict[str, str]:
            return {verb: digest(repr(arguments))}

        return self._like(Each(self._node, kind, work, parts))

    def _check_column(self, name: str) -> None:
        if name not in self._node.kind.features:
            raise DataError(
                f"{self._node.name} has no column {name!r}. "
                f"Its columns are: {columns_of(self._node.kind.schema)}."
            )
