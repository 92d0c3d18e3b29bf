"""From what a user names to the files, tables and streams that each split is read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from graft.data.arrow_types import plain_schema
from graft.data.card import CARD, card_features, read_card
from graft.data.checks import check_unique
from graft.data.data_file import DataFile, Options
from graft.data.features import ClassLabel, Features
from graft.data.labels import dictionary_names
from graft.data.raw import InMemory, Piece
from graft.data.readers import SUFFIXES, files_of, format_of
from graft.data.splits import choose_config, find_splits, ranked, split_of_file, split_of_part
from graft.errors import DataError
from graft.hub.client import local_folder
from graft.hub.names import is_repo_id

Frame: TypeAlias = Any
"""A pandas DataFrame or a `pyarrow.Table`; pandas itself is never imported."""

Source: TypeAlias = "str | Path | Frame | Mapping[str, str | Path | list[str | Path] | Frame]"


@dataclass(frozen=True)
class Plan:
    """What a data set is read from.

    Attributes:
        name: of the data set, as errors say it.
        splits: the pieces of each split, in order.
        declared: features that its card declares.
        metadata: the YAML header of its card.
    """

    name: str
    splits: dict[str, list[Piece]]
    declared: Features = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def plan(source: Source, revision: str | None, config: str | None, options: Options) -> Plan:
    """What to read for a file, a folder, a repository, a data frame, or a dict of split -> source.

    Raises `DataError` (or `HubError`, `CardError`) for what is not there.
    """
    if isinstance(source, Mapping):
        return Plan("dict", _plan_mapping(source))
    if not isinstance(source, str | Path):
        return Plan("data frame", {"train": [_frame(source, "data frame")]})
    name, path = str(source), Path(source).expanduser()
    if path.is_file():
        files: list[Piece] = [*files_of(path, name)]
        return Plan(name, _parts_of_files({split_of_file(path): files}, options))
    if not path.exists():
        path = _from_hub(name, revision)
    return _plan_folder(path, name, config, options)


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


def _plan_folder(folder: Path, name: str, config: str | None, options: Options) -> Plan:
    metadata = read_card(folder, f"{name}/{CARD}")
    chosen = choose_config(metadata, config, name)
    config_name = config or (str(chosen["config_name"]) if "config_name" in chosen else None)
    splits: dict[str, list[Piece]] = {}
    for split, paths in find_splits(folder, chosen, name).items():
        splits[split] = [
            file for path in paths for file in files_of(path, f"{name}/{path.relative_to(folder)}")
        ]
    splits = _parts_of_files(splits, options)
    return Plan(name, splits, card_features(metadata, config_name), metadata)


def _parts_of_files(splits: dict[str, list[Piece]], options: Options) -> dict[str, list[Piece]]:
    """The same, or the splits within the one file that there is."""
    pieces = [piece for split in splits.values() for piece in split]
    file = pieces[0]
    if len(pieces) != 1 or not isinstance(file, DataFile):
        return splits
    parts = format_of(file).parts(file, options)
    if parts is None:
        return splits
    named: dict[str, list[Piece]] = {}
    for part in parts:
        split = split_of_part(part)
        split = part if split in named else split
        named[split] = [replace(file, part=part)]
    return ranked(named)


def _plan_mapping(source: Mapping[str, Any]) -> dict[str, list[Piece]]:
    splits: dict[str, list[Piece]] = {}
    for split, value in source.items():
        items = value if isinstance(value, list) else [value]
        if not items or not all(_is_readable(item) for item in items):
            raise DataError(
                f"The dict's value for {split!r} is a {type(value).__name__}. Each key is the name "
                "of a split, each value a file's path, a list of paths, or a pandas DataFrame."
            )
        pieces: list[Piece] = []
        for item in items:
            if isinstance(item, str | Path):
                pieces += files_of(Path(item).expanduser(), str(item))
            else:
                pieces.append(_frame(item, f"data frame {split!r}"))
        splits[str(split)] = pieces
    if not splits:
        raise DataError("The dict is empty. Give a source for each split: {'train': ...}.")
    return splits


def _is_readable(item: object) -> bool:
    return isinstance(item, str | Path | pa.Table) or _is_pandas(item)


def _is_pandas(item: object) -> bool:
    return type(item).__name__ == "DataFrame" and type(item).__module__.startswith("pandas")


def _frame(frame: Frame, name: str) -> InMemory:
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
    declared: Features = {
        column: ClassLabel(names) for column, names in categories.items() if names
    }
    plain = table.replace_schema_metadata(None).cast(plain_schema(table.schema))
    return InMemory(name, plain, declared)


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
