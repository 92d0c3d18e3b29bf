"""A repository at one commit: its files and folders."""

from collections.abc import Iterator
from itertools import islice

import pygit2

from graft.server.errors import EntryNotFoundError
from graft.server.git.attributes import is_large
from graft.server.git.history import last_commits, to_commit
from graft.server.git.pointers import is_pointer_size, parse_pointer
from graft.server.records import Commit, Entry


class Snapshot:
    """Reads one commit of a bare repository. Not shared between threads."""

    def __init__(self, repository: pygit2.Repository, commit: pygit2.Commit) -> None:
        self._repository = repository
        self._commit = commit
        self.commit: Commit = to_commit(commit)

    @property
    def id(self) -> str:
        """The commit's id."""
        return self.commit.id

    def entries(
        self, path: str = "", *, recursive: bool = False, start: int = 0, limit: int | None = None
    ) -> list[Entry]:
        """What lies in the folder `path`, by name, folders first; `limit` of it after the first
        `start`.

        With `recursive`, everything below it, each folder before its own content.

        Raises:
            EntryNotFoundError: no such folder.
        """
        folder = self._object(path)
        if not isinstance(folder, pygit2.Tree):
            raise self._missing(path, "is a file, not a folder")
        end = None if limit is None else start + limit
        wanted = islice(self._walk(folder, path, recursive), start, end)
        return [self._entry(found_at, found) for found_at, found in wanted]

    def entry(self, path: str, *, last_commit: bool = False) -> Entry:
        """The file or folder at `path`.

        Raises:
            EntryNotFoundError: nothing lies there.
        """
        found = self._entry(path, self._object(path))
        return self.with_last_commits([found])[0] if last_commit else found

    def sends_to_store(self, path: str) -> bool:
        """Whether this commit's `.gitattributes` sends a file of that name to the store."""
        return is_large(self._repository, self.id, path)

    def blob(self, entry: Entry) -> bytes:
        """The bytes that git holds for a file: of the pointer, for a large one."""
        blob = self._repository[entry.oid]
        if not isinstance(blob, pygit2.Blob):
            raise TypeError(f"{entry.path} is a folder: it has no bytes")
        return blob.data

    def _walk(
        self, tree: pygit2.Tree, path: str, recursive: bool
    ) -> Iterator[tuple[str, pygit2.Tree | pygit2.Blob]]:
        children = sorted(tree, key=lambda child: (not isinstance(child, pygit2.Tree), child.name))
        for child in children:
            child_path = f"{path}/{child.name}" if path else str(child.name)
            if isinstance(child, pygit2.Tree | pygit2.Blob):  # not the commit of a submodule
                yield child_path, child
            if recursive and isinstance(child, pygit2.Tree):
                yield from self._walk(child, child_path, recursive)

    def _entry(self, path: str, found: pygit2.Tree | pygit2.Blob) -> Entry:
        if isinstance(found, pygit2.Tree):
            return Entry(path=path, type="directory", oid=str(found.id), size=0)
        # A tree's children are read when they are asked for more than their names and ids: the
        # bytes of all files would make a list as slow as a clone.
        _, size = self._repository.odb.read_header(found.id)
        lfs = parse_pointer(found.data) if is_pointer_size(size) else None
        size = lfs.size if lfs else size
        return Entry(path=path, type="file", oid=str(found.id), size=size, lfs=lfs)

    def _object(self, path: str) -> pygit2.Tree | pygit2.Blob:
        if not path:
            return self._commit.tree
        try:
            found = self._commit.tree[path]
        except (KeyError, ValueError):
            raise self._missing(path, "does not exist") from None
        if not isinstance(found, pygit2.Tree | pygit2.Blob):
            raise self._missing(path, "is a submodule, which the Hub does not hold")
        return found

    def _missing(self, path: str, why: str) -> EntryNotFoundError:
        return missing(self.id, path, why)

    def with_last_commits(self, entries: list[Entry]) -> list[Entry]:
        """The same entries, each with the newest commit that touched it."""
        newest = last_commits(self._repository, self._commit, [entry.path for entry in entries])
        return [Entry(e.path, e.type, e.oid, e.size, e.lfs, newest.get(e.path)) for e in entries]


def missing(commit_id: str, path: str, why: str = "does not exist") -> EntryNotFoundError:
    """The error for a path at which a commit has nothing, or not what was asked for."""
    return EntryNotFoundError(
        f"{path!r} {why} in this repository at revision {commit_id}.",
        headers={"X-Repo-Commit": commit_id},
    )
