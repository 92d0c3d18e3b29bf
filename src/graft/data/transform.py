"""`map` and `filter`: a user's function over the rows, batch by batch, kept in the cache."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from graft.data.base import DatasetBase
from graft.data.cache import Entry, EntryWriter, Step, cached, computed
from graft.data.calls import POSITIONS, Call, FilterCall, MapCall, rows_text
from graft.data.features import Features, class_label_in
from graft.data.fingerprint import digest, parts_of_function
from graft.data.growing import GrowingTable
from graft.data.identity import Identity, given
from graft.data.ray_engine import Engine, check_engine, in_order_by_ray
from graft.data.rows import ROWS_AT_A_TIME, Rows, order_type
from graft.data.workers import in_order
from graft.errors import DataError

Row = dict[str, Any]

_TABLE = "rows"
_ROWS_IN_A_BLOCK = 200
_ROWS_IN_A_BLOCK_OF_RAY = 1000


class TransformVerbs(DatasetBase):
    """Verbs that run a function of the user's."""

    def map(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
        num_proc: int = 1,
        remove: Sequence[str] = (),
        features: Features | None = None,
        cache: bool = True,
        engine: Engine = "local",
    ) -> Self:
        """The rows with the columns that `fn` returns added, or put in place of those they had.

        The result is written to the cache, batch by batch, and found there the next time that
        the same function is given for the same rows.

        Args:
            fn: takes a row (a dict) and returns a dict of column -> value. When `batched`, it
                takes a dict of lists and returns one of lists or arrays: one value per row; or of
                any number of rows, where it returns every column or `remove` names the others.
            batched: whether `fn` takes many rows at a time.
            batch_size: how many.
            with_index: whether `fn` takes the row's number (from 0) as a second argument, or the
                list of numbers when `batched`.
            num_proc: processes to share the work; the rows and their order are the same. They are
                forked: what `fn` changes outside of its result stays in its process.
            remove: columns that the result is without, unless `fn` returns them.
            features: what returned columns are, by name, where their values do not tell: classes,
                numbers of another width. Otherwise a column of classes stays one.
            cache: False keeps the result only as long as it is used.
            engine: "ray" has Ray Data do the work, on one machine or many (`graft-nlp[ray]`): the
                rows and their order are the same, and so is the step in the cache. See
                `graft.data.ray_engine`.

        Raises:
            DataError: `fn` raised an error (which is the cause of this one), or returned something
                else, values of several kinds, or a label that is not a class. Rows are named.
        """
        self._check_options(batch_size, num_proc, remove)
        check_engine(engine, num_proc)
        step = MapCall(
            call=Call("map", fn, batched, with_index, self._source),
            columns=self._rows.schema,
            removed=frozenset(remove),
            features=dict(features or {}),
            labels={
                name: kind
                for name, kind in self._features.items()
                if class_label_in(kind) is not None
            },
            whole=self._rows.order is not None,
        )
        if len(self) == 0:
            return self._without(remove)
        size = batch_size if batched else self._rows.at_a_time(_share(len(self), num_proc))
        options = {
            "with_index": with_index,
            "batch_size": batch_size if batched else None,
            "remove": sorted(remove),
            "features": features,
            "columns that stay": "written" if step.whole else "shared",
        }
        entry, then = self._computed(
            "map", fn, options, _writing(step, self._rows, size, num_proc, engine), cache
        )
        return self._mapped(step, entry, then)

    def filter(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
        num_proc: int = 1,
        cache: bool = True,
        engine: Engine = "local",
    ) -> Self:
        """The rows for which `fn` gives true, in their order. No row is copied.

        Args:
            fn: takes a row (a dict) and returns something true or false. When `batched`, it takes
                a dict of lists and returns a list or array of true and false, one per row.
            batched: whether `fn` takes many rows at a time.
            batch_size: how many.
            with_index: whether `fn` takes the row's number too; see `map`.
            num_proc: processes to share the work; see `map`.
            cache: False does not keep which rows they are.
            engine: "ray" has Ray Data do the work; see `map`.

        Raises `DataError` when `fn` raised an error, or returned something else.
        """
        self._check_options(batch_size, num_proc, ())
        check_engine(engine, num_proc)
        if len(self) == 0:
            return self
        step = FilterCall(
            Call("filter", fn, batched, with_index, self._source),
            pa.from_numpy_dtype(order_type(len(self))),
        )
        size = batch_size if batched else self._rows.at_a_time(_share(len(self), num_proc))
        options = {"with_index": with_index, "batch_size": batch_size if batched else None}
        entry, then = self._computed(
            "filter", fn, options, _writing(step, self._rows, size, num_proc, engine), cache
        )
        numbers = entry.tables[_TABLE].column(POSITIONS).to_numpy()
        if then is None:
            then = self._identity.then("select", numbers)
        return self._like(self._rows.select(numbers), then)

    def materialize(self) -> Self:
        """The same rows written to the cache in their order.

        Worth it before rows that were shuffled, sorted or filtered are read several times from a
        slow disk, or where they are few of many.
        """
        if self._rows.order is None:
            return self

        def write(writer: EntryWriter) -> None:
            with writer.table(_TABLE, self._rows.schema) as table:
                for batch in self._rows.batches():
                    table.write(batch)

        entry = cached(Step("materialize", {"input": self.fingerprint}), write)
        return self._like(Rows(entry.tables[_TABLE]), self._identity)

    def _computed(
        self,
        verb: str,
        fn: Callable[..., Any],
        options: Mapping[str, Any],
        write: Callable[[EntryWriter], None],
        cache: bool,
    ) -> tuple[Entry, Identity | None]:
        """What `write` writes, and the fingerprint of the step; None where it has none."""
        found: list[str] = []

        def parts() -> dict[str, str]:
            given_options = {name: digest(value) for name, value in options.items()}
            parts = {**parts_of_function(fn), **given_options, "input": self.fingerprint}
            found.append(Step(verb, parts).fingerprint)
            return parts

        entry = computed(verb, parts, write, cache=cache)
        return entry, given(found[0]) if found else None

    def _mapped(self, step: MapCall, entry: Entry, then: Identity | None) -> Self:
        new = entry.tables[_TABLE]
        if not new.column_names:
            return self._without(sorted(step.removed))
        kept = [] if step.whole else step.kept(dict.fromkeys(new.column_names))
        old = self._rows.table
        columns = {
            name: (old if name in kept else new).column(name) for name in kept + new.column_names
        }
        # Columns that were there stay in their places; new ones follow.
        names = [name for name in self.column_names if name in columns]
        names += [name for name in new.column_names if name not in names]
        rows = Rows(pa.table({name: columns[name] for name in names}))
        features = {}
        for name in names:
            stays = name in self._features and name not in step.features
            same = stays and rows.schema.field(name).type == old.schema.field(name).type
            features[name] = (
                self._features[name] if same else step.feature(name, rows.schema.field(name).type)
            )
        gone = [name for name in self.column_names if name not in columns]
        return type(self)(
            rows,
            features=features,
            roles=self._roles.without(gone),
            source=self._source,
            fingerprint=then,
        )

    def _without(self, columns: Sequence[str]) -> Self:
        names = [name for name in self.column_names if name not in columns]
        return self._like(
            self._rows.with_table(self._rows.table.select(names)),
            self._identity.then("remove", tuple(columns)),
            features={name: self._features[name] for name in names},
            roles=self._roles.without(columns),
        )

    def _check_options(self, batch_size: int, num_proc: int, remove: Sequence[str]) -> None:
        if isinstance(remove, str):
            raise DataError(f"remove={remove!r}: give a list of columns, [{remove!r}].")
        for name in remove:
            self._check_column(name)
        for option, value in (("batch_size", batch_size), ("num_proc", num_proc)):
            if value < 1:
                raise DataError(f"{option}={value}: give 1 or more.")


def _writing(
    step: MapCall | FilterCall, rows: Rows, size: int, num_proc: int, engine: Engine
) -> Callable[[EntryWriter], None]:
    """What writes the results of `step` for all rows, `size` at a time."""

    def write(writer: EntryWriter) -> None:
        table = GrowingTable(writer, _TABLE, step.call.verb)
        try:
            with closing(_results(step, rows, size, num_proc, engine)) as results:
                for batch, where in results:
                    table.write(batch, where)
        except BaseException:
            table.abandon()
            raise
        table.close()

    return write


@dataclass(frozen=True)
class _Blocks:
    """A step over blocks of rows, `in_block` each, in batches of `size`."""

    step: MapCall | FilterCall
    rows: Rows
    size: int
    in_block: int

    def __call__(self, block: int) -> list[pa.RecordBatch]:
        start = block * self.in_block
        found = []
        for batch in self.rows.batches(self.size, start=start, stop=start + self.in_block):
            found.append(self.step(batch, start))
            start += batch.num_rows
        return found


def _results(
    step: MapCall | FilterCall, rows: Rows, size: int, num_proc: int, engine: Engine
) -> Generator[tuple[pa.RecordBatch, str]]:
    """The result of each batch, in order, and the name of its rows."""
    # What goes from process to process is at least a few rows, however small the batches.
    least = _ROWS_IN_A_BLOCK_OF_RAY if engine == "ray" else _ROWS_IN_A_BLOCK
    in_block = size * max(min(least, _share(rows.num_rows, num_proc)) // size, 1)
    starts = range(0, rows.num_rows, in_block)
    work = _Blocks(step, rows, size, in_block)
    made = (
        in_order_by_ray(work, len(starts))
        if engine == "ray"
        else in_order(work, len(starts), num_proc)
    )
    with closing(made) as blocks:
        for start, batches in zip(starts, blocks, strict=True):
            where = rows_text(start, min(start + in_block, rows.num_rows))
            for batch in batches:
                yield batch, where


def _share(rows: int, num_proc: int) -> int:
    """Rows that go to a process at a time: few enough that all have work until the end."""
    return min(ROWS_AT_A_TIME, -(-rows // (4 * num_proc))) if num_proc > 1 else ROWS_AT_A_TIME
