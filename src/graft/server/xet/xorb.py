"""Xorbs: chunks laid one after the other, each behind a header (specification: "Xorb Formation").

What is stored is the whole serialised form: the frames of the chunks, then the footer with their
hashes and ends, so that a xorb tells by itself what it holds. Clients may send one without footer.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import lz4.frame

from graft.errors import HubError
from graft.server.xet.chunking import MAX_CHUNK_BYTES
from graft.server.xet.hashes import HASH_BYTES, Buffer, chunk_hash, to_text, xorb_hash

HEADER_BYTES = 8

FULL_XORB_BYTES = 64 * 1024**2
"""How long the frames of a xorb are that we make, at most."""

MAX_XORB_CHUNKS = 16 * 1024
"""The most chunks that one may have: twice what the reference client puts into one."""

MAX_XORB_BYTES = FULL_XORB_BYTES + MAX_XORB_CHUNKS * HEADER_BYTES
"""The most bytes that the frames of a xorb may have: the reference client counts no headers."""

FULL_XORB_CHUNKS = 8 * 1024
"""How many chunks we put into one, as the reference client does."""

RAW, LZ4, GROUPED_LZ4 = range(3)
"""How a chunk is compressed: not, by LZ4, by LZ4 with the bytes of each four apart."""

_INFO = b"XETBLOB\x01"
_HASHES = b"XBLBHSH\x00"
_ENDS = b"XBLBBND\x01"
_NUMBER = struct.Struct("<I")
_TAIL = struct.Struct("<III16xI")
MAX_FOOTER_BYTES = 256 + MAX_XORB_CHUNKS * (HASH_BYTES + 8)


class XorbError(HubError):
    """Bytes that are not a sound xorb; the message says what is wrong, and where."""


class XorbIndex:
    """What a xorb holds: of each chunk its hash, and where it ends, packed and unpacked."""

    def __init__(
        self, hashes: bytes, packed_ends: Sequence[int], unpacked_ends: Sequence[int]
    ) -> None:
        """`hashes` are laid end to end; the others say where each chunk ends in the frames, and
        where in the bytes of all chunks."""
        self.hashes = hashes
        self.packed_ends = array("I", packed_ends)
        self.unpacked_ends = array("I", unpacked_ends)

    def __len__(self) -> int:
        return len(self.packed_ends)

    @property
    def packed_bytes(self) -> int:
        """The bytes of all frames."""
        return self.packed_ends[-1]

    @property
    def unpacked_bytes(self) -> int:
        """The bytes of all chunks."""
        return self.unpacked_ends[-1]

    def hash_of(self, chunk: int) -> bytes:
        return self.hashes[chunk * HASH_BYTES : (chunk + 1) * HASH_BYTES]

    def size_of(self, chunk: int) -> int:
        """A chunk's own bytes."""
        return self.unpacked_ends[chunk] - self.unpacked_start(chunk)

    def packed_start(self, chunk: int) -> int:
        """Where a chunk's frame begins; of the number behind the last, where the frames end."""
        return self.packed_ends[chunk - 1] if chunk else 0

    def unpacked_start(self, chunk: int) -> int:
        """Where a chunk begins in the bytes of all chunks."""
        return self.unpacked_ends[chunk - 1] if chunk else 0

    def chunk_at(self, position: int) -> int:
        """The chunk in which a byte of all chunks' bytes lies."""
        return bisect_right(self.unpacked_ends, position)

    def chunks(self, first: int, end: int) -> Iterator[tuple[bytes, int]]:
        """(hash, size) of a run of chunks."""
        start = self.unpacked_start(first)
        for chunk in range(first, end):
            stop = self.unpacked_ends[chunk]
            yield self.hash_of(chunk), stop - start
            start = stop

    def root(self) -> bytes:
        """The xorb's hash."""
        return xorb_hash(self.chunks(0, len(self)))

    def footer(self, xorb: bytes) -> bytes:
        """What stands behind the frames of the xorb of that hash."""
        count = _NUMBER.pack(len(self))
        ends = b"".join((_ENDS, count, _little(self.packed_ends), _little(self.unpacked_ends)))
        hashes = b"".join((_HASHES, count, self.hashes))
        tail = _TAIL.size - _NUMBER.size
        head = _INFO + xorb
        length = len(head) + len(hashes) + len(ends) + tail
        after_ends = len(ends) + tail
        return b"".join(
            (
                head,
                hashes,
                ends,
                _TAIL.pack(len(self), len(hashes) + after_ends, after_ends, length),
            )
        )


def read_footer(data: bytes) -> tuple[bytes, XorbIndex]:
    """(the xorb's hash, what it holds), from a stored xorb's bytes behind its frames.

    Raises:
        XorbError: damaged.
    """
    prefix = len(_INFO) + HASH_BYTES
    if len(data) < prefix + _TAIL.size or not data.startswith(_INFO):
        raise XorbError("The footer of the xorb is missing or damaged.")
    count, _, _, length = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    hashes_start = prefix + len(_HASHES) + _NUMBER.size
    ends_start = hashes_start + count * HASH_BYTES + len(_ENDS) + _NUMBER.size
    whole = ends_start + 8 * count + _TAIL.size
    if not count or len(data) != whole or length != whole - _NUMBER.size:
        raise XorbError(f"The footer of the xorb tells of {count} chunks, but has another length.")
    middle = ends_start + 4 * count
    return data[len(_INFO) : prefix], XorbIndex(
        data[hashes_start : hashes_start + count * HASH_BYTES],
        struct.unpack_from(f"<{count}I", data, ends_start),
        struct.unpack_from(f"<{count}I", data, middle),
    )


def footer_bytes(chunks: int) -> int:
    """How long the footer of a xorb of so many chunks is."""
    head = len(_INFO) + HASH_BYTES + len(_HASHES) + len(_ENDS) + 2 * _NUMBER.size
    return head + chunks * (HASH_BYTES + 8) + _TAIL.size


def header(packed: int, scheme: int, unpacked: int) -> bytes:
    """A chunk's header: version, bytes as they are packed, how, and bytes unpacked."""
    return packed.to_bytes(4, "little")[:3].rjust(4, b"\0") + (
        (unpacked << 8 | scheme).to_bytes(4, "little")
    )


def scan(data: Buffer) -> XorbIndex:
    """Reads the frames of a xorb somebody sent, unpacks each and takes its hash.

    A footer may follow the frames; it is not believed, since all that it says is found here.

    Raises:
        XorbError: not a sound xorb, or one over the limits.
    """
    view = memoryview(data)
    hashes: list[bytes] = []
    packed_ends, unpacked_ends = array("I"), array("I")
    position = unpacked = 0
    while position < len(view) and bytes(view[position : position + 7]) != _INFO[:7]:
        if len(hashes) == MAX_XORB_CHUNKS:
            raise XorbError(f"The xorb has more than the {MAX_XORB_CHUNKS} chunks allowed.")
        chunk, position = unpack(view, position)
        hashes.append(chunk_hash(chunk))
        unpacked += len(chunk)
        packed_ends.append(position)
        unpacked_ends.append(unpacked)
    if not hashes:
        raise XorbError("The xorb holds no chunk.")
    if position > MAX_XORB_BYTES:
        raise XorbError(
            f"The chunks of the xorb take {position} bytes; at most {MAX_XORB_BYTES} are allowed."
        )
    return XorbIndex(b"".join(hashes), packed_ends, unpacked_ends)


def unpack(data: memoryview, position: int) -> tuple[Buffer, int]:
    """The chunk whose frame begins at `position`, and where the next one does.

    Raises:
        XorbError: damaged, or a chunk longer than a chunk may be.
    """
    start = position + HEADER_BYTES
    if start > len(data):
        raise XorbError(f"The xorb breaks off in the header at byte {position}.")
    version, scheme = data[position], data[position + 4]
    packed = int.from_bytes(data[position + 1 : position + 4], "little")
    size = int.from_bytes(data[position + 5 : start], "little")
    if version != 0 or scheme > GROUPED_LZ4:
        raise XorbError(
            f"The chunk at byte {position} is of version {version}, scheme {scheme}; "
            "versions other than 0 and schemes over 2 are not known."
        )
    if not 0 < size <= MAX_CHUNK_BYTES:
        raise XorbError(
            f"The chunk at byte {position} says that it has {size} bytes; "
            f"chunks have 1 to {MAX_CHUNK_BYTES}."
        )
    end = start + packed
    if end > len(data):
        raise XorbError(f"The xorb breaks off in the chunk at byte {position}.")
    chunk = data[start:end] if scheme == RAW else _decompress(data[start:end], size, position)
    if len(chunk) != size:
        raise XorbError(
            f"The chunk at byte {position} says that it has {size} bytes, but has {len(chunk)}."
        )
    return ungroup(chunk) if scheme == GROUPED_LZ4 else chunk, end


def ungroup(data: Buffer) -> bytes:
    """Puts the bytes of each four together again, whose first, second, third and fourth bytes were
    laid apart."""
    size = len(data)
    whole = bytearray(size)
    start = 0
    for group in range(4):
        length = (size - group + 3) // 4
        whole[group::4] = data[start : start + length]
        start += length
    return bytes(whole)


def raw_headers(index: XorbIndex, first: int, end: int) -> bytes:
    """The headers that a run of chunks has where none of them is compressed."""
    start = index.unpacked_start(first)
    ends = [start, *index.unpacked_ends[first:end]]
    return b"".join(header(b - a, RAW, b - a) for a, b in pairwise(ends))


def describe(index: XorbIndex) -> str:
    """A xorb in a few words, for errors and logs."""
    return f"{to_text(index.root())} ({len(index)} chunks, {index.packed_bytes} bytes)"


def _decompress(data: memoryview, size: int, position: int) -> bytes:
    unpacker = lz4.frame.LZ4FrameDecompressor()
    try:
        # One byte more than was announced tells that there is more; nothing beyond is unpacked.
        chunk: bytes = unpacker.decompress(data, max_length=size + 1)
    except (RuntimeError, ValueError, EOFError) as error:
        raise XorbError(f"The chunk at byte {position} cannot be unpacked: {error}") from None
    if len(chunk) > size or not unpacker.eof or unpacker.unused_data:
        raise XorbError(
            f"The chunk at byte {position} is not one LZ4 frame of the {size} bytes it announces."
        )
    return chunk


def _little(numbers: "array[int]") -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)
