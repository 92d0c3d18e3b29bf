"""Looking through what a push brings: names, links, sizes, pointers."""

import posixpath
from collections.abc import Iterator

import pygit2
from pygit2.enums import FileMode

from graft.server.errors import BadContentError, BadRequestError
from graft.server.git.pointers import MAX_POINTER_BYTES, parse_pointer
from graft.server.git.quarantine import Quarantine
from graft.server.git.trees import parse_tree
from graft.server.names import check_file_path
from graft.server.records import Lfs
from graft.server.scan.secrets import MAX_BYTES, Secret, find_secrets

MAX_PROBLEMS = 100
MAX_LINK_BYTES = 4096
MAX_DEPTH = 512
"""A path of 1024 bytes has no more parts."""
_LONGEST = {b"commit": 1024**2, b"tag": 1024**2, b"tree": 32 * 1024**2}
"""What is read whole wherever history or a folder is shown."""
MAX_SEARCHED_BYTES = 1024**3
"""How much of one push is searched for secrets; pointers are looked for in all of it."""


class PushedObjects:
    """The new objects of a push. `problems` is what is wrong with them, `pointers` what they need:
    every version of a file counts, also one that a later commit of the same push replaces."""

    def __init__(
        self, repository: pygit2.Repository, *, max_file_bytes: int, max_files: int
    ) -> None:
        """`repository` sees the new objects; `max_files` counts folders, too."""
        self._repository = repository
        self._max_file_bytes = max_file_bytes
        self._max_files = max_files
        self.problems: list[str] = []
        self.pointers: list[tuple[str, Lfs]] = []
        self.secrets: dict[str, list[Secret]] = {}
        """What looks like a secret, by blob."""
        self._left = MAX_SEARCHED_BYTES

    def look(self, quarantine: Quarantine, commits: list[str]) -> None:
        """Looks at each object that `commits` bring.

        Raises:
            BadContentError: the history is not whole, or its folders have no end.
        """
        for kind, oid, size, raw_path in quarantine.new_objects(commits):
            if len(self.problems) >= MAX_PROBLEMS:
                return
            if size > _LONGEST.get(kind, size):
                self.problems.append(
                    f"{oid}: a {kind.decode()} of {size} bytes is too long (at most "
                    f"{_LONGEST[kind]}): write shorter messages, or more folders"
                )
            elif kind == b"blob":
                self._in_blob(pygit2.Oid(hex=oid), size, raw_path.decode("utf-8", "replace"))
        if not self.problems:
            self.problems += self._too_many(commits)
        if self.problems:  # in such folders, paths might have no end
            return
        for mode, oid, raw_path in quarantine.new_paths(commits):
            if len(self.problems) >= MAX_PROBLEMS:
                return
            self.problems += self._at_path(mode, oid, raw_path)

    def _in_blob(self, oid: pygit2.Oid, size: int, path: str) -> None:
        if size > self._max_file_bytes:
            self.problems.append(
                f"{path}: {size} bytes are too many for git (at most {self._max_file_bytes}); "
                "track the file with `git lfs track` and commit it again"
            )
        elif size <= MAX_POINTER_BYTES or size <= min(MAX_BYTES, self._left):
            self._left -= size
            content = self._repository.odb.read(oid)[1]
            pointer = parse_pointer(content) if size <= MAX_POINTER_BYTES else None
            if pointer is not None:
                self.pointers.append((path, pointer))
            elif found := find_secrets(path, content):
                self.secrets[str(oid)] = found

    def _too_many(self, commits: list[str]) -> Iterator[str]:
        counts: dict[bytes, int] = {}
        for commit in commits:
            tree = self._repository[commit].peel(pygit2.Commit).tree_id
            count = self._count(tree.raw, counts)
            if count > self._max_files:
                yield (
                    f"{commit}: it holds {count} files and folders (at most {self._max_files}): "
                    "put small files together, in Parquet or archives, or into more repositories"
                )

    def _count(self, tree: bytes, counts: dict[bytes, int], depth: int = 1) -> int:
        """How many files and folders lie in a tree. `counts` are those that are known: a few trees
        can stand for any number, each of which names another one ten times."""
        if depth > MAX_DEPTH:
            raise BadContentError(f"folders lie deeper than {MAX_DEPTH} in one another")
        if tree not in counts:
            counted = 0
            for _, mode, oid in parse_tree(self._repository.odb.read(pygit2.Oid(raw=tree))[1]):
                counted += 1
                if mode == FileMode.TREE:
                    counted += self._count(oid, counts, depth + 1)
            counts[tree] = counted
        return counts[tree]

    def _at_path(self, mode: int, oid: str, raw_path: bytes) -> Iterator[str]:
        try:
            path = check_file_path(raw_path.decode("utf-8"))
        except UnicodeDecodeError:
            yield f"{raw_path!r}: names of files must be UTF-8; rename it and commit it again"
        except BadRequestError as error:
            yield str(error)
        else:
            if mode == FileMode.LINK:
                yield from self._in_link(pygit2.Oid(hex=oid), path.rpartition("/")[0], path)

    def _in_link(self, oid: pygit2.Oid, folder: str, path: str) -> Iterator[str]:
        _, size = self._repository.odb.read_header(oid)
        target = self._repository.odb.read(oid)[1] if size <= MAX_LINK_BYTES else b"/"
        reached = posixpath.normpath(posixpath.join(folder, target.decode("utf-8", "replace")))
        if target.startswith((b"/", b"\\")) or reached.split("/")[0] == "..":
            yield f"{path}: this symbolic link leads out of the repository; commit the file itself"
