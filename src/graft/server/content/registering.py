"""Files that came by Xet: checking what a shard says about them, and making them objects.

Knowing a hash is not having the file. A shard may use xorbs that its sender uploaded or may read in
a file of a repository; it has to prove that the sender knows the hashes of the chunks it names; and
the file that they make has to have the hash and the SHA-256 that the shard claims.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server.content import large
from graft.server.content.cas import Asker
from graft.server.db.tables import (
    ObjectRow,
    ObjectXorbRow,
    RepositoryObjectRow,
    RepositoryRow,
    XorbUploadRow,
)
from graft.server.errors import BadRequestError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import User
from graft.server.storage.blobs import BlobNotFoundError
from graft.server.storage.content import Received
from graft.server.storage.layout import Layout, Term, join
from graft.server.storage.xorbs import batches
from graft.server.xet.chunking import MIN_CHUNK_BYTES
from graft.server.xet.hashes import HASH_BYTES, Tree, file_hash, range_hash, to_text
from graft.server.xet.shard import ShardError, ShardFile, ShardTerm, parse
from graft.server.xet.xorb import XorbIndex

Progress = Callable[[int, int], None]
"""Told how many files of how many are checked."""


def register(hub: Hub, asker: Asker, data: memoryview, progress: Progress = lambda *_: None) -> int:
    """Makes the files of a shard objects that the asker's repository may use; answers how many.

    All of them, or none. Blocks, for as long as it takes to read the files.

    Raises:
        BadRequestError: a shard that cannot be read, or says what is not so.
        TooLargeError: a file longer than the Hub takes.
        RepoNotFoundError: the repository was deleted meanwhile.
        StorageError: storage does not answer, or is damaged.
    """
    try:
        shard = parse(data)
    except ShardError as error:
        raise _bad(str(error)) from error
    names = {to_text(term.xorb) for file in shard.files for term in file.terms()}
    with hub.database.reading() as session:
        usable = usable_xorbs(session, asker.user, names)
    for name in sorted(names - usable):
        raise _bad(f"It names the xorb {name}, which you did not send. Upload it first.")
    received = []
    for number, file in enumerate(shard.files):
        progress(number, len(shard.files))
        received.append(_check(hub, file))
    progress(len(shard.files), len(shard.files))
    large.publish(hub, asker.repository.id, received)
    return len(received)


def usable_xorbs(session: Session, user: User | None, names: Iterable[str]) -> set[str]:
    """Those of the xorbs that the user sent, or may read a file of."""
    left = set(names)
    usable: set[str] = set()
    if user is not None:
        for some in batches(left):
            sent = select(XorbUploadRow.xorb).where(
                XorbUploadRow.account_id == user.account.id, XorbUploadRow.xorb.in_(some)
            )
            usable.update(session.scalars(sent))
    for some in batches(left - usable):
        readable = (
            select(ObjectXorbRow.xorb)
            .join(RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectXorbRow.sha256)
            .join(RepositoryRow, RepositoryRow.id == RepositoryObjectRow.repository_id)
            .where(ObjectXorbRow.xorb.in_(some), access.files_readable_by(user))
            .distinct()
        )
        usable.update(session.scalars(readable))
    return usable


@dataclass
class _Assembled:
    """A file, as far as its terms have been gone through."""

    tree: Tree
    terms: list[Term]
    size: int = 0
    chunks: int = 0
    first_chunk: bytes | None = None


def _check(hub: Hub, file: ShardFile) -> Received:
    name = to_text(file.hash)
    assembled = _Assembled(Tree(), [])
    for term in file.terms():
        _add(hub, name, assembled, term)
    if assembled.chunks > assembled.size // MIN_CHUNK_BYTES + 1:
        raise _bad(f"The file {name} has shorter chunks than files are cut into.")
    if file_hash(assembled.tree.root()) != file.hash:
        raise _bad(f"The chunks of the file {name} make another file.")
    layout = Layout(join(assembled.terms))
    sha256 = _sha256(hub, file, layout)
    return Received(sha256, layout.size, name, layout.terms, assembled.first_chunk)


def _add(hub: Hub, name: str, assembled: _Assembled, term: ShardTerm) -> None:
    xorb = to_text(term.xorb)
    try:
        index = hub.content.xorbs.index(xorb)
    except BlobNotFoundError as error:
        raise _bad(f"It names the xorb {xorb}, which is gone. Upload it again.") from error
    _check_term(xorb, index, term)
    assembled.size += term.size
    assembled.chunks += term.end - term.first
    large.check_size(hub, name, assembled.size)
    # Before the chunks are gone through: many short ones in few bytes would take long.
    if assembled.chunks > assembled.size // MIN_CHUNK_BYTES + 1:
        raise _bad(f"The file {name} has shorter chunks than files are cut into.")
    for value, size in index.chunks(term.first, term.end):
        assembled.tree.add(value, size)
    if assembled.first_chunk is None:
        assembled.first_chunk = index.hash_of(term.first)
    last = assembled.terms[-1] if assembled.terms else None
    assembled.terms[-1:] = join(
        [*([last] if last else []), Term(xorb, term.first, term.end, term.size)]
    )


def _check_term(xorb: str, index: XorbIndex, term: ShardTerm) -> None:
    if not term.first < term.end <= len(index):
        raise _bad(
            f"It names the chunks {term.first} to {term.end} of the xorb {xorb}, which has "
            f"{len(index)}."
        )
    size = index.unpacked_ends[term.end - 1] - index.unpacked_start(term.first)
    if size != term.size:
        raise _bad(
            f"The chunks {term.first} to {term.end} of the xorb {xorb} have {size} bytes, not "
            f"{term.size}."
        )
    hashes = index.hashes[term.first * HASH_BYTES : term.end * HASH_BYTES]
    if term.proof != range_hash(hashes):
        raise _bad(
            f"It does not prove that you know the chunks {term.first} to {term.end} of the xorb "
            f"{xorb}."
        )


def _sha256(hub: Hub, file: ShardFile, layout: Layout) -> str:
    """The file's SHA-256, found out by reading it, unless the Hub knows the file."""
    name = to_text(file.hash)
    with hub.database.reading() as session:
        found = session.scalar(select(ObjectRow.sha256).where(ObjectRow.xet_hash == name).limit(1))
    if found is None:
        digest = hashlib.sha256()
        for chunk in hub.content.chunks_of(layout):
            digest.update(chunk)
        found = digest.hexdigest()
    claimed = file.sha256.hex() if file.sha256 is not None else found
    if claimed != found:
        raise _bad(f"The file {name} has the SHA-256 {found}, not {claimed}.")
    return found


def _bad(what: str) -> BadRequestError:
    return BadRequestError(f"The shard cannot be accepted. {what} Nothing was registered.")
