"""Building a commit in a bare repository, without a working copy; no branch shows it yet."""

from collections.abc import Callable

import pygit2
from pygit2.enums import FileMode

from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.git.attributes import ATTRIBUTES_FILE, is_large, rule_for
from graft.server.git.pointers import format_pointer
from graft.server.git.repository import read_blob, signature
from graft.server.names import check_file_path

# What a commit that has no branch yet may be called; nothing lists such commits.
_DRAFT_MESSAGE = "Draft"


class CommitBuilder:
    """Changes on top of a commit, applied in the order they are given."""

    def __init__(self, repository: pygit2.Repository, parent: pygit2.Commit) -> None:
        self._repository = repository
        self._parent = parent
        self._index = pygit2.Index()
        self._index.read_tree(parent.tree)
        self._large: set[str] = set()
        self._folders: set[str] | None = None  # of all files; None: to be listed anew
        self.changed: set[str] = set()
        """The paths of files added or replaced so far."""

    def add_file(self, path: str, data: bytes) -> None:
        """A file whose bytes lie in git itself."""
        self._add(path, data)
        self._large.discard(path)

    def add_large_file(self, path: str, sha256: str, size: int) -> None:
        """A file whose bytes lie in large-object storage; git gets a pointer."""
        self._add(path, format_pointer(sha256, size))
        self._large.add(path)

    def delete_file(self, path: str) -> None:
        """A folder of that name goes too: clients do not always know which of both it is.

        Raises:
            EntryNotFoundError: no such file or folder.
        """
        if path not in self._index:
            try:
                return self.delete_folder(path)
            except EntryNotFoundError:
                raise self._missing("file", path) from None
        self._index.remove(path)
        self._forget(lambda known: known == path)

    def delete_folder(self, path: str) -> None:
        """
        Raises:
            EntryNotFoundError: no such folder.
        """
        folder = path.rstrip("/") + "/"
        if not any(entry.path.startswith(folder) for entry in self._index):
            raise self._missing("folder", path)
        self._index.remove_directory(folder.rstrip("/"), 0)
        self._forget(lambda known: known.startswith(folder))

    def read(self, path: str) -> bytes | None:
        """The bytes that git would hold for a file, or None where there is no such file."""
        if path not in self._index:
            return None
        return read_blob(self._repository, str(self._index[path].id))

    def commit(self, author: str, message: str) -> pygit2.Oid:
        """Writes the commit and answers its id; where nothing changed, the parent's id."""
        self._add_attributes(author)
        tree = self._index.write_tree(self._repository)
        if tree == self._parent.tree.id:
            return self._parent.id
        return self._write(author, message, tree)

    def _add(self, path: str, data: bytes) -> None:
        check_file_path(path)
        self._check_folders(path)
        mode = FileMode.BLOB
        if path in self._index:  # an executable file stays one
            mode = self._index[path].mode
        if mode == FileMode.LINK:
            mode = FileMode.BLOB
        self._index.add(pygit2.IndexEntry(path, self._repository.create_blob(data), mode))
        self.changed.add(path)

    def _check_folders(self, path: str) -> None:
        # libgit2 would let a file replace a folder of that name, with all that lies in it.
        if self._folders is None:
            self._folders = {folder for entry in self._index for folder in _parents(entry.path)}
        if path in self._folders:
            raise BadRequestError(f"{path!r} cannot be added as a file: it is a folder.")
        parents = _parents(path)
        for folder in parents:
            if folder in self._index:
                raise BadRequestError(f"{path!r} cannot be added: {folder!r} is a file.")
        self._folders.update(parents)

    def _forget(self, gone: Callable[[str], bool]) -> None:
        self._folders = None
        for known in [self.changed, self._large]:
            known.difference_update({path for path in known if gone(path)})

    def _add_attributes(self, author: str) -> None:
        """Makes sure that git, in a clone, takes every large file for one."""
        if not self._large:
            return
        draft = self._write(author, _DRAFT_MESSAGE, self._index.write_tree(self._repository))
        unruled = [p for p in sorted(self._large) if not is_large(self._repository, str(draft), p)]
        if not unruled:
            return
        rules = (self.read(ATTRIBUTES_FILE) or b"").decode("utf-8", "surrogateescape")
        if rules and not rules.endswith("\n"):
            rules += "\n"
        rules += "".join(f"{rule_for(path)}\n" for path in unruled)
        self._add(ATTRIBUTES_FILE, rules.encode("utf-8", "surrogateescape"))

    def _write(self, author: str, message: str, tree: pygit2.Oid) -> pygit2.Oid:
        who = signature(author)
        return self._repository.create_commit(None, who, who, message, tree, [self._parent.id])

    def _missing(self, what: str, path: str) -> EntryNotFoundError:
        return EntryNotFoundError(
            f"A {what} with this name doesn't exist: {path!r}. Nothing was committed.",
            headers={"X-Repo-Commit": str(self._parent.id)},
        )


def _parents(path: str) -> list[str]:
    """All folders that a path lies in."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
