"""Compressed files and ZIP archives: read as streams, never unpacked by the names they hold.

What comes out of a file may be at most 200 times as large as the file, once it is more than a
gigabyte: beyond that, it is taken for a file that was made to fill the disk.
"""

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, BinaryIO, TypeVar, cast

import pyarrow as pa

from graft.data.formats.data_file import DataFile
from graft.errors import DataError

_AnyPath = TypeVar("_AnyPath", bound=PurePath)
_Opener = Callable[[], BinaryIO]

ZIP = ".zip"
MOST_TIMES = 200
FREELY = 1 << 30
_ENCRYPTED = 1
_BLOCK = 1 << 20
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)


def _zstd(stream: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))


def _xz(stream: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], lzma.LZMAFile(stream))


_DECOMPRESSORS: dict[str, Callable[[BinaryIO], IO[bytes]]] = {
    ".gz": lambda stream: cast(IO[bytes], gzip.GzipFile(fileobj=stream)),
    ".bz2": lambda stream: cast(IO[bytes], bz2.BZ2File(stream)),
    ".xz": _xz,
    ".zst": _zstd,
    ".zstd": _zstd,
}
COMPRESSIONS = (ZIP, *_DECOMPRESSORS)
"""The suffixes of compressed files and archives."""


def decompressed(stream: BinaryIO, path: PurePath, name: str, size: int) -> BinaryIO:
    """The content of a compressed file of `size` bytes, whose stream is read from its start."""
    return _checked(stream, path.suffix.lower(), name, max(FREELY, MOST_TIMES * size))


def is_compressed(path: PurePath) -> bool:
    """Whether a name is that of a compressed file (not of an archive)."""
    return path.suffix.lower() in _DECOMPRESSORS


def is_archive(path: PurePath) -> bool:
    """Whether a name is that of an archive of files."""
    return path.suffix.lower() == ZIP


def uncompressed(path: _AnyPath) -> _AnyPath:
    """A name without the suffix of its compression: `a.csv` for `a.csv.gz`."""
    return path.with_suffix("") if is_compressed(path) else path


def plain_suffix(path: PurePath) -> str:
    """The suffix of what a file holds: ".csv", also for `a.CSV.gz`."""
    return uncompressed(path).suffix.lower()


def data_file(path: Path, name: str | None = None) -> DataFile:
    """A file on disk; its content is decompressed where its name says that it is compressed."""
    name = name or str(path)
    if not is_compressed(path):
        return DataFile.of(path, name)

    def opened() -> BinaryIO:
        most = max(FREELY, MOST_TIMES * path.stat().st_size)
        return _checked(path.open("rb"), path.suffix.lower(), name, most)

    return DataFile(name, path, plain_suffix(path), opened)


def members(path: Path, name: str | None = None) -> dict[PurePosixPath, DataFile]:
    """The files within a ZIP archive, by their names there; those of other kinds too.

    A name that leads out of the archive is kept within; folders that all files are in are left out
    of the names. Raises `DataError` for a file that is damaged, encrypted, or too large unpacked.
    """
    name = name or str(path)
    archive = _archive(path, name)
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    most = max(FREELY, MOST_TIMES * path.stat().st_size)
    if sum(entry.file_size for entry in entries) > most:
        raise _too_large(name, most)
    inside = {_within(entry.filename): entry for entry in entries}
    shared = _shared_folders(list(inside))
    found = {}
    for inner, entry in inside.items():
        short = PurePosixPath(*inner.parts[shared:])
        found[short] = DataFile(
            f"{name}/{inner}",
            path,
            plain_suffix(inner),
            _opener(archive, entry, f"{name}/{inner}", most),
            member=entry.filename,
        )
    return found


@contextmanager
def on_disk(file: DataFile) -> Iterator[Path]:
    """The content of a file as a file on disk, for formats that are not read from front to back.

    One that is compressed is unpacked into a temporary file, which goes when the block ends.
    """
    if file.opener is None:
        yield file.path
        return
    with tempfile.NamedTemporaryFile(suffix=file.suffix) as unpacked:
        with file.open() as content:
            shutil.copyfileobj(content, unpacked, _BLOCK)
        unpacked.flush()
        yield Path(unpacked.name)


def _archive(path: Path, name: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise _damaged(name, error) from error
    # Members that share their bytes unpack to much more than they seem to.
    if sum(entry.compress_size for entry in archive.infolist()) > path.stat().st_size:
        raise _damaged(name, "its members overlap")
    return archive


def _within(name: str) -> PurePosixPath:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..", ".")))


def _shared_folders(names: list[PurePosixPath]) -> int:
    """How many folders all names begin with."""
    visible = [name.parts[:-1] for name in names if not name.parts[0].startswith((".", "__"))]
    if not visible:
        return 0
    count = 0
    for level in zip(*visible, strict=False):
        if len(set(level)) > 1:
            break
        count += 1
    return count


def _opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, most: int) -> _Opener:
    suffix = PurePosixPath(entry.filename.lower()).suffix

    def opened() -> BinaryIO:
        if entry.flag_bits & _ENCRYPTED:
            raise DataError(f"{name}: the file is encrypted. Unpack the archive with its password.")
        try:
            stream = cast(BinaryIO, archive.open(entry))
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise _damaged(name, error) from error
        return _checked(stream, suffix if suffix in _DECOMPRESSORS else "", name, most)

    return opened


def _checked(stream: BinaryIO, suffix: str, name: str, most: int) -> BinaryIO:
    inner = _DECOMPRESSORS[suffix](stream) if suffix else stream
    return io.BufferedReader(_Checked(inner, stream, name, most), _BLOCK)


class _Checked(io.RawIOBase):
    """A stream whose faults are errors that name the file, and that ends before it fills a disk."""

    def __init__(self, inner: IO[bytes], stream: BinaryIO, name: str, most: int) -> None:
        super().__init__()
        self._inner, self._stream, self._name, self._most = inner, stream, name, most
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            block = self._inner.read(len(buffer))
        except _DAMAGED as error:
            raise _damaged(self._name, error) from error
        self._read += len(block)
        if self._read > self._most:
            raise _too_large(self._name, self._most)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._stream.close()
        super().close()


def _damaged(name: str, reason: object) -> DataError:
    return DataError(
        f"{name}: the file is damaged or was cut off ({reason}). Write or download it again."
    )


def _too_large(name: str, most: int) -> DataError:
    return DataError(
        f"{name}: more than {most:,} bytes come out of it, {MOST_TIMES} times its size and more "
        "than a gigabyte. If it is to be trusted, unpack it and load what it held."
    )
