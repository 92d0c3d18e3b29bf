"""Pushed objects, kept apart until they are found good: a refused push leaves nothing behind."""

import os
import secrets
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Timer
from typing import IO

from pygit2.enums import FileMode

from graft.server.errors import BadContentError
from graft.server.git.process import WITHIN_MEMORY, clean_environment, with_config
from graft.server.git.program import ended

PREFIX = "tmp_objdir-graft-"
"""How folders of unfinished pushes begin."""

UNPACK_LIMIT = 100
"""Smaller packs become files of their own, as `git receive-pack` does it."""

# Broken objects are refused, but for two faults that old and harmless histories have.
_STRICT = "--strict=zeroPaddedFilemode=ignore,badTimezone=ignore"
_CONFIG = (
    "safe.directory=*",
    "core.bigFileThreshold=8m",  # longer files go through git in pieces, not through its memory
    "core.fsync=committed,loose-object",
    "core.deltaBaseCacheLimit=32m",
)
MAX_PATHS = 2_000_000
"""How many paths the commits of one push may add and change: a few folders can stand for any number
of them."""
# A few bytes can stand for an object of any length, and for many that are unpacked on top of it.
_LONGEST_OBJECT = "256m"


class Quarantine:
    """A folder of new objects beside those of a repository; gone when the block ends."""

    def __init__(self, repository: Path, seconds: float) -> None:
        """`seconds` is how long one step of git may take."""
        self._objects = repository / "objects"
        self._repository = repository
        self._seconds = seconds
        self.folder = self._objects / f"{PREFIX}{secrets.token_hex(8)}"

    def unpack(self, pack: IO[bytes]) -> None:
        """Takes in a pack, from where `pack` stands on; every object is checked.

        Raises:
            BadContentError: no pack, a damaged one, one with objects that must not be.
        """
        start = pack.tell()
        header = pack.read(12)
        if len(header) < 12 or header[:4] != b"PACK":
            raise BadContentError("no pack follows the commands")
        (count,) = struct.unpack(">L", header[8:])
        pack.seek(start)
        os.lseek(pack.fileno(), start, os.SEEK_SET)  # the child reads the file, not our buffer
        if count < UNPACK_LIMIT:
            command = ["unpack-objects", "-q", _STRICT]
        else:
            command = ["index-pack", "--stdin", "--fix-thin", "--threads=2", _STRICT]
        done = self._run(*command, stdin=pack)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reasons = [line for line in said if line.startswith(("error:", "fatal:"))]
            raise BadContentError("; ".join(reasons[:3]) or f"git ended with {done.returncode}")

    def new_objects(self, commits: Iterable[str]) -> Iterator[tuple[bytes, str, int, bytes]]:
        """(kind, id, size, path) of each object that leads from `commits` and from no ref.

        Raises:
            BadContentError: the history is not whole.
        """
        asked = "".join(f"{commit}\n" for commit in commits)
        options = ["rev-list", "--objects", "--stdin", "--not", "--all"]
        form = "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"
        with (
            self._start(*options, stdin=subprocess.PIPE) as listing,
            self._start("cat-file", "--buffer", form, stdin=listing.stdout) as describing,
        ):
            assert listing.stdin is not None
            assert listing.stdout is not None
            assert describing.stdout is not None
            try:
                listing.stdout.close()
                listing.stdin.write(asked.encode())
                listing.stdin.close()
                for line in describing.stdout:
                    kind, oid, size, path = [*line.rstrip(b"\n").split(b" ", 3), b""][:4]
                    if kind not in (b"missing", b"ambiguous") and size.isdigit():
                        yield kind, oid.decode(), int(size), path
                describing.wait(self._seconds)
                if listing.wait(self._seconds):
                    raise BadContentError(
                        "the pushed history is not whole: objects are missing from it (after a "
                        "shallow clone, run `git fetch --unshallow` first)"
                    )
            finally:
                for child in (listing, describing):
                    child.kill()

    def new_paths(self, commits: Iterable[str]) -> Iterator[tuple[int, str, bytes]]:
        """(mode, id, path) of each file and folder that `commits`, and those that lead to them and
        to no ref, add beside what their first parents have, and of each link that they change.

        Raises:
            BadContentError: the history is not whole, or takes too long to look through, or there
                are more of them than `MAX_PATHS`.
        """
        form = ("--format=", "--raw", "-z", "-r", "-t", "--no-abbrev", "--no-renames")
        which = ("--root", "--diff-merges=first-parent", "--diff-filter=AMT")
        options = ("log", *form, *which, "--stdin", "--not", "--all")
        with self._start(*options, stdin=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            timer = Timer(self._seconds, child.kill)
            timer.start()
            try:
                child.stdin.write("".join(f"{commit}\n" for commit in commits).encode())
                child.stdin.close()
                fields = ended(child.stdout)
                for number, field in enumerate(fields):
                    if number == MAX_PATHS:
                        raise BadContentError(
                            f"the commits add and change more than {MAX_PATHS} files and folders "
                            "in all: push fewer commits at a time"
                        )
                    _, mode, _, oid, status = field.lstrip(b"\0\n:").split(b" ")
                    path = next(fields, b"")
                    if status != b"M" or int(mode, 8) == FileMode.LINK:
                        yield int(mode, 8), oid.decode(), path
                if child.wait():
                    raise BadContentError("the pushed history cannot be read from end to end")
            finally:
                timer.cancel()
                child.kill()

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether a commit was made on top of another, one of which may be new.

        Raises:
            BadContentError: the history is not whole, or takes too long to look through.
        """
        question = ("merge-base", "--is-ancestor", older, newer)
        done = self._run(*question, stdin=subprocess.DEVNULL)
        if done.returncode not in (0, 1):
            raise BadContentError(f"the history that leads to {newer} cannot be read")
        return done.returncode == 0

    def accept(self) -> None:
        """Gives the objects to the repository; no ref names them yet."""
        if not self.folder.exists():
            return
        for folder in sorted(self.folder.iterdir()):
            if not folder.is_dir() or folder.name == "info":
                continue
            target = self._objects / folder.name
            target.mkdir(exist_ok=True)
            # A pack's index comes after the pack: it is what makes others see it.
            for path in sorted(folder.iterdir(), key=lambda p: (p.suffix == ".idx", p.name)):
                if not (target / path.name).exists():
                    path.rename(target / path.name)

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {
            "GIT_DIR": str(self._repository),
            "GIT_OBJECT_DIRECTORY": str(self.folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._objects),
            "GIT_QUARANTINE_PATH": str(self.folder),
            "GIT_ALLOC_LIMIT": _LONGEST_OBJECT,  # of what is not passed on in pieces
        }

    def _command(self, *arguments: str) -> list[str]:
        return [*WITHIN_MEMORY, *with_config(_CONFIG), *arguments]

    def _run(self, *arguments: str, stdin: IO[bytes] | int) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._command(*arguments),
                stdin=stdin,
                capture_output=True,
                check=False,
                env=self._environment(),
                timeout=self._seconds,
            )
        except subprocess.TimeoutExpired:
            raise BadContentError(
                f"git took longer than {self._seconds:.0f} seconds for the push: push fewer commits"
            ) from None

    def _start(self, *arguments: str, stdin: IO[bytes] | int | None) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command(*arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment(),
        )

    def __enter__(self) -> "Quarantine":
        (self.folder / "pack").mkdir(parents=True)
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
