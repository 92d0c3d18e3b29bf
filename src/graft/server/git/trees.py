"""Trees that change: only the folders that a commit touches are read and written.

Format of a tree object: `mode SP name NUL id`, for each entry, folders sorted as if their names
ended in a slash.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pygit2
from pygit2.enums import FileMode, ObjectType

from graft.server.git.writing import ObjectWriter

_TREE_MODE = int(FileMode.TREE)


@dataclass(frozen=True)
class Leaf:
    """What a name in a folder stands for, when it is no folder: a file, a symbolic link."""

    mode: int
    oid: pygit2.Oid


class Folder:
    """A folder, read from the repository when it is first looked into.

    Names are bytes: git allows any, whatever the Hub takes today.
    """

    def __init__(self, repository: pygit2.Repository, oid: pygit2.Oid | None = None) -> None:
        self._repository = repository
        self._oid = oid
        """The tree that it still is; None once something in it has changed."""
        self._children: dict[bytes, Leaf | Folder] | None = None if oid is not None else {}

    @property
    def children(self) -> "dict[bytes, Leaf | Folder]":
        """What lies in it, by name."""
        if self._children is None:
            assert self._oid is not None
            self._children = dict(_parse(self._repository, self._oid))
        return self._children

    def get(self, names: list[bytes]) -> "Leaf | Folder | None":
        """What lies at a path below this folder, or None."""
        found: Leaf | Folder | None = self
        for name in names:
            if not isinstance(found, Folder):
                return None
            found = found.children.get(name)
        return found

    def put(self, names: list[bytes], leaf: Leaf) -> None:
        """Sets a file. The caller has made sure that no file lies where a folder is to be."""
        self._oid = None
        name, *rest = names
        if not rest:
            self.children[name] = leaf
            return
        child = self.children.get(name)
        if not isinstance(child, Folder):
            child = self.children[name] = Folder(self._repository)
        child.put(rest, leaf)

    def remove(self, names: list[bytes]) -> None:
        """Takes out what is known to lie at a path, and folders that are empty then."""
        self._oid = None
        name, *rest = names
        if rest:
            child = self.children[name]
            assert isinstance(child, Folder)
            child.remove(rest)
            if child.children:
                return
        del self.children[name]

    def write(self, writer: ObjectWriter) -> pygit2.Oid:
        """Writes the trees that changed, and answers this one's id."""
        if self._oid is None:
            entries = [
                (name, _TREE_MODE, child.write(writer))
                if isinstance(child, Folder)
                else (name, child.mode, child.oid)
                for name, child in self.children.items()
            ]
            self._oid = writer.write(ObjectType.TREE, format_tree(entries))
        return self._oid

    def only(self, file_name: bytes) -> "Folder":
        """A copy that holds nothing but the files of one name; folders not looked into stay."""
        if self._children is None:
            return self
        copy = Folder(self._repository)
        for name, child in self._children.items():
            if isinstance(child, Folder):
                copy.children[name] = child.only(file_name)
            elif name == file_name:
                copy.children[name] = child
        return copy

    def leaves(self) -> Iterator[Leaf]:
        """The files that lie in it directly or in folders that were looked into."""
        for child in (self._children or {}).values():
            if isinstance(child, Folder):
                yield from child.leaves()
            else:
                yield child


def format_tree(entries: list[tuple[bytes, int, pygit2.Oid]]) -> bytes:
    """A tree object's bytes from (name, mode, id)."""
    ordered = sorted(entries, key=lambda entry: entry[0] + b"/" * (entry[1] == _TREE_MODE))
    return b"".join(b"%o %s\0%s" % (mode, name, oid.raw) for name, mode, oid in ordered)


def parse_tree(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """(name, mode, raw id) of each entry of a tree object."""
    position = 0
    while position < len(data):
        space = data.index(b" ", position)
        end = data.index(b"\0", space)
        yield data[space + 1 : end], int(data[position:space], 8), data[end + 1 : end + 21]
        position = end + 21


def _parse(
    repository: pygit2.Repository, oid: pygit2.Oid
) -> Iterator[tuple[bytes, "Leaf | Folder"]]:
    for name, mode, raw in parse_tree(repository.odb.read(oid)[1]):
        found = pygit2.Oid(raw=raw)
        yield name, (Folder(repository, found) if mode == _TREE_MODE else Leaf(mode, found))
