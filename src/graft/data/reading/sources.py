"""From what a user names to the files, tables and streams that each split is read from."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from graft.data.features import Features
from graft.data.formats.archive import data_file, is_archive
from graft.data.formats.data_file import DataFile, Options
from graft.data.formats.readers import FORMATS, format_of, is_data_file, reads
from graft.data.reading.class_folders import class_streams
from graft.data.reading.folder_files import (
    TEXTS,
    Files,
    archive_files,
    chosen_data,
    data_files,
    files_at,
    matching,
    matching_files,
)
from graft.data.reading.memory import in_memory, is_columns, is_rows
from graft.data.reading.raw import Piece
from graft.data.reading.remote import repository
from graft.data.reading.repository import fetched, hub_address, is_hub_address, pattern_of
from graft.data.reading.splits import (
    base_of,
    choose_config,
    find_splits,
    ranked,
    split_of_file,
    split_of_part,
    splits_among,
    splits_by_name,
)
from graft.data.reading.sql_source import is_sql_url, sql_stream
from graft.data.writing.card import CARD, card_features, card_of, read_card
from graft.data.writing.disk import files_on_disk
from graft.errors import DataError
from graft.hub.names import is_repo_id

Rows: TypeAlias = Any
"""Rows in memory: a data frame of pandas or Polars, a table of Arrow, a list, a generator, ..."""

Source: TypeAlias = "str | Path | Rows | Mapping[str, str | Path | list[str | Path] | Rows]"

# Options of sources that are no files of a format.
_OPTIONS = ("data_files", "gen_kwargs", "keep", "parameters", "query")
_LONGEST_PATH = 1024


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


def plan(
    source: Source,
    revision: str | None,
    config: str | None,
    options: Options,
    *,
    streaming: bool = False,
) -> Plan:
    """What to read for anything that `load_dataset` takes.

    With `streaming`, repositories are not downloaded, and files are read but once.

    Raises `DataError` (or `HubError`, `CardError`) for what is not there, and for an option that
    no source of this kind has.
    """
    _check_options(options)
    planned = _plan(source, revision, config, options, streaming)
    _check_used(planned, options)
    if not streaming:
        return planned
    splits = {name: [*map(_streamed, pieces)] for name, pieces in planned.splits.items()}
    return replace(planned, splits=splits)


def _streamed(piece: Piece) -> Piece:
    return replace(piece, streamed=True) if isinstance(piece, DataFile) else piece


def _plan(
    source: Source, revision: str | None, config: str | None, options: Options, streaming: bool
) -> Plan:
    if isinstance(source, Mapping):
        if is_columns(source) and not any(_are_files(value) for value in source.values()):
            return Plan("dict", {"train": [in_memory(source, "dict", options)]})
        return Plan("dict", _plan_mapping(source, options, streaming))
    if isinstance(source, list) and _are_files(source):
        return Plan("list", _plan_mapping({"train": source}, options, streaming))
    if not isinstance(source, str | Path):
        name = _told(source)
        return Plan(name, {"train": [in_memory(source, name, options)]})
    name = str(source)
    if not name:
        raise DataError("The path of the data set is empty. Give a path, or '.' for this folder.")
    if is_sql_url(name):
        stream = sql_stream(name, options)
        return Plan(stream.name, {"train": [stream]})
    if is_hub_address(name):
        address = hub_address(name)
        files = options.get("data_files") or pattern_of(address.path)
        where = (address.repo_id, revision or address.revision)
        chosen = {**options, "data_files": files}
        return _plan_repository(*where, name, config, chosen, streaming)
    path = Path(source).expanduser()
    if _is_repository(path, name):
        return _plan_repository(name, revision, name, config, options, streaming)
    if revision is not None:
        raise DataError(
            f"{name} is a path here, which has no revision={revision!r}. Leave it out, "
            "or give a repository on the hub as hf://datasets/owner/name."
        )
    return _plan_path(path, name, config, options)


def _check_options(options: Options) -> None:
    known = {*_OPTIONS, *(name for each in FORMATS for name in each.options)}
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise DataError(
                f"load_dataset has no option {name!r}.{meant} Its options are: "
                f"{', '.join(sorted(known))}."
            )


def _check_used(planned: Plan, options: Options) -> None:
    """Raises `DataError` for an option that none of the files that are planned to be read has."""
    pieces = [piece for split in planned.splits.values() for piece in split]
    files = [piece for piece in pieces if isinstance(piece, DataFile)]
    if len(files) < len(pieces):
        return
    formats = {file.suffix: format_of(file) for file in files}.values()
    known = {*_OPTIONS, *(name for each in formats for name in each.options)}
    for name in options:
        if name not in known:
            kinds = ", ".join(dict.fromkeys(each.kind for each in formats))
            raise DataError(f"{planned.name}: {kinds} has no option {name!r}. Leave it out.")


def _plan_path(path: Path, name: str, config: str | None, options: Options) -> Plan:
    if path.is_file() and is_archive(path):
        return Plan(name, _splits_of(archive_files(path, name), name, options))
    if path.is_file():
        file = data_file(path, name)
        return Plan(name, _parts_of_files({split_of_file(path): [file]}, options))
    return _plan_folder(path, name, config, options)


def _is_repository(path: Path, name: str) -> bool:
    """Whether a source is no path. Raises `DataError` where it cannot be a repository either."""
    if path.is_file() or path.is_dir():
        return False
    if reads(path) or is_archive(path):
        raise DataError(f"{name}: there is no such file. {_other_way(name)}")
    if not is_repo_id(name):
        raise DataError(
            f"{name!r} is neither a file or folder that exists nor a possible repository id. "
            f"{_other_way(name)}"
        )
    return True


def _other_way(name: str) -> str:
    """What to do about a name that names no file."""
    if "://" in name:
        return "Graft opens no web addresses: download the file first, and give its path."
    if any(mark in name for mark in "*?["):
        return "For files by a pattern: load_dataset('<folder>', data_files='<pattern>')."
    if is_data_file(PurePosixPath(name)):
        return "Check the path."
    return "Give a path, or the id of a data set on the hub, such as owner/name."


def _plan_repository(
    repo_id: str,
    revision: str | None,
    name: str,
    config: str | None,
    options: Options,
    streaming: bool,
) -> Plan:
    if streaming:
        return _plan_remote(repo_id, revision, name, config, options)
    folder = fetched(repo_id, revision, config, options.get("data_files"))
    return _plan_folder(folder, name, config, options)


def _plan_remote(
    repo_id: str, revision: str | None, name: str, config: str | None, options: Options
) -> Plan:
    """As `_plan_folder`, of files that stay where they are."""
    metadata, files, expand = repository(repo_id, revision, name)
    given = options.get("data_files")
    chosen = choose_config(metadata, config, name) if given is None else {}
    config_name = config or (str(chosen["config_name"]) if "config_name" in chosen else None)
    inner = PurePosixPath(str(chosen.get("data_dir") or "").strip("/"))
    within = {at.relative_to(inner): file for at, file in files.items() if at.is_relative_to(inner)}
    listed = chosen.get("data_files") if given is None else given
    if listed is not None:
        written_in = f"{name}: data_files" if given else f"{name}/{CARD}: its configs"
        found = splits_among(
            lambda pattern: expand(matching(within, pattern, written_in)), listed, name
        )
        splits = _parts_of_files(_pieces(found), options)
    else:
        splits = _splits_of(expand(chosen_data(within, name)), name, options)
    declared = card_features(metadata, config_name)
    return Plan(name, splits, declared, card_of(metadata, config_name))


def _plan_folder(folder: Path, name: str, config: str | None, options: Options) -> Plan:
    metadata = read_card(folder, f"{name}/{CARD}")
    given = options.get("data_files")
    chosen = choose_config(metadata, config, name) if given is None else {}
    config_name = config or (str(chosen["config_name"]) if "config_name" in chosen else None)
    splits: dict[str, list[Piece]]
    if given is not None:
        found = find_splits(folder, {"data_files": given}, name, f"{name}: data_files")
        splits = _parts_of_files(_pieces(found), options)
    elif chosen.get("data_files") is not None:
        splits = _parts_of_files(_pieces(find_splits(folder, chosen, name)), options)
    elif (saved := files_on_disk(folder, name)) is not None:
        splits = {
            split: [DataFile.of(path, f"{name}/{path.relative_to(folder)}") for path in paths]
            for split, paths in saved.items()
        }
    else:
        base, where = base_of(folder, chosen, name)
        splits = _splits_of(data_files(base, where), where, options)
    declared = card_features(metadata, config_name)
    return Plan(name, splits, declared, card_of(metadata, config_name))


def _splits_of(files: Files, name: str, options: Options) -> dict[str, list[Piece]]:
    """The splits that files make up by their names, labelled by folders where those are classes."""
    if all(file.suffix in TEXTS for file in files.values()):
        streams = class_streams(files, name, options)
        if streams is not None:
            return ranked({split: [stream] for split, stream in streams.items()})
    return _parts_of_files(_pieces(splits_by_name(files, name)), options)


def _pieces(found: Mapping[str, list[DataFile]]) -> dict[str, list[Piece]]:
    return {split: [*files] for split, files in found.items()}


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


def _plan_mapping(
    source: Mapping[str, Any], options: Options, streaming: bool
) -> dict[str, list[Piece]]:
    splits: dict[str, list[Piece]] = {}
    for split, value in source.items():
        items = value if isinstance(value, list) and not _are_rows(value) else [value]
        if not items or not all(isinstance(item, str | Path) or is_rows(item) for item in items):
            raise DataError(
                f"The dict's value for {split!r} is a {type(value).__name__}. Each key is the name "
                "of a split, each value a file's path, a list of paths, a data frame or rows. Of "
                "data sets: DatasetDict({...})."
            )
        pieces: list[Piece] = []
        for item in items:
            if isinstance(item, str) and is_hub_address(item):
                pieces += _hub_files(item, streaming)
            elif isinstance(item, str | Path):
                path = Path(item).expanduser()
                pieces += files_at(path, PurePosixPath(path.name), str(item)).values()
            else:
                pieces.append(in_memory(item, f"{_told(item)} {split!r}", options))
        splits[str(split)] = pieces
    if not splits:
        raise DataError("The dict is empty. Give a source for each split: {'train': ...}.")
    return splits


def _hub_files(item: str, streaming: bool) -> list[DataFile]:
    """The files that an address on a hub names."""
    address = hub_address(item)
    pattern = pattern_of(address.path) or "**/*"
    if streaming:
        _, files, expand = repository(address.repo_id, address.revision, address.repo_id)
        return [*expand(chosen_data(matching(files, pattern, item), item)).values()]
    folder = fetched(address.repo_id, address.revision, None, pattern)
    return [*matching_files(folder, pattern, item, item).values()]


def _are_files(value: object) -> bool:
    """Whether a list is one of files or of data frames rather than of rows or values."""
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    if isinstance(first, str):
        return is_data_file(Path(first)) or (len(first) < _LONGEST_PATH and Path(first).is_file())
    return isinstance(first, Path) or (is_rows(first) and not isinstance(first, list | tuple))


def _are_rows(value: list[Any]) -> bool:
    """Whether a list is one of rows: dicts, or texts that name no file."""
    return bool(value) and not _are_files(value)


def _told(source: object) -> str:
    kind = type(source).__name__
    return "data frame" if kind == "DataFrame" else kind
