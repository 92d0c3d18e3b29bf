"""Data sets in repositories of a hub that are read there, and not downloaded."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from graft.data.formats.archive import decompressed, is_archive, is_compressed, plain_suffix
from graft.data.formats.data_file import DataFile
from graft.data.reading.folder_files import Files, files_at
from graft.data.writing.card import CARD
from graft.errors import DataError
from graft.hub.card import parse_card
from graft.hub.remote import RemoteFile, remote_files

# Formats that are read here and there; others are read ahead.
_BY_PLACE = (".parquet", ".arrow", ".ipc", ".feather")

Expand = Callable[[Files], Files]


def repository(
    repo_id: str, revision: str | None, name: str
) -> tuple[Mapping[str, Any], Files, Expand]:
    """What is in a repository, of one commit.

    Returns:
        The card's header; all files; and what puts the files within archives in place of those,
        which are downloaded for it.

    Raises `HubError` where there is no such repository, and `CardError` for a broken header.
    """
    listed = {PurePosixPath(file.path): file for file in remote_files(repo_id, revision=revision)}
    card = listed.get(PurePosixPath(CARD))
    metadata: Mapping[str, Any] = {}
    if card is not None:
        with card.open(True) as content:
            metadata, _ = parse_card(content.read(), f"{name}/{CARD}")
    files = {at: _data_file(file, f"{name}/{at}") for at, file in listed.items()}

    def expand(chosen: Files) -> Files:
        found: Files = {}
        for at, file in chosen.items():
            inside = is_archive(at)
            found |= files_at(listed[at].download(), at, file.name) if inside else {at: file}
        return found

    return metadata, files, expand


def _data_file(file: RemoteFile, name: str) -> DataFile:
    path = Path(file.path)
    by_place = path.suffix.lower() in _BY_PLACE

    def opened() -> BinaryIO:
        if file.size == 0:
            raise DataError(f"{name} is empty. Write the rows into it, or leave it out.")
        stream = file.open(not by_place)
        if is_compressed(path):
            return decompressed(stream, path, name, file.size)
        return stream

    return DataFile(
        name, path, plain_suffix(path), opened, streamed=True, remote=f"hub {file.digest}"
    )
