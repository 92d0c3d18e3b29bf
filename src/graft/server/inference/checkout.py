"""The files of a model that running it needs, on local disk, kept per commit."""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from graft.server.errors import BadContentError
from graft.server.hub import Hub
from graft.server.records import Entry, Repository
from graft.server.repositories import repos

_SMALL_FILES = {".json", ".txt", ".model", ".md"}
_KEPT_FOLDERS = 8


@dataclass(frozen=True)
class ModelFiles:
    """The files of one commit that a model is loaded from."""

    commit: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(entry.size for entry in self.entries)


def needed_files(hub: Hub, repository: Repository) -> ModelFiles:
    """The top-level files that a model needs: safetensors and what stands beside them. Pickles are
    nothing to open in the Hub's own process.

    Raises:
        BadContentError: no weights in the repository.
    """
    snapshot = repos.snapshot(hub, repository)
    entries = [entry for entry in snapshot.entries() if entry.is_file]
    weights = [entry for entry in entries if entry.name.endswith(".safetensors")]
    if not weights:
        raise BadContentError(
            f"{repository.full_name} holds no weights to run: it needs a file model.safetensors. "
            "Merge the pull request that the Hub makes of pickled ones."
        )
    small = [entry for entry in entries if Path(entry.name).suffix in _SMALL_FILES]
    return ModelFiles(snapshot.id, (*weights, *small))


async def materialise(hub: Hub, repository: Repository, files: ModelFiles, cache: Path) -> Path:
    """Copies `files` to a folder of `cache` named by their commit, where it is not there yet.

    The folder appears whole: it is written under another name first.
    """
    folder = cache / f"{repository.id}-{files.commit}"
    if folder.is_dir():
        folder.touch()
        return folder
    await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=cache, prefix=".unfinished-"))
    try:
        for entry in files.entries:
            chunks = await asyncio.to_thread(repos.stream, hub, repository, entry)
            with (unfinished / entry.name).open("wb") as file:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
        _move(unfinished, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
    await asyncio.to_thread(_prune, cache, folder)
    return folder


def _move(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        # Another process of this Hub may have been quicker, with the same bytes.
        if not folder.is_dir():
            raise


def _prune(cache: Path, newest: Path) -> None:
    """Removes the folders used longest ago. A model loaded from one keeps its mapped file."""
    folders = [path for path in cache.iterdir() if path.is_dir() and path != newest]
    folders = [path for path in folders if not path.name.startswith(".")]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in folders[_KEPT_FOLDERS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
