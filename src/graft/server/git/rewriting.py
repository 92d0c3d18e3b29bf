"""Writing a repository's history anew without some of its large files."""

from collections.abc import Collection

import pygit2
from pygit2.enums import ObjectType

from graft.server.git.reachable import pointer_in, ref_names

# Header lines whose value goes on in the lines below it that begin with a space.
_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")


class Rewriting:
    """The history of all refs as it would be had it never held certain large objects.

    New objects are written beside the old ones; no ref moves. A commit that changes loses its
    signature: that was of what it no longer is.
    """

    def __init__(self, repository: pygit2.Repository, hashes: Collection[str]) -> None:
        """`hashes` are the SHA-256 of the objects whose pointers go."""
        self._repository = repository
        self._hashes = frozenset(hashes)
        self._new: dict[pygit2.Oid, pygit2.Oid] = {}
        self._walked: list[pygit2.Oid] = []
        self._trees: dict[pygit2.Oid, pygit2.Oid | None] = {}

    def moves(self) -> dict[str, tuple[pygit2.Oid, pygit2.Oid]]:
        """Where each ref that changes stood, and where it has to go."""
        moves = {}
        for name in ref_names(self._repository):
            old = self._repository.references[name].target
            assert isinstance(old, pygit2.Oid)  # `ref_names` leaves symbolic refs out
            new = self._target(old)
            if new != old:
                moves[name] = (old, new)
        return moves

    def _target(self, oid: pygit2.Oid) -> pygit2.Oid:
        found: object = self._repository[oid]
        if isinstance(found, pygit2.Commit):
            return self._commit(found)
        if isinstance(found, pygit2.Tag):
            return self._tag(found)
        return oid  # the tag of a file or a folder stays

    def _commit(self, newest: pygit2.Commit) -> pygit2.Oid:
        order = pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.REVERSE
        walker = self._repository.walk(newest.id, order)
        for done in self._walked:
            walker.hide(done)
        for commit in walker:
            if commit.id not in self._new:
                self._new[commit.id] = self._without(commit)
        self._walked.append(newest.id)
        return self._new[newest.id]

    def _without(self, commit: pygit2.Commit) -> pygit2.Oid:
        tree = self._tree(commit.tree) or self._repository.TreeBuilder().write()
        new = {commit.tree_id: tree} | {parent: self._new[parent] for parent in commit.parent_ids}
        return self._renamed(commit, ObjectType.COMMIT, new)

    def _tree(self, tree: pygit2.Tree) -> pygit2.Oid | None:
        """The tree without the pointers; None where nothing of it is left."""
        if tree.id not in self._trees:
            builder = self._repository.TreeBuilder(tree)
            for child in tree:
                name = str(child.name)
                if isinstance(child, pygit2.Tree):
                    new = self._tree(child)
                    if new is None:
                        builder.remove(name)
                    elif new != child.id:
                        builder.insert(name, new, child.filemode)
                elif isinstance(child, pygit2.Blob) and self._goes(child):
                    builder.remove(name)
            self._trees[tree.id] = builder.write() if len(builder) or not len(tree) else None
        return self._trees[tree.id]

    def _goes(self, blob: pygit2.Blob) -> bool:
        lfs = pointer_in(self._repository, blob.id)
        return lfs is not None and lfs.sha256 in self._hashes

    def _tag(self, tag: pygit2.Tag) -> pygit2.Oid:
        return self._renamed(tag, ObjectType.TAG, {tag.target: self._target(tag.target)})

    def _renamed(
        self, found: pygit2.Commit | pygit2.Tag, kind: ObjectType, new: dict[pygit2.Oid, pygit2.Oid]
    ) -> pygit2.Oid:
        """A copy of a commit or tag that names other objects, with every other byte as it was."""
        if all(old == now for old, now in new.items()):
            return found.id
        _, raw = self._repository.read(found.id)
        head, _, text = raw.partition(b"\n\n")
        names = {str(old).encode(): str(now).encode() for old, now in new.items()}
        lines = []
        signed = False
        for line in head.split(b"\n"):
            signed = line.startswith(_SIGNATURES) or (signed and line.startswith(b" "))
            if not signed:
                key, _, value = line.partition(b" ")
                is_name = key in (b"tree", b"parent", b"object")
                lines.append(key + b" " + names[value] if is_name else line)
        return self._repository.write(kind, b"\n".join(lines) + b"\n\n" + text)
