"""Shards: what files are made of and what xorbs hold (specification: "MDB Shard File Format").

A client sends one to register the files it has uploaded; the Hub answers with one where it is asked
for chunks that a client has and need not send.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graft.errors import HubError
from graft.server.xet.hashes import HASH_BYTES, NO_HASH, with_key
from graft.server.xet.xorb import XorbIndex

MAX_SHARD_BYTES = 64 * 1024**2

_TAG = b"HFRepoMetaData\0UigEj{\x81W\x83\xa5\xbd\xd9\\\xcd\xd1J\xa9"
_VERSION = 2
_FOOTER_VERSION = 1

_HEADER = struct.Struct("<32sQQ")
# What stands in a section are records of 48 bytes: a hash and sixteen bytes of numbers.
_RECORD = struct.Struct("<32sIIII")
# Among what the specification leaves open are three tables for looking up, each told by where it
# begins and how many entries it has, which may be none; and three totals of bytes.
_FOOTER = struct.Struct("<9Q32sQQ48s4Q")
_END = b"\xff" * HASH_BYTES

_HAS_PROOFS = 1 << 31
_HAS_SHA256 = 1 << 30


class ShardError(HubError):
    """Bytes that are not a sound shard; the message says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class ShardTerm:
    """A run of chunks of a xorb: `proof` shows that the sender knows their hashes."""

    xorb: bytes
    first: int
    end: int
    size: int
    proof: bytes | None


@dataclass(frozen=True)
class ShardFile:
    """A file: its hash, its SHA-256 where the shard has it, and where its terms stand."""

    hash: bytes
    sha256: bytes | None
    count: int
    _terms: memoryview
    _proofs: memoryview | None

    def terms(self) -> Iterator[ShardTerm]:
        """The terms, in order; made as they are asked for, since there may be a million."""
        terms = _RECORD.iter_unpack(self._terms)
        if self._proofs is None:
            for xorb, _, size, first, end in terms:
                yield ShardTerm(xorb, first, end, size, None)
            return
        proofs = _RECORD.iter_unpack(self._proofs)
        for (xorb, _, size, first, end), (proof, *_rest) in zip(terms, proofs, strict=True):
            yield ShardTerm(xorb, first, end, size, proof)


@dataclass(frozen=True)
class Shard:
    """The files that a shard registers, and the xorbs that it tells of."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[bytes, ...]


def parse(data: memoryview) -> Shard:
    """Reads a shard that somebody sent; a footer is not needed, and not believed.

    Raises:
        ShardError: not a sound shard.
    """
    if len(data) < _HEADER.size:
        raise ShardError(f"The shard has {len(data)} bytes, fewer than its header.")
    tag, version, footer = _HEADER.unpack_from(data)
    if tag != _TAG or version != _VERSION:
        raise ShardError(f"This is not a shard of version {_VERSION}.")
    if footer > len(data) - _HEADER.size:
        raise ShardError(f"The shard says that its footer has {footer} bytes, more than there are.")
    records = _Records(data[: len(data) - footer], _HEADER.size)
    files = tuple(_files(records))
    xorbs = tuple(_xorbs(records))
    if records.position != len(records.data):
        raise ShardError(f"The shard has something behind its end at byte {records.position}.")
    return Shard(files, xorbs)


def write(
    xorbs: Iterable[tuple[bytes, XorbIndex]], key: bytes = NO_HASH, made: int = 0, expires: int = 0
) -> bytes:
    """A shard that tells what xorbs hold, with its footer.

    Args:
        xorbs: the hash of each, and its index.
        key: under which the hashes of chunks are hidden; none where it is all zeros.
        made: when, in seconds since 1970.
        expires: until when clients may refer to the xorbs.
    """
    parts = [_HEADER.pack(_TAG, _VERSION, _FOOTER.size), _RECORD.pack(_END, 0, 0, 0, 0)]
    unpacked = packed = 0
    for value, index in xorbs:
        count = len(index)
        parts.append(_RECORD.pack(value, 0, count, index.unpacked_bytes, index.packed_bytes))
        for number, (chunk, size) in enumerate(index.chunks(0, count)):
            hidden = chunk if key == NO_HASH else with_key(chunk, key)
            parts.append(_RECORD.pack(hidden, index.unpacked_start(number), size, 0, 0))
        unpacked += index.unpacked_bytes
        packed += index.packed_bytes
    parts.append(_RECORD.pack(_END, 0, 0, 0, 0))
    body = b"".join(parts)
    no_table = (len(body), 0)
    sections = (_FOOTER_VERSION, _HEADER.size, _HEADER.size + _RECORD.size)
    totals = (packed, 0, unpacked)
    return body + _FOOTER.pack(
        *sections, *no_table * 3, key, made, expires, b"", *totals, len(body)
    )


def write_files(
    files: Iterable[tuple[bytes, bytes | None, Iterable[ShardTerm]]],
    xorbs: Iterable[tuple[bytes, XorbIndex]] = (),
) -> bytes:
    """A shard as clients send it: (hash, SHA-256, terms) of files, and new xorbs; no footer."""
    parts = [_HEADER.pack(_TAG, _VERSION, 0)]
    for value, sha256, given in files:
        terms = list(given)
        flags = _HAS_PROOFS | (_HAS_SHA256 if sha256 is not None else 0)
        parts.append(_RECORD.pack(value, flags, len(terms), 0, 0))
        parts += [_RECORD.pack(t.xorb, 0, t.size, t.first, t.end) for t in terms]
        parts += [_RECORD.pack(t.proof or NO_HASH, 0, 0, 0, 0) for t in terms]
        if sha256 is not None:
            parts.append(_RECORD.pack(_from_sha256(sha256), 0, 0, 0, 0))
    parts.append(_RECORD.pack(_END, 0, 0, 0, 0))
    told = write(xorbs)
    return b"".join(parts) + told[_HEADER.size + _RECORD.size : -_FOOTER.size]


class _Records:
    """Takes records one after the other, and none beyond the end."""

    def __init__(self, data: memoryview, position: int) -> None:
        self.data = data
        self.position = position

    def take(self, count: int, what: str) -> memoryview:
        end = self.position + count * _RECORD.size
        if end > len(self.data):
            raise ShardError(f"The shard breaks off in the {what} at byte {self.position}.")
        taken = self.data[self.position : end]
        self.position = end
        return taken


def _files(records: _Records) -> Iterator[ShardFile]:
    while True:
        value, flags, count, *_ = _RECORD.unpack(records.take(1, "files"))
        if value == _END:
            return
        terms = records.take(count, "terms of a file")
        proofs = records.take(count, "proofs of a file") if flags & _HAS_PROOFS else None
        sha256 = None
        if flags & _HAS_SHA256:
            sha256 = _from_sha256(bytes(records.take(1, "SHA-256 of a file")[:HASH_BYTES]))
        yield ShardFile(value, sha256, count, terms, proofs)


def _xorbs(records: _Records) -> Iterator[bytes]:
    while True:
        value, _, count, *_ = _RECORD.unpack(records.take(1, "xorbs"))
        if value == _END:
            return
        records.take(count, "chunks of a xorb")
        yield value


def _from_sha256(value: bytes) -> bytes:
    """A SHA-256 to or from the form that it has here: its text, read as the text of a hash is."""
    return struct.pack("<4Q", *struct.unpack(">4Q", value))
