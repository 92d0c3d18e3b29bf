"""The hashes of Xet: keyed BLAKE3 of chunks, and trees of them for xorbs and files.

All are 32 bytes; where they stand in text, they are four little-endian 64-bit numbers in
hexadecimal, which is not the hexadecimal of the bytes (specification: "Hashing", "API").
"""

import struct
from collections.abc import Iterable

from blake3 import blake3

HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)

# The keys are part of the specification.
CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
RANGE_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")

# A node of a tree ends at a child whose hash is a multiple of 4, of which there are one in four;
# it has at least 3 children and at most 9, except where the level ends.
_NODE_MODULUS = 4
_LEAST_CHILDREN = 3
_MOST_CHILDREN = 9

# One chunk in 64 is looked up over all repositories: clients ask for one in 1,024, all of which are
# among them, and we for the rest when a file is cut here.
_SHARED_MODULUS = 64

_WORDS = struct.Struct("<4Q")
_LAST_WORD = struct.Struct("<24xQ")
_WORDS_IN_ORDER = struct.Struct(">4Q")

Buffer = bytes | bytearray | memoryview


def to_text(value: bytes) -> str:
    """A hash as addresses and names spell it: 64 hexadecimal digits."""
    return _WORDS_IN_ORDER.pack(*_WORDS.unpack(value)).hex()


def from_text(text: str) -> bytes:
    """The hash that `to_text` spelled.

    Raises:
        ValueError: not 64 lower-case hexadecimal digits.
    """
    if len(text) != 2 * HASH_BYTES or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text[:80]!r} is not a hash of 64 hexadecimal digits")
    return _WORDS.pack(*_WORDS_IN_ORDER.unpack(bytes.fromhex(text)))


def chunk_hash(data: Buffer, *more: Buffer) -> bytes:
    """The hash of a chunk's bytes, laid end to end, as they were before any compression."""
    digest = blake3(data, key=CHUNK_KEY)
    for part in more:
        digest.update(part)
    return digest.digest()


def is_shared(value: bytes) -> bool:
    """Whether a chunk of that hash is looked up over all repositories."""
    last: int = _LAST_WORD.unpack(value)[0]
    return last % _SHARED_MODULUS == 0


def xorb_hash(chunks: Iterable[tuple[bytes, int]]) -> bytes:
    """The hash of a xorb: the root of the tree over its chunks' (hash, size)."""
    tree = Tree()
    for value, size in chunks:
        tree.add(value, size)
    return tree.root()


def file_hash(root: bytes) -> bytes:
    """The hash of a file, from the root of the tree over its chunks; one without any has none."""
    return with_key(root, NO_HASH) if root != NO_HASH else NO_HASH


def range_hash(hashes: Buffer) -> bytes:
    """What proves that somebody knows all hashes (laid end to end) of a run of chunks."""
    return blake3(hashes, key=RANGE_KEY).digest()


def with_key(value: bytes, key: bytes) -> bytes:
    """A hash hidden under a key: only who knows the hash can tell that it is this one."""
    return blake3(value, key=key).digest()


class Tree:
    """A Merkle tree over chunks in their order, which keeps only the open nodes of each level."""

    def __init__(self) -> None:
        self._levels: list[list[tuple[bytes, int]]] = [[]]
        self._closed = [False]  # whether a level has ended a node already

    def add(self, value: bytes, size: int) -> None:
        """The next chunk: its hash and its bytes."""
        self._push(0, value, size)

    def root(self) -> bytes:
        """The hash over all chunks; of none, all zeros. The tree takes no more after this."""
        for level in range(len(self._levels) + 64):
            nodes = self._levels[level]
            is_last = level + 1 == len(self._levels)
            if is_last and not self._closed[level] and len(nodes) <= 1:
                return nodes[0][0] if nodes else NO_HASH
            if nodes:
                self._close(level)
        raise AssertionError("a tree of more than 64 levels")

    def _push(self, level: int, value: bytes, size: int) -> None:
        nodes = self._levels[level]
        nodes.append((value, size))
        ends = len(nodes) >= _LEAST_CHILDREN and _LAST_WORD.unpack(value)[0] % _NODE_MODULUS == 0
        if ends or len(nodes) == _MOST_CHILDREN:
            self._close(level)

    def _close(self, level: int) -> None:
        nodes = self._levels[level]
        text = "".join(f"{to_text(value)} : {size}\n" for value, size in nodes)
        total = sum(size for _, size in nodes)
        nodes.clear()
        self._closed[level] = True
        if level + 1 == len(self._levels):
            self._levels.append([])
            self._closed.append(False)
        self._push(level + 1, blake3(text.encode(), key=NODE_KEY).digest(), total)
