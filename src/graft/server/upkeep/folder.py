"""The folder of a backup: where what lies, and what its manifest says.

A backup made into the same folder again copies only what is new. What the last one says stays true
until the new one is complete: tables go to a folder of their own, git objects and files' bytes are
only added, and `backup.json`, written last, names what belongs together.
"""

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft import __version__
from graft.errors import HubError
from graft.files import atomic_file
from graft.server.storage.blobs import Blob
from graft.server.upkeep.git_copies import RefsOf

FORMAT = 1
MANIFEST = "backup.json"


@dataclass(frozen=True)
class Manifest:
    """What a complete backup holds."""

    format: int
    graft: str
    """The version of Graft that made it."""
    tables: str
    """The version of the database's tables."""
    made_at: str
    dump: str
    """The folder of the tables, below the backup's."""
    rows: dict[str, int]
    gone: list[int]
    """Repositories that were deleted while the backup was made: their rows are of no use."""
    repositories: int
    blobs: int
    bytes: int
    """Of the blobs."""


class BackupFolder:
    """The paths of one backup, and its lists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repositories = path / "repositories"
        self.storage = path / "storage"

    def manifest(self) -> Manifest | None:
        """What the last complete backup holds; None where there is none.

        Raises:
            HubError: a manifest that cannot be read, or of a later form.
        """
        try:
            value = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            found = Manifest(**value)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise HubError(f"{self.path / MANIFEST} cannot be read: {error}") from error
        if found.format != FORMAT:
            raise HubError(
                f"The backup in {self.path} was made by Graft {found.graft}; this is {__version__}."
            )
        return found

    def write_manifest(self, manifest: Manifest) -> None:
        """Makes a backup the folder's; the last step."""
        with atomic_file(self.path / MANIFEST) as temporary:
            temporary.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")

    def refs(self, dump: Path) -> dict[str, RefsOf]:
        """What the refs of each repository named, by its folder."""
        return {line["folder"]: RefsOf(line["refs"], line["head"]) for line in _read(_refs(dump))}

    def write_refs(self, dump: Path, refs: dict[str, RefsOf]) -> None:
        lines = (
            {"folder": folder, "refs": found.refs, "head": found.head}
            for folder, found in sorted(refs.items())
        )
        _write(_refs(dump), lines)

    def blobs(self, dump: Path) -> Iterator[tuple[str, int]]:
        """The name and the size of each file in storage."""
        return ((line["key"], line["size"]) for line in _read(_blobs(dump)))

    def write_blobs(self, dump: Path, blobs: Iterable[Blob]) -> None:
        _write(_blobs(dump), ({"key": blob.key, "size": blob.size} for blob in blobs))

    def tidy(self, manifest: Manifest, refs: Iterable[str], blobs: Iterable[Blob]) -> None:
        """Deletes what the folder's backup does not need."""
        dumps = self.path / "dumps"
        for folder in dumps.iterdir():
            if folder != self.path / manifest.dump:
                shutil.rmtree(folder)
        kept = {self.repositories / name for name in refs}
        for folder in self.repositories.glob("*/*.git"):
            if folder not in kept:
                shutil.rmtree(folder)
        files = {self.storage / blob.key for blob in blobs}
        for path in self.storage.rglob("*"):
            if path.is_file() and path not in files:
                path.unlink()


def _refs(dump: Path) -> Path:
    return dump / "refs.jsonl.gz"


def _blobs(dump: Path) -> Path:
    return dump / "blobs.jsonl.gz"


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with atomic_file(path) as temporary, gzip.open(temporary, "wt", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise HubError(f"The backup is damaged: {path} cannot be read ({error}).") from error
