"""The step "load": files are read and shaped once, and opened memory-mapped ever after."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa

from graft.data.cache import Entry, Step, computed
from graft.data.cache.files import EntryWriter
from graft.data.dataset import Dataset
from graft.data.feature_forms import features_from_json, features_to_json
from graft.data.features import Features
from graft.data.fingerprint import digest
from graft.data.fingerprint.files import file_digest
from graft.data.formats.bad_rows import NONE, SCHEMA, BadRows
from graft.data.formats.data_file import DataFile, Options
from graft.data.reading.raw import (
    InMemory,
    Memory,
    OnDisk,
    Piece,
    RawData,
    Store,
    Stream,
    read_split,
    told,
)
from graft.data.reading.settle import Blank, assembled, blank_texts, settle
from graft.data.reading.shape import Shape, shape
from graft.data.reading.sources import Plan
from graft.data.roles import Roles

# Part of every fingerprint: a new one when files are read or shaped in another way.
_VERSION = 3
_BAD_ROWS = "bad rows"
_NUMBER = "#"


@dataclass(frozen=True)
class Loaded:
    """A data set that was read, or opened.

    Attributes:
        splits: by name.
        files: the names and numbers of rows of the pieces of each split.
        blank: the blank texts of each split.
        bad_rows: rows that were set aside; `bad_count` is how many.
    """

    splits: dict[str, Dataset]
    files: dict[str, list[tuple[str, int]]]
    blank: dict[str, Blank]
    bad_rows: pa.Table
    bad_count: int


def load(
    plan: Plan, given: Mapping[str, str], options: Options, *, collect: bool, cache: bool
) -> Loaded:
    """Reads and shapes what is planned, or opens what was kept of it.

    `given` are the columns given a role by hand. Raises `DataError` for what cannot be read.
    """
    bad = BadRows(collect)
    pieces = [piece for split in plan.splits.values() for piece in split]
    if all(isinstance(piece, InMemory) for piece in pieces):
        return _in_memory(plan, given, options, bad)

    def write(writer: EntryWriter) -> None:
        _write(writer, plan, given, options, bad)

    kept = cache and all(_is_kept(piece) for piece in pieces)
    entry = computed(
        "load", lambda: parts_of(plan, given, options, collect=collect), write, cache=kept
    )
    return _opened(plan, entry, kept=kept)


def _in_memory(plan: Plan, given: Mapping[str, str], options: Options, bad: BadRows) -> Loaded:
    raw, shaped, settled = _read_and_settle(plan, given, options, bad, Memory())
    splits, files, blank = {}, {}, {}
    for number, (name, split) in enumerate(raw.splits.items()):
        columns = [(column.source, column.name) for column in shaped.columns]
        table = assembled(columns, split.tables, settled.get(str(number)))
        splits[name] = Dataset(
            table, features=shaped.features, roles=shaped.roles, source=split.where
        )
        files[name] = split.files
        blank[name] = _blank(table, shaped.roles)
    return Loaded(splits, files, blank, bad.table(), bad.count)


def _read_and_settle(
    plan: Plan, given: Mapping[str, str], options: Options, bad: BadRows, store: Store
) -> tuple[RawData, Shape, dict[str, pa.Table]]:
    splits = {
        name: read_split(name, str(number), pieces, options, bad, store)
        for number, (name, pieces) in enumerate(plan.splits.items())
    }
    raw = RawData(plan.name, splits, plan.declared, plan.metadata)
    shaped = shape(raw, given, bad)
    settled = {}
    for number, (name, split) in enumerate(splits.items()):
        table = settle(name, str(number), split, shaped, store)
        if table is not None:
            settled[str(number)] = table
    return raw, shaped, settled


def _write(
    writer: EntryWriter, plan: Plan, given: Mapping[str, str], options: Options, bad: BadRows
) -> None:
    store = OnDisk(writer)
    raw, shaped, settled = _read_and_settle(plan, given, options, bad, store)
    columns = [(column.source, column.name) for column in shaped.columns]
    abouts = []
    for number, split in enumerate(raw.splits.values()):
        table = assembled(columns, split.tables, settled.get(str(number)))
        if store.in_memory:
            store.write(str(number), table.schema, table.to_batches())
        abouts.append(
            {
                "rows": [rows for _, rows in split.files],
                "blank": asdict(_blank(table, shaped.roles)),
            }
        )
    if bad.count:
        with writer.table(_BAD_ROWS, SCHEMA) as table:
            table.write(_with_numbers(bad.table(), raw))
    writer.metadata.update(
        columns=columns,
        features=features_to_json(shaped.features),
        roles=shaped.roles.given(),
        splits=abouts,
        bad_rows=bad.count,
    )


def _with_numbers(bad: pa.Table, raw: RawData) -> pa.Table:
    """The bad rows with the numbers of files (#0) in place of their names.

    Names are not kept: the same files may lie elsewhere the next time. But those of files within a
    piece of many, such as a folder of documents, stay as they are.
    """
    names = [name for split in raw.splits.values() for name, _ in split.files]
    known = {name: f"{_NUMBER}{number}" for number, name in enumerate(names)}
    numbers = [known.get(name, name) for name in bad["file"].to_pylist()]
    return bad.set_column(0, "file", pa.array(numbers, pa.string()))


def _opened(plan: Plan, entry: Entry, *, kept: bool) -> Loaded:
    about = entry.metadata
    features: Features = features_from_json(about["features"])
    roles = Roles(**about["roles"])
    columns = [(source, name) for source, name in about["columns"]]
    splits, files, blank = {}, {}, {}
    for number, (name, pieces) in enumerate(plan.splits.items()):
        own = about["splits"][number]
        raw = [table for key, table in entry.tables.items() if key.startswith(f"{number}/")]
        table = assembled(columns, raw, entry.tables.get(str(number)))
        files[name] = [(piece.name, rows) for piece, rows in zip(pieces, own["rows"], strict=True)]
        fingerprint = Step("split", {"load": entry.fingerprint, "split": name}).fingerprint
        splits[name] = Dataset(
            table,
            features=features,
            roles=roles,
            source=told(files[name]),
            fingerprint=fingerprint if kept else None,
        )
        blank[name] = Blank(**own["blank"])
    names = [name for own in files.values() for name, _ in own]
    bad = entry.tables.get(_BAD_ROWS, NONE)
    if bad.num_rows:
        known = {f"{_NUMBER}{number}": name for number, name in enumerate(names)}
        named = [known.get(file, file) for file in bad["file"].to_pylist()]
        bad = bad.set_column(0, "file", pa.array(named, pa.string()))
    return Loaded(splits, files, blank, bad, about["bad_rows"])


def parts_of(
    plan: Plan, given: Mapping[str, str], options: Options, *, collect: bool
) -> dict[str, str]:
    """What the result depends on; where files lie and what they are called does not count."""
    parts = {
        "way of loading": str(_VERSION),
        "bad rows": "collect" if collect else "raise",
        "card": digest({"metadata": plan.metadata, "features": repr(plan.declared)}),
        **{f"role of {role}": column for role, column in given.items()},
        **{f"option {name}": digest(value) for name, value in options.items()},
    }
    for split, pieces in plan.splits.items():
        for number, piece in enumerate(pieces, start=1):
            key = f"split {split}, file {number}"
            if isinstance(piece, DataFile):
                parts[key] = piece.remote or file_digest(piece.path)
                parts[f"{key}: format"] = piece.suffix
                inside = {"member": piece.member, "part": piece.part}
                parts |= {f"{key}: {name}": at for name, at in inside.items() if at is not None}
            elif isinstance(piece, InMemory):
                parts[key] = digest(piece.table)
                parts[f"{key}: features"] = repr(piece.declared)
            elif piece.parts is not None:
                parts |= {f"{key}: {name}": part for name, part in piece.parts().items()}
    return parts


def _is_kept(piece: Piece) -> bool:
    return not isinstance(piece, Stream) or piece.parts is not None


def _blank(table: pa.Table, roles: Roles) -> Blank:
    columns = [column for column in (roles.text, roles.text_pair) if column is not None]
    return blank_texts(table, columns)
