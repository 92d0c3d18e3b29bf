"""What every reader checks: that there is content, in UTF-8, under distinct column names."""

import codecs
from pathlib import Path

from graft.errors import DataError

BOM = codecs.BOM_UTF8
_BLOCK = 1 << 20
_POINTER = b"version https://git-lfs.github.com/spec/"
_WIDE_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def check_not_empty(path: Path, name: str) -> None:
    """Raises `DataError` for a path that is no file, and for a file whose content is not there."""
    if not path.is_file():
        raise DataError(f"{name}: there is no such file. Check the path.")
    with path.open("rb") as file:
        start = file.read(64)
    if not start.removeprefix(BOM).strip() and path.stat().st_size <= len(start):
        raise DataError(f"{name} is empty. Give a file with data, or leave this one out.")
    if start.startswith(_POINTER):
        raise DataError(
            f"{name} is only a pointer to a file that Git LFS keeps elsewhere. Fetch the file "
            "itself: git lfs pull."
        )


def check_unique(columns: list[str], where: str) -> None:
    """Raises `DataError` when two columns have one name; `where` names the file (and line)."""
    for position, column in enumerate(columns):
        first = columns.index(column)
        if first < position:
            raise DataError(
                f"{where}: two columns have the name {column!r} (columns {first + 1} and "
                f"{position + 1}). Rename one of them."
            )


def damaged(name: str, kind: str, error: Exception) -> DataError:
    """The error for a file that its own format cannot read to the end."""
    reason = str(error).splitlines()[0]
    return DataError(
        f"{name}: not a whole {kind} file; it is damaged or was cut off ({reason}). "
        "Write or download it again."
    )


def check_utf8(path: Path, name: str) -> None:
    """Raises `DataError` naming the first byte that is not UTF-8, its line, and how to convert."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = lines = 0
    with path.open("rb") as file:
        wide = _WIDE_MARKS.get(file.read(2))
        if wide is not None:
            raise DataError(f"{name}: the file is {wide}, not UTF-8. {_conversion(path, wide)}")
        file.seek(0)
        while block := file.read(_BLOCK):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                at = max(error.start - pending, 0)
                line = lines + block.count(b"\n", 0, at) + 1
                raise _not_utf8(path, name, read - pending + error.start, line) from error
            read += len(block)
            lines += block.count(b"\n")
    if decoder.getstate()[0]:
        raise _not_utf8(path, name, read - len(decoder.getstate()[0]), lines + 1)


def _not_utf8(path: Path, name: str, offset: int, line: int) -> DataError:
    with path.open("rb") as file:
        file.seek(offset)
        byte = file.read(1)[0]
    return DataError(
        f"{name}, line {line}: byte 0x{byte:02x} at offset {offset} is not UTF-8; the file looks "
        f"like Latin-1 or Windows-1252. {_conversion(path, 'WINDOWS-1252')}"
    )


def _conversion(path: Path, encoding: str) -> str:
    converted = f"{path.stem}-utf8{path.suffix}"
    return f"Convert it: iconv -f {encoding} -t UTF-8 '{path.name}' > '{converted}'"
