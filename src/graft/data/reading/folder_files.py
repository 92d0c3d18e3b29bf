"""The data files of a folder or an archive, by their paths within it."""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from graft.data.formats.archive import data_file, is_archive, members, plain_suffix, uncompressed
from graft.data.formats.data_file import DataFile
from graft.data.formats.readers import kinds, reads
from graft.errors import DataError

Files = dict[PurePosixPath, DataFile]
"""Files by their paths within the data set; an archive counts as a folder of its name."""

TEXTS = (".txt", ".text", ".md")
# Beside other kinds of data, text describes them, and so does a .json file.
_DESCRIPTIONS = (TEXTS, (".json",))
# Text files of these names are about the data, not data.
_ABOUT = {
    *("readme", "license", "licence", "copying", "copyright", "notice", "citation", "authors"),
    *("changelog", "changes", "contributing"),
}
SPLIT_WORDS = {
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
"""What names of files and folders say of splits."""
_WORDS_BETWEEN = re.compile(r"[-_. ]+")
_HIDDEN = (".", "__", "~$")  # of systems, of tools, and of spreadsheets that are open
_SHOWN = 10


def data_files(folder: Path, where: str) -> Files:
    """All data files below a folder, those in archives too; `where` names it in errors.

    Hidden files and descriptions (README, LICENSE, a .json or text beside other kinds of data and
    not named as a split) are none. Raises `DataError` when there is no data file.
    """
    found: Files = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        inner = PurePosixPath(os.path.relpath(parent, folder))
        for name in sorted(names):
            at = inner / name
            if not name.startswith(_HIDDEN) and (is_archive(at) or is_data(at)):
                found.update(files_at(Path(parent, name), at, f"{where}/{at}"))
    return _without_descriptions(found) or _none(where, sorted(folder.glob("*")))


def archive_files(path: Path, name: str) -> Files:
    """The data files in an archive; raises `DataError` as `data_files` does."""
    inside = members(path, name)
    found = {at: file for at, file in inside.items() if _is_visible(at) and is_data(at)}
    return _without_descriptions(found) or _none(name, sorted(inside))


def files_at(path: Path, at: PurePosixPath, name: str) -> Files:
    """The data files that a path on disk stands for: those in an archive, else itself at `at`."""
    if not is_archive(at):
        return {at: data_file(path, name)}
    inside = {key: file for key, file in members(path, name).items() if _is_visible(key)}
    return {at.with_suffix("") / key: file for key, file in inside.items() if is_data(key)}


def matching_files(folder: Path, pattern: str, where: str, written_in: str) -> Files:
    """The files of a folder that a pattern matches, shards by their numbers.

    `where` names the folder in errors, `written_in` the place where the pattern stands. Raises
    `DataError` for a pattern that points out of the folder, and for one that matches no file.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise DataError(f"{written_in}: data_files may not point out of the folder: {pattern!r}.")
    found: Files = {}
    for path in sorted(folder.glob(pattern)):
        if path.is_file():
            at = PurePosixPath(path.relative_to(folder).as_posix())
            found.update(files_at(path, at, f"{where}/{at}"))
    if not found:
        raise _no_match(pattern, written_in)
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def matching(files: Files, pattern: str, written_in: str) -> Files:
    """Those of some files that a pattern matches, as `matching_files` does on disk."""
    parts = PurePosixPath(pattern).parts
    found = {at: file for at, file in files.items() if _matches(at.parts, parts)}
    if not found:
        raise _no_match(pattern, written_in)
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def chosen_data(files: Files, where: str) -> Files:
    """Those of some files that are data, as `data_files` finds them on disk."""
    found = {
        at: file
        for at, file in files.items()
        if _is_visible(at) and (is_archive(at) or is_data(at))
    }
    return _without_descriptions(found) or _none(where, sorted(files))


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path is of a pattern: `*` is within a folder, `**` is any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        inner = bool(parts) and _matches(parts[1:], pattern)
        return inner or _matches(parts, pattern[1:])
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def is_data(at: PurePosixPath | Path) -> bool:
    """Whether a file of this name is data, and not about data."""
    about = _WORDS_BETWEEN.split(at.name.lower())[0] in _ABOUT
    return reads(at) and not (about and plain_suffix(at) in TEXTS)


def natural(at: PurePosixPath) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value."""
    pieces = re.split(r"(\d+)", at.as_posix())
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def stem(at: PurePosixPath) -> str:
    """The name of a file without the suffixes of its format and compression."""
    return uncompressed(at).stem


def _is_visible(at: PurePosixPath) -> bool:
    return not any(part.startswith(_HIDDEN) for part in at.parts)


def _without_descriptions(found: Files) -> Files:
    for described in _DESCRIPTIONS:
        kept = {
            at: file
            for at, file in found.items()
            if file.suffix not in described or stem(at).lower() in SPLIT_WORDS
        }
        if any(file.suffix not in described for file in kept.values()):
            found = kept
    return found


def _no_match(pattern: str, written_in: str) -> DataError:
    return DataError(
        f"{written_in} names the data file {pattern!r}, but no file matches. "
        "Correct data_files, or add the file."
    )


def _none(where: str, there: list[Path] | list[PurePosixPath]) -> Files:
    names = ", ".join(path.name for path in there[:_SHOWN])
    held = f" It holds: {names}." if names else ""
    raise DataError(f"{where} has no data files. Graft reads {kinds()}.{held}")
