"""Which files make up which split of a data set: from their names, or from the card."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from graft.data.readers import is_data_file, kinds
from graft.errors import DataError

T = TypeVar("T")

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_ORDER = ["train", "validation", "test"]
# train-00000-of-00002, and the same with a checksum behind it.
_SHARD = re.compile(r"[-_.]\d+[-_.]of[-_.]\d+([-_.][0-9a-f]{8,})?$")
_NUMBERED = re.compile(r"(^|[-_.])\d+$")
_SHARD_WORDS = {"", "part", "shard", "chunk", "data", *_SPLIT_WORDS}
_TEXTS = (".txt", ".text", ".md")
# Beside other kinds of data, text describes them, and so does a .json file.
_DESCRIPTIONS = (_TEXTS, (".json",))
# Text files of these names are about the data, not data.
_ABOUT = {
    *("readme", "license", "licence", "copying", "copyright", "notice", "citation", "authors"),
    *("changelog", "changes", "contributing"),
}
_WORDS_BETWEEN = re.compile(r"[-_. ]+")


@dataclass(frozen=True)
class _Name:
    """What a file's name tells: its split, how surely, and the file it is a shard of."""

    split: str
    own: str
    sure: bool
    group: str


def find_splits(folder: Path, config: Mapping[str, Any], where: str) -> dict[str, list[Path]]:
    """The data files of a folder, by split: train, validation and test first, then by name.

    `config` is what `choose_config` gave: its `data_dir` and `data_files` decide where there are
    any; else the names of files and sub-folders do. Shards of one file follow each other by number.
    `where` names the data set in errors.

    Raises `DataError` when there is no data file, when the card names files that are not there, and
    when two files claim the same split.
    """
    return ranked(_by_config(folder, config, where))


def ranked(splits: Mapping[str, T]) -> dict[str, T]:
    """Splits in their order: train, validation and test first, then as they are."""
    names = sorted(splits, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {name: splits[name] for name in names}


def split_of_part(name: str) -> str:
    """The split that a name within a file means: "val" is "validation"; others stay as they are."""
    return _SPLIT_WORDS.get(name.lower(), name)


def choose_config(metadata: Mapping[str, Any], wanted: str | None, where: str) -> Mapping[str, Any]:
    """The entry of the card's `configs` to load: the one `wanted`, else the default or only one.

    {} where the card has none. Raises `DataError` when there is none of that name, or several and
    no default; `where` names the data set.
    """
    listed = metadata.get("configs")
    entries = listed if isinstance(listed, list) else []
    configs = [entry for entry in entries if isinstance(entry, dict)]
    by_name = {str(entry.get("config_name", "default")): entry for entry in configs}
    if wanted is not None:
        if wanted not in by_name:
            raise DataError(
                f"{where} has no configuration {wanted!r}. "
                f"Those in its README.md: {', '.join(by_name) or 'none'}."
            )
        return by_name[wanted]
    default = next((entry for entry in configs if entry.get("default")), by_name.get("default"))
    if default is None and len(by_name) > 1:
        raise DataError(
            f"{where} has several configurations: {', '.join(by_name)}. "
            f"Give one: config={next(iter(by_name))!r}."
        )
    return default or next(iter(configs), {})


def split_of_file(path: Path) -> str:
    """The split that a file given on its own is: by its name, else "train"."""
    name = _parse(Path(path.name))
    return name.split if name.split in _ORDER else "train"


def _data_files(folder: Path, where: str) -> list[Path]:
    found = [
        path for path in folder.rglob("*") if _is_data(path.relative_to(folder)) and path.is_file()
    ]
    for described in _DESCRIPTIONS:
        found = [path for path in found if path.suffix.lower() not in described] or found
    if found:
        return sorted(found)
    there = sorted(path.name for path in folder.glob("*"))[:10]
    held = f" The folder holds: {', '.join(there)}." if there else ""
    raise DataError(f"{where} has no data files. Graft reads {kinds()}.{held}")


def _is_data(path: Path) -> bool:
    hidden = any(part.startswith((".", "__")) for part in path.parts)
    about = _WORDS_BETWEEN.split(path.stem.lower())[0] in _ABOUT
    return not hidden and is_data_file(path) and not (about and path.suffix.lower() in _TEXTS)


def _by_name(folder: Path, files: Iterable[Path], where: str) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    names: dict[str, _Name] = {}
    for path in sorted(files, key=_natural):
        name = _parse(path.relative_to(folder))
        names[name.group] = name
        groups.setdefault(name.group, []).append(path)
    if len(names) == 1:
        (name,) = names.values()
        return {name.split if name.split in _ORDER else "train": groups[name.group]}
    splits: dict[str, list[Path]] = {}
    for group, name in names.items():
        split = name.split if name.sure or _only_claim(name, names.values()) else name.own
        if split in splits:
            first, second = (
                paths[0].relative_to(folder) for paths in (splits[split], groups[group])
            )
            raise DataError(
                f"{where}: {first} and {second} are both the split {split!r}. Name the splits by "
                "hand, load_dataset({'train': '<file>', ...}), give the sub-folder that is meant, "
                "or rename or remove one of them."
            )
        splits[split] = groups[group]
    return splits


def _only_claim(name: _Name, names: Iterable[_Name]) -> bool:
    return sum(other.split == name.split for other in names) == 1


def _parse(path: Path) -> _Name:
    for depth in range(len(path.parts) - 1, 0, -1):
        word = path.parts[depth - 1].lower()
        if word in _SPLIT_WORDS:
            return _Name(_SPLIT_WORDS[word], word, True, "/".join(path.parts[:depth]) + "/")
    stem = _SHARD.sub("", path.stem)
    numbered = _NUMBERED.sub("", path.stem)
    if numbered.lower() in _SHARD_WORDS:
        stem = numbered
    group = (path.parent / stem).as_posix() + path.suffix.lower()
    own = _as_name(stem)
    if stem.lower() in _SPLIT_WORDS:
        return _Name(_SPLIT_WORDS[stem.lower()], own, True, group)
    folders = [part for part in path.parts[:-1] if part.lower() != "data"]
    if folders:
        return _Name(_as_name(folders[0]), _as_name(folders[0]), True, folders[0] + "/")
    words = _WORDS_BETWEEN.split(stem.lower())
    for word in (words[0], words[-1]):
        if word in _SPLIT_WORDS:
            return _Name(_SPLIT_WORDS[word], own, False, group)
    return _Name(own or "train", own or "train", True, group)


def _as_name(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


def _natural(path: Path) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", path.as_posix())
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def _by_config(folder: Path, config: Mapping[str, Any], where: str) -> dict[str, list[Path]]:
    base = folder / str(config.get("data_dir") or "")
    listed = config.get("data_files")
    if listed is None:
        return _by_name(base, _data_files(base, where), where)
    entries = listed if isinstance(listed, list) else [listed]
    splits: dict[str, list[Path]] = {}
    unnamed: list[Path] = []
    for entry in entries:
        if not isinstance(entry, dict):
            unnamed += _matching(base, str(entry), where)
            continue
        named = {entry["split"]: entry.get("path")} if "split" in entry else entry
        for split, paths in named.items():
            for pattern in paths if isinstance(paths, list) else [paths]:
                splits.setdefault(str(split), []).extend(_matching(base, str(pattern), where))
    return {**_by_name(base, unnamed, where), **splits} if unnamed else splits


def _matching(folder: Path, pattern: str, where: str) -> list[Path]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise DataError(
            f"{where}/README.md: data_files may not point out of the folder: {pattern!r}."
        )
    files = sorted((path for path in folder.glob(pattern) if path.is_file()), key=_natural)
    if not files:
        raise DataError(
            f"{where}/README.md: its configs name the data file {pattern!r}, "
            "but no file matches. Correct data_files, or add the file."
        )
    return files
