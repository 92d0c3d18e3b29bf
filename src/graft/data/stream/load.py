"""Loading a data set as a stream: nothing is read of it but the first rows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from graft.data.features import Features
from graft.data.formats.bad_rows import OnBadRows
from graft.data.formats.data_file import Options
from graft.data.reading.loading import parts_of
from graft.data.reading.sources import Plan
from graft.data.stream.dataset import StreamingDataset, StreamingDict
from graft.data.stream.form import forms
from graft.data.stream.source import Part, Source
from graft.errors import DataError


def streams(
    plan: Plan,
    given: Mapping[str, str],
    options: Options,
    features: Features,
    on_bad_rows: OnBadRows,
) -> StreamingDict:
    """The splits of what is planned as streams.

    `given` are the columns given a role by hand, `features` what columns hold, whatever the first
    rows say. Raises `DataError` for what cannot be read.
    """
    collect = on_bad_rows == "collect"
    plan = replace(plan, declared={**plan.declared, **features})
    found = forms(plan, given, options, features, collect=collect)
    splits = {}
    for name, pieces in plan.splits.items():

        def parts(name: str = name) -> dict[str, str]:
            return {"split": name, **parts_of(plan, given, options, collect=collect)}

        more = f" and {len(pieces) - 1} more" if len(pieces) > 1 else ""
        source = Source(
            f"{pieces[0].name}{more}",
            tuple(Part(piece) for piece in pieces),
            found[name],
            options,
            parts,
        )
        splits[name] = StreamingDataset(source, collect=collect)
    return StreamingDict(splits, plan.name, plan.metadata)


def check_can_be_read_again(source: Any) -> None:
    """Raises `DataError` for rows that come but once: a stream is read from the start each time."""
    values = source.values() if isinstance(source, Mapping) else [source]
    for value in values:
        if isinstance(value, Iterator | pa.RecordBatchReader):
            raise DataError(
                f"A {type(value).__name__} gives its rows only once, but a stream is read from the "
                "start each time. Give a function that makes it: load_dataset(lambda: ..., "
                "streaming=True)."
            )
