"""The files of a folder as one commit, large ones by LFS and none of them held in memory."""

import io
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from threading import get_ident
from typing import BinaryIO, cast

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from graft.errors import HubError
from graft.hub.card import parse_card
from graft.hub.names import RepoType

# Version control's own files, caches and what an editor or a system leaves behind.
_LEFT_OUT = {".git", ".cache", "__pycache__", ".ipynb_checkpoints", ".DS_Store"}


class FileContent(io.BufferedIOBase):
    """A file's bytes as a seekable stream that holds no file handle between two reads.

    The hub client sends file *objects* by LFS and paths by Xet, a protocol that our Hub does not
    speak yet. A folder of thousands of files can go in one commit. Each thread has a position of
    its own: where two files have equal bytes, the client sends one object for both, twice at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._positions: defaultdict[int, int] = defaultdict(int)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._positions[get_ident()]

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._positions[get_ident()] = max(0, start + offset)
        return self.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self.tell())
            data = file.read(-1 if size is None else size)
        self.seek(len(data), os.SEEK_CUR)
        return data


def files_to_push(folder: Path) -> list[Path]:
    """The files below a folder, in order, without caches and version control's own.

    Raises:
        HubError: there is no such folder, or nothing to push in it.
    """
    if not folder.is_dir():
        raise HubError(f"{folder} is not a folder, so there is nothing to push.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _LEFT_OUT.isdisjoint(path.relative_to(folder).parts)
    ]
    if not files:
        raise HubError(f"the folder {folder} holds no files, so there is nothing to push.")
    return files


def check_card(folder: Path) -> None:
    """Checks the folder's README.md, so that a broken card is refused before any upload.

    Raises:
        CardError: its YAML header cannot be read.
    """
    card = folder / "README.md"
    if card.is_file():
        parse_card(card.read_bytes(), path=card)


def commit_files(
    api: HfApi,
    folder: Path,
    files: Sequence[Path],
    repo_id: str,
    *,
    repo_type: RepoType,
    message: str,
    replace: Sequence[str] = (),
) -> None:
    """Puts files into a repository in one commit: all of them or none.

    `replace` are patterns (`data/*.parquet`): what the repository holds of them and `files` does
    not is deleted in the same commit.
    """
    names = [path.relative_to(folder).as_posix() for path in files]
    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    if replace:
        operations += [
            CommitOperationDelete(name)
            for name in api.list_repo_files(repo_id, repo_type=repo_type)
            if name not in names and any(fnmatch(name, pattern) for pattern in replace)
        ]
    operations += [
        CommitOperationAdd(name, cast("BinaryIO", FileContent(path)))
        for name, path in zip(names, files, strict=True)
    ]
    with _without_xet_warning():
        api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type)


@contextmanager
def _without_xet_warning() -> Iterator[None]:
    """Silences the client's warning that file objects do not go by Xet: that is what we chose."""
    logger = logging.getLogger("huggingface_hub._commit_api")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
