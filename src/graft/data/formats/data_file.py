"""What a reader of a format is: a file goes in, record batches come out.

A new format is one module with a `Format`, and one line in the table of
`graft.data.formats.readers`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa

from graft.data.features import Features
from graft.data.formats.bad_rows import BadRows

Options: TypeAlias = Mapping[str, Any]
"""What a caller of `load_dataset` sets by hand, by name: `delimiter`, `encoding`, ..."""


@dataclass(frozen=True)
class DataFile:
    """A file of data, be it on disk as it is, compressed, or within an archive.

    Attributes:
        name: how errors name it.
        path: the file on disk that it is, or is in.
        suffix: tells the format, in lower case: ".csv", also for `a.csv.gz`.
        opener: opens the content anew, from its start, decompressed; None where `path` is it.
        member: its name within an archive; None elsewhere.
        part: which of the splits within the file is meant; None where it holds but one.
        streamed: whether it is read once, from front to back: what is otherwise found out over all
            of it (its encoding, its quotes) is found out from its start.
        remote: tells the content of a file apart that is not on disk, where `path` is but a name.
    """

    name: str
    path: Path
    suffix: str
    opener: Callable[[], BinaryIO] | None = None
    member: str | None = None
    part: str | None = None
    streamed: bool = False
    remote: str | None = None

    @classmethod
    def of(cls, path: Path, name: str | None = None) -> "DataFile":
        """A file on disk whose content is as it is."""
        return cls(name or str(path), path, path.suffix.lower())

    def open(self) -> BinaryIO:
        """The content from its start; may be opened any number of times."""
        return self.path.open("rb") if self.opener is None else self.opener()


@dataclass(frozen=True)
class Content:
    """What a reader makes of a file.

    Attributes:
        batches: its rows, in order; only one batch is in memory at a time (some 16 MB). Batches
            may differ in type and columns: what is null, whole numbers or without a key in one and
            more in another gets its type over the whole file later. Types are plain (see
            `arrow_types.plain_batch`). A file without rows gives one batch without rows, for its
            columns.
        declared: features that the file itself declares.
        untyped: whether every column is text because the format has no types (CSV, TSV): columns
            of numbers are then found out over all rows.
    """

    batches: Iterator[pa.RecordBatch]
    declared: Features = field(default_factory=dict)
    untyped: bool = False


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        kind: its name, for errors and documentation.
        suffixes: of its files, in lower case and with the dot.
        read: reads a file under the options given. It raises `DataError` for a file that cannot be
            read, naming the place; rows that are bad each for itself go to `BadRows.refuse`.
        options: names of the options it knows.
        parts: names of the splits within one file; None where a file holds but one.
    """

    kind: str
    suffixes: tuple[str, ...]
    read: Callable[[DataFile, Options, BadRows], Content]
    options: frozenset[str] = frozenset()
    parts: Callable[[DataFile, Options], list[str] | None] = lambda _file, _options: None


def batches_of(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The batches of a table; one without rows where it has none."""
    batches = table.to_batches()
    return iter(batches or [pa.RecordBatch.from_pylist([], table.schema)])
