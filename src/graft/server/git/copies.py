"""Copying a bare repository on the same disk: objects are shared, as they never change."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pygit2

from graft.server.git.repository import DEFAULT_BRANCH

_ATTEMPTS = 3


def copy_repository(source: Path, target: Path) -> pygit2.Repository:
    """A repository with the objects of `source` and no refs yet.

    Each object file gets a second name where the disk can do that. Nothing may change the refs of
    `source` meanwhile; `git gc` may run.
    """
    copied = pygit2.init_repository(target, bare=True, initial_head=DEFAULT_BRANCH)
    for attempt in range(_ATTEMPTS):
        try:
            for path in _object_files(source / "objects"):
                _link(path, target / path.relative_to(source))
            return copied
        except FileNotFoundError:  # packed anew just now: what it held lies in another file
            if attempt == _ATTEMPTS - 1:
                raise
    return copied


def _object_files(objects: Path) -> Iterator[Path]:
    """Loose objects and packs, each pack before its index; nothing that is still being written."""
    for folder in sorted(objects.iterdir()):
        if folder.name == "pack" or (folder.is_dir() and len(folder.name) == 2):
            for path in sorted(folder.iterdir(), key=lambda p: (p.suffix == ".idx", p.name)):
                if not path.name.startswith(("tmp_", ".")):
                    yield path


def _link(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without second names
        shutil.copyfile(path, target)
