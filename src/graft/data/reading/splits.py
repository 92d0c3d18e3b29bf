"""Which files make up which split of a data set: from their names, or from the card."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from graft.data.formats.data_file import DataFile
from graft.data.reading.folder_files import (
    SPLIT_WORDS,
    Files,
    data_files,
    matching_files,
    natural,
    stem,
)
from graft.data.writing.card import DEFAULT, configs_of
from graft.errors import DataError

T = TypeVar("T")

_ORDER = ["train", "validation", "test"]
# train-00000-of-00002, and the same with a checksum behind it.
_SHARD = re.compile(r"[-_.]\d+[-_.]of[-_.]\d+([-_.][0-9a-f]{8,})?$")
_NUMBERED = re.compile(r"(^|[-_.])\d+$")
_SHARD_WORDS = {"", "part", "shard", "chunk", "data", *SPLIT_WORDS}
_WORDS_BETWEEN = re.compile(r"[-_. ]+")


@dataclass(frozen=True)
class _Name:
    """What a file's name tells: its split, how surely, and the file it is a shard of."""

    split: str
    own: str
    sure: bool
    group: str


def find_splits(
    folder: Path, config: Mapping[str, Any], where: str, written_in: str | None = None
) -> dict[str, list[DataFile]]:
    """The data files of a folder, by split: train, validation and test first, then by name.

    `config` is what `choose_config` gave: its `data_dir` and `data_files` decide where there are
    any; else the names of files and sub-folders do. Shards of one file follow each other by number.
    `where` names the data set in errors, `written_in` the place where `data_files` stands.

    Raises `DataError` when there is no data file, when `data_files` names files that are not there,
    and when two files claim the same split.
    """
    written_in = written_in or f"{where}/README.md: its configs"
    base, where = base_of(folder, config, where)
    listed = config.get("data_files")
    if listed is None:
        return splits_by_name(data_files(base, where), where)
    return ranked(
        _by_patterns(
            lambda pattern: matching_files(base, pattern, where, written_in), listed, where
        )
    )


def splits_among(
    matches: Callable[[str], Files], listed: Any, where: str
) -> dict[str, list[DataFile]]:
    """The files that `data_files` lists, by split; `matches` gives those of a pattern."""
    return ranked(_by_patterns(matches, listed, where))


def base_of(folder: Path, config: Mapping[str, Any], where: str) -> tuple[Path, str]:
    """The folder that `data_dir` of a configuration names, and how errors name it."""
    inner = str(config.get("data_dir") or "").strip("/")
    if Path(inner).is_absolute() or ".." in Path(inner).parts:
        raise DataError(f"{where}/README.md: data_dir may not point out of the folder: {inner!r}.")
    return (folder / inner, f"{where}/{inner}") if inner else (folder, where)


def ranked(splits: Mapping[str, T]) -> dict[str, T]:
    """Splits in their order: train, validation and test first, then as they are."""
    names = sorted(splits, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {name: splits[name] for name in names}


def split_of_part(name: str) -> str:
    """The split that a name within a file means: "val" is "validation"; others stay as they are."""
    return SPLIT_WORDS.get(name.lower(), name)


def choose_config(metadata: Mapping[str, Any], wanted: str | None, where: str) -> Mapping[str, Any]:
    """The entry of the card's `configs` to load: the one `wanted`, else the default or only one.

    {} where the card has none. Raises `DataError` when there is none of that name, or several and
    no default; `where` names the data set.
    """
    by_name = configs_of(metadata)
    if wanted is not None:
        if wanted not in by_name:
            raise DataError(
                f"{where} has no configuration {wanted!r}. "
                f"Those in its README.md: {', '.join(by_name) or 'none'}."
            )
        return by_name[wanted]
    flagged = (entry for entry in by_name.values() if entry.get("default"))
    default = next(flagged, by_name.get(DEFAULT))
    if default is None and len(by_name) > 1:
        raise DataError(
            f"{where} has several configurations: {', '.join(by_name)}. "
            f"Give one: config={next(iter(by_name))!r}."
        )
    return default or next(iter(by_name.values()), {})


def split_of_file(path: Path) -> str:
    """The split that a file given on its own is: by its name, else "train"."""
    name = _parse(PurePosixPath(path.name))
    return name.split if name.split in _ORDER else "train"


def splits_by_name(files: Files, where: str) -> dict[str, list[DataFile]]:
    """Files by the splits that their names and folders mean, as `find_splits` has them."""
    groups: dict[str, list[DataFile]] = {}
    names: dict[str, _Name] = {}
    firsts: dict[str, PurePosixPath] = {}
    for at in sorted(files, key=natural):
        name = _parse(at)
        names[name.group] = name
        firsts.setdefault(name.group, at)
        groups.setdefault(name.group, []).append(files[at])
    if len(names) == 1:
        (name,) = names.values()
        return {name.split if name.split in _ORDER else "train": groups[name.group]}
    splits: dict[str, str] = {}
    for group, name in names.items():
        split = name.split if name.sure or _only_claim(name, names.values()) else name.own
        if split in splits:
            raise DataError(
                f"{where}: {firsts[splits[split]]} and {firsts[group]} are both the split "
                f"{split!r}. Name the splits by hand, load_dataset({{'train': '<file>', ...}}), "
                "give the sub-folder that is meant, or rename or remove one of them."
            )
        splits[split] = group
    return ranked({split: groups[group] for split, group in splits.items()})


def _only_claim(name: _Name, names: Iterable[_Name]) -> bool:
    return sum(other.split == name.split for other in names) == 1


def _parse(at: PurePosixPath) -> _Name:
    for depth in range(len(at.parts) - 1, 0, -1):
        word = at.parts[depth - 1].lower()
        if word in SPLIT_WORDS:
            return _Name(SPLIT_WORDS[word], word, True, "/".join(at.parts[:depth]) + "/")
    shard = unsharded(stem(at))
    suffixes = at.name[len(stem(at)) :].lower()
    group = (at.parent / shard).as_posix() + suffixes
    own = _as_name(shard)
    if shard.lower() in SPLIT_WORDS:
        return _Name(SPLIT_WORDS[shard.lower()], own, True, group)
    folders = [part for part in at.parts[:-1] if part.lower() != "data"]
    if folders:
        return _Name(_as_name(folders[0]), _as_name(folders[0]), True, folders[0] + "/")
    words = _WORDS_BETWEEN.split(shard.lower())
    for word in (words[0], words[-1]):
        if word in SPLIT_WORDS:
            return _Name(SPLIT_WORDS[word], own, False, group)
    return _Name(own or "train", own or "train", True, group)


def unsharded(name: str) -> str:
    """The name of the file that one of this name is a shard of: `a` for `a-00000-of-00002`."""
    numbered = _NUMBERED.sub("", name)
    return numbered if numbered.lower() in _SHARD_WORDS else _SHARD.sub("", name)


def _as_name(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


def _by_patterns(
    matches: Callable[[str], Files], listed: Any, where: str
) -> dict[str, list[DataFile]]:
    splits: dict[str, list[DataFile]] = {}
    unnamed: Files = {}
    for split, pattern in patterns_of(listed):
        files = matches(pattern)
        if split is None:
            unnamed.update(files)
        else:
            splits.setdefault(split, []).extend(files.values())
    return {**splits_by_name(unnamed, where), **splits} if unnamed else splits


def patterns_of(listed: Any) -> list[tuple[str | None, str]]:
    """The patterns that `data_files` lists, each with the split that it is for, or None.

    `listed` is a pattern, a list of patterns, a dict of split -> patterns, or a list of dicts with
    `split` and `path`, as in the `configs` of a card.
    """
    found: list[tuple[str | None, str]] = []
    for entry in listed if isinstance(listed, list | tuple) else [listed]:
        if not isinstance(entry, Mapping):
            found.append((None, str(entry)))
            continue
        named = {entry["split"]: entry.get("path")} if "split" in entry else entry
        for split, paths in named.items():
            every = paths if isinstance(paths, list | tuple) else [paths]
            found += [(str(split), str(pattern)) for pattern in every]
    return found
