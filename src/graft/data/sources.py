"""From what a user names to raw splits: tables as the files have them, each row still traceable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from graft.data.bad_rows import BadRows
from graft.data.card import CARD, card_features, read_card
from graft.data.checks import check_unique
from graft.data.data_file import plain_schema
from graft.data.features import ClassLabel, Features
from graft.data.labels import dictionary_names
from graft.data.readers import SUFFIXES, files_of, read_file
from graft.data.splits import choose_config, find_splits, split_of_file
from graft.errors import DataError
from graft.hub.client import local_folder
from graft.hub.names import is_repo_id

Frame: TypeAlias = Any
"""A pandas DataFrame or a `pyarrow.Table`; pandas itself is never imported."""

Source: TypeAlias = "str | Path | Frame | Mapping[str, str | Path | list[str | Path] | Frame]"


@dataclass(frozen=True)
class FileTable:
    """What one file or data frame holds; see `graft.data.data_file.Content`."""

    name: str
    table: pa.Table
    declared: Features = field(default_factory=dict)
    untyped: bool = False


@dataclass(frozen=True)
class RawSplit:
    """One split as its files have it.

    Attributes:
        table: the rows of all files, one after the other.
        files: each file's name and number of rows, in the same order.
        declared: features that the files declare.
        untyped: whether every column is text because the files' format has no types.
    """

    table: pa.Table
    files: list[tuple[str, int]]
    declared: Features = field(default_factory=dict)
    untyped: bool = False

    @property
    def where(self) -> str:
        """The files' names, for an error."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return self.files[0][0] + more

    def where_rows(self, rows: list[int]) -> str:
        """Names rows (from 0 over all files, ascending) by file and number there, from 1."""
        places = []
        start = 0
        for name, count in self.files:
            numbers = [str(row - start + 1) for row in rows if start <= row < start + count]
            if numbers:
                places.append(f"{name}, row{'s' * (len(numbers) > 1)} {', '.join(numbers)}")
            start += count
        return "; ".join(places)


@dataclass(frozen=True)
class RawData:
    """All splits of a data set, and what its card declares."""

    name: str
    splits: dict[str, RawSplit]
    declared: Features = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def read_source(source: Source, revision: str | None, config: str | None) -> RawData:
    """Reads a file, a folder, a repository of a hub, a data frame, or a dict of split -> source.

    Raises `DataError` (or `HubError`, `CardError`) for anything that cannot be read whole.
    """
    if isinstance(source, Mapping):
        return RawData("dict", _read_mapping(source))
    if not isinstance(source, str | Path):
        return RawData("data frame", {"train": _join([_read_frame(source, "data frame")], "train")})
    name, path = str(source), Path(source).expanduser()
    if path.is_file():
        split = split_of_file(path)
        return RawData(name, {split: _join([_read_file(path, name)], split)})
    if not path.exists():
        path = _from_hub(name, revision)
    return _read_folder(path, name, config)


def _from_hub(name: str, revision: str | None) -> Path:
    if Path(name).suffix.lower() in SUFFIXES:
        raise DataError(f"{name}: there is no such file. Check the path.")
    if not is_repo_id(name):
        raise DataError(
            f"{name!r} is neither a file or folder that exists nor a possible repository id. "
            "Give a path, or the id of a data set on the hub, such as owner/name."
        )
    patterns = [CARD, *(f"*{suffix}" for suffix in SUFFIXES)]
    return local_folder(name, repo_type="dataset", revision=revision, patterns=patterns)


def _read_folder(folder: Path, name: str, config: str | None) -> RawData:
    metadata = read_card(folder, f"{name}/{CARD}")
    chosen = choose_config(metadata, config, name)
    config_name = config or (str(chosen["config_name"]) if "config_name" in chosen else None)
    splits = {}
    for split, paths in find_splits(folder, chosen, name).items():
        files = [_read_file(path, f"{name}/{path.relative_to(folder)}") for path in paths]
        splits[split] = _join(files, split)
    return RawData(name, splits, card_features(metadata, config_name), metadata)


def _read_mapping(source: Mapping[str, Any]) -> dict[str, RawSplit]:
    splits = {}
    for split, value in source.items():
        items = value if isinstance(value, list) else [value]
        if not items or not all(_is_readable(item) for item in items):
            raise DataError(
                f"The dict's value for {split!r} is a {type(value).__name__}. Each key is the name "
                "of a split, each value a file's path, a list of paths, or a pandas DataFrame."
            )
        files = [
            _read_file(Path(item).expanduser(), str(item))
            if isinstance(item, str | Path)
            else _read_frame(item, f"data frame {split!r}")
            for item in items
        ]
        splits[str(split)] = _join(files, str(split))
    if not splits:
        raise DataError("The dict is empty. Give a source for each split: {'train': ...}.")
    return splits


def _is_readable(item: object) -> bool:
    return isinstance(item, str | Path | pa.Table) or _is_pandas(item)


def _is_pandas(item: object) -> bool:
    return type(item).__name__ == "DataFrame" and type(item).__module__.startswith("pandas")


def _read_file(path: Path, name: str) -> FileTable:
    (file,) = files_of(path, name)
    content = read_file(file, {}, BadRows())
    parts = {f"{name} {n}": pa.Table.from_batches([b]) for n, b in enumerate(content.batches)}
    table = concatenate(parts)
    return FileTable(name, table, content.declared, content.untyped)


def _read_frame(frame: Frame, name: str) -> FileTable:
    if isinstance(frame, pa.Table):
        table = frame
    elif _is_pandas(frame):
        table = _from_pandas(frame, name)
    else:
        raise DataError(
            f"A {type(frame).__name__} is no data set. Give a path, a repository id, a pandas "
            "DataFrame, a pyarrow.Table, or a dict of split -> one of these."
        )
    check_unique(table.column_names, name)
    categories = {column: dictionary_names(table[column]) for column in table.column_names}
    declared = {column: ClassLabel(names) for column, names in categories.items() if names}
    return FileTable(
        name, table.replace_schema_metadata(None).cast(plain_schema(table.schema)), dict(declared)
    )


def _from_pandas(frame: Frame, name: str) -> pa.Table:
    columns = [str(column) for column in frame.columns]
    check_unique(columns, name)
    arrays = []
    for position, column in enumerate(columns):
        try:
            array = pa.Array.from_pandas(frame.iloc[:, position])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{name}, column {column!r}: values of several kinds ({reason}). "
                f"Make them one kind, for instance with df[{column!r}].astype(str)."
            ) from error
        arrays.append(array)
    return pa.table(arrays, names=columns)


def _join(files: list[FileTable], split: str) -> RawSplit:
    """One split of several files: the same columns in each, in any order."""
    first = files[0]
    for file in files[1:]:
        if set(file.table.column_names) != set(first.table.column_names):
            raise DataError(
                f"{first.name} and {file.name} are both in the split {split!r}, but their columns "
                f"differ: {', '.join(first.table.column_names)} / "
                f"{', '.join(file.table.column_names)}. Give them the same columns."
            )
    table = concatenate({file.name: file.table for file in files})
    rows = [(file.name, file.table.num_rows) for file in files]
    if table.num_rows == 0:
        raise DataError(
            f"{first.name}: the split {split!r} has no rows. Add rows, or leave the file out."
        )
    declared = {
        name: feature for file in reversed(files) for name, feature in file.declared.items()
    }
    return RawSplit(table, rows, declared, all(file.untyped for file in files))


def concatenate(tables: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of all tables; a column that one lacks is null there, numbers take a common type.

    The keys name the tables' sources. Raises `DataError` for a column of different kinds.
    """
    try:
        return pa.concat_tables(tables.values(), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _type_conflict(tables) from error


def _type_conflict(tables: Mapping[str, pa.Table]) -> DataError:
    seen: dict[str, tuple[str, pa.Schema]] = {}
    for name, table in tables.items():
        for column in table.schema:
            first, schema = seen.setdefault(column.name, (name, pa.schema([column])))
            if not _unify(schema, pa.schema([column])):
                return DataError(
                    f"{name}, column {column.name!r}: it holds {column.type}, but "
                    f"{schema.field(0).type} in {first}. Write it in one way in all files."
                )
    return DataError(f"The columns of {', '.join(tables)} differ in type.")


def _unify(first: pa.Schema, second: pa.Schema) -> bool:
    try:
        pa.unify_schemas([first, second], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def union_columns(tables: Iterable[pa.Table]) -> list[str]:
    """All column names, in the order in which they first occur."""
    return list(dict.fromkeys(name for table in tables for name in table.column_names))
