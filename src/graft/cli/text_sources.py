"""What a user names, as files of texts: lines of text files, and columns of data sets."""

import glob
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_SUFFIXES = (".txt", ".md", ".rst")
_CARD = "README.md"


@dataclass(frozen=True)
class TextFile:
    """The texts of one file.

    Attributes:
        name: How the user knows the file.
        column: Where its texts stand: the name of a column, or "lines".
        texts: Reads them, as often as it is called.
    """

    name: str
    column: str
    texts: Callable[[], Iterable[str]]


def text_files(source: str, column: str | None = None) -> list[TextFile]:
    """The files of a source.

    Args:
        source: A file, a folder, a pattern such as `docs/**/*.rst`, or the id of a data set. A
            folder is read as a data set where it holds data files, else its text files are read
            (.txt, .md, .rst; but not README.md, a card). A file of another kind is text.
        column: The data sets' column of texts; found out when None.

    Raises:
        DataError: There are no such files, or they cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _data(source, column) if _is_data(path) else [_lines(path)]
    if path.is_dir():
        inside = [found for found in path.rglob("*") if _is_shown(found.relative_to(path))]
        if any(_is_data(found) for found in inside):
            return _data(source, column)
        return _texts_in(path, inside)
    if glob.has_magic(source):
        return _matching(source, column)
    return _data(source, column)


def _is_data(path: Path) -> bool:
    from graft.data.formats.readers import is_data_file

    return path.suffix.lower() not in _TEXT_SUFFIXES and is_data_file(path)


def _is_shown(path: Path) -> bool:
    return not any(part.startswith((".", "__")) for part in path.parts)


def _texts_in(folder: Path, inside: list[Path]) -> list[TextFile]:
    found = [
        path
        for path in sorted(inside)
        if path.suffix.lower() in _TEXT_SUFFIXES and path.name != _CARD and path.is_file()
    ]
    if not found:
        raise DataError(
            f"{folder} holds neither data files nor texts ({', '.join(_TEXT_SUFFIXES)}). Texts in "
            f"files of other kinds are read when named, as by the pattern '{folder}/*'."
        )
    return [_lines(path) for path in found]


def _matching(pattern: str, column: str | None) -> list[TextFile]:
    # As shells do: a star finds no hidden file, which Path.glob does.
    paths = sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207
    found = [path for path in paths if Path(path).is_file()]
    if not found:
        raise DataError(f"No file matches {pattern!r}.")
    return [file for path in found for file in text_files(path, column)]


def _lines(path: Path) -> TextFile:
    return TextFile(str(path), "lines", lambda: _read_lines(path))


def _read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, without their ends.

    Raises:
        DataError: It is not UTF-8.
    """
    from graft.data.formats.checks import check_utf8

    check_utf8(path, str(path))
    with path.open(encoding="utf-8-sig") as file:
        yield from (line.rstrip("\n") for line in file)


def _data(source: str, column: str | None) -> list[TextFile]:
    from graft.data.reading.loading import load
    from graft.data.reading.sources import plan

    given = {} if column is None else {"text": column}
    loaded = load(plan(source, None, None, {}), given, {}, collect=False, cache=True)
    found = []
    for split, data in loaded.splits.items():
        texts = data.column(data.text_column)
        start = 0
        for name, rows in loaded.files[split]:
            found.append(_rows(name, data.text_column, texts.slice(start, rows)))
            start += rows
    return found


def _rows(name: str, column: str, texts: "pa.ChunkedArray") -> TextFile:
    def read() -> Iterator[str]:
        return (text for chunk in texts.chunks for text in chunk.to_pylist())

    return TextFile(name, column, read)
