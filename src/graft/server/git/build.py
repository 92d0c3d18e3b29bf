"""Building a commit in a bare repository, without a working copy; no branch shows it yet."""

import time
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType

from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.git.attributes import ATTRIBUTES_FILE, is_large, rule_for
from graft.server.git.pointers import format_pointer
from graft.server.git.repository import read_blob, signature
from graft.server.git.trees import Folder, Leaf
from graft.server.git.writing import ObjectWriter
from graft.server.names import CARD_FILE, check_file_path

# What a commit that has no branch yet may be called; nothing lists such commits.
_DRAFT_MESSAGE = "Draft"
_ATTRIBUTES_NAME = ATTRIBUTES_FILE.encode()


def write_file(writer: ObjectWriter, path: str, data: bytes) -> pygit2.Oid:
    """Writes a file's bytes; those of the card and of attributes can be read again at once."""
    name = path.rpartition("/")[2]
    return writer.write(ObjectType.BLOB, data, remember=name in (CARD_FILE, ATTRIBUTES_FILE))


class CommitBuilder:
    """Changes on top of a commit, applied in the order they are given."""

    def __init__(
        self,
        repository: pygit2.Repository,
        parent: pygit2.Commit | None,
        writer: ObjectWriter | None = None,
    ) -> None:
        """
        Args:
            parent: what the changes are made on top of; None: the first commit of a history.
            writer: what files' bytes are written to, before and by this.
        """
        self._repository = repository
        self._writer = writer or ObjectWriter(Path(repository.path))
        self._parent = parent
        self._root = Folder(repository, parent.tree.id if parent is not None else None)
        self._large: set[str] = set()
        self._rules_changed = parent is None
        self.changed: set[str] = set()
        """The paths of files added or replaced so far."""

    def add_file(self, path: str, data: bytes) -> None:
        """A file whose bytes lie in git itself."""
        self.put(path, write_file(self._writer, path, data))

    def add_large_file(self, path: str, sha256: str, size: int) -> None:
        """A file whose bytes lie in large-object storage; git gets a pointer."""
        self.put(path, write_file(self._writer, path, format_pointer(sha256, size)), large=True)

    def put(self, path: str, blob: pygit2.Oid, *, large: bool = False) -> None:
        """A file whose blob was written before; a pointer's, where it is `large`.

        Raises:
            BadRequestError: a path that a file cannot have, or one that is a folder, or lies below
                a file.
        """
        names = _names(check_file_path(path))
        found = self._root.get(names)
        if isinstance(found, Folder):
            raise BadRequestError(f"{path!r} cannot be added as a file: it is a folder.")
        for length in range(1, len(names)):
            if isinstance(self._root.get(names[:length]), Leaf):
                folder = "/".join(path.split("/")[:length])
                raise BadRequestError(f"{path!r} cannot be added: {folder!r} is a file.")
        mode = int(FileMode.BLOB)
        if found is not None and found.mode == FileMode.BLOB_EXECUTABLE:
            mode = found.mode  # an executable file stays one
        self._root.put(names, Leaf(mode, blob))
        self.changed.add(path)
        self._large.discard(path)
        if large:
            self._large.add(path)
        if names[-1] == _ATTRIBUTES_NAME:
            self._rules_changed = True

    def delete_file(self, path: str) -> None:
        """A folder of that name goes too: clients do not always know which of both it is.

        Raises:
            EntryNotFoundError: no such file or folder.
        """
        self._delete("file", path, path)

    def delete_folder(self, path: str) -> None:
        """
        Raises:
            EntryNotFoundError: no such folder.
        """
        if path.strip("/") and not isinstance(self._root.get(_names(path.strip("/"))), Folder):
            raise self._missing("folder", path)
        self._delete("folder", path, path.strip("/"))

    def read(self, path: str) -> bytes | None:
        """The bytes that git would hold for a card or attributes, or None for no such file."""
        found = self._root.get(_names(path))
        if not isinstance(found, Leaf):
            return None
        written = self._writer.read(found.oid)
        return written if written is not None else read_blob(self._repository, str(found.oid))

    def commit(self, author: str, message: str) -> pygit2.Oid:
        """Writes the commit and answers its id; where nothing changed, the parent's id.

        The objects are the repository's from then on.
        """
        self._add_attributes(author)
        tree = self._root.write(self._writer)
        if self._parent is not None and tree == self._parent.tree.id:
            return self._parent.id
        parents = [self._parent.id] if self._parent is not None else []
        made = self._writer.write(ObjectType.COMMIT, _format_commit(tree, parents, author, message))
        self._writer.finish(self._repository)
        return made

    def _delete(self, what: str, path: str, clean: str) -> None:
        names = _names(clean)
        if not clean or self._root.get(names) is None:
            raise self._missing(what, path)
        self._root.remove(names)
        below = f"{clean}/"
        for known in (self.changed, self._large):
            known.difference_update({p for p in known if p == clean or p.startswith(below)})
        if what == "folder" or names[-1] == _ATTRIBUTES_NAME:
            self._rules_changed = True

    def _add_attributes(self, author: str) -> None:
        """Makes sure that git, in a clone, takes every large file for one."""
        if not self._large:
            return
        rules_at = self._rules_at(author)
        unruled = [p for p in sorted(self._large) if not is_large(self._repository, rules_at, p)]
        if not unruled:
            return
        rules = (self.read(ATTRIBUTES_FILE) or b"").decode("utf-8", "surrogateescape")
        if rules and not rules.endswith("\n"):
            rules += "\n"
        rules += "".join(f"{rule_for(path)}\n" for path in unruled)
        self.add_file(ATTRIBUTES_FILE, rules.encode("utf-8", "surrogateescape"))

    def _rules_at(self, author: str) -> str:
        """A commit with the rules as they will be: libgit2 reads them from nowhere else."""
        if not self._rules_changed:
            assert self._parent is not None
            return str(self._parent.id)
        rules = self._root.only(_ATTRIBUTES_NAME)
        with ObjectWriter(Path(self._repository.path)) as draft:
            for leaf in rules.leaves():
                data = self._writer.read(leaf.oid)
                if data is not None:
                    draft.write(ObjectType.BLOB, data)
            tree = rules.write(draft)
            made = draft.write(ObjectType.COMMIT, _format_commit(tree, [], author, _DRAFT_MESSAGE))
            draft.finish(self._repository)
        return str(made)

    def _missing(self, what: str, path: str) -> EntryNotFoundError:
        headers = {"X-Repo-Commit": str(self._parent.id)} if self._parent is not None else None
        return EntryNotFoundError(
            f"A {what} with this name doesn't exist: {path!r}. Nothing was committed.",
            headers=headers,
        )


def _format_commit(tree: pygit2.Oid, parents: list[pygit2.Oid], author: str, message: str) -> bytes:
    who = signature(author)
    stamp = f"{who.name} <{who.email}> {int(time.time())} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {stamp}", f"committer {stamp}", "", message]
    return "\n".join(lines).encode()


def _names(path: str) -> list[bytes]:
    return [part.encode("utf-8", "surrogateescape") for part in path.split("/")]
