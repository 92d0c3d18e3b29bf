"""Putting the bytes of large objects together from the xorbs that hold them."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from graft.server.storage.layout import Layout
from graft.server.storage.streams import LONG_PIECE_BYTES
from graft.server.storage.xorbs import Xorbs, damaged
from graft.server.xet.xorb import HEADER_BYTES, XorbError, XorbIndex, raw_headers, unpack


@dataclass(frozen=True, slots=True)
class Run:
    """Chunks of one xorb, of whose bytes `skip` are left out in front and `length` are taken."""

    xorb: str
    first: int
    end: int
    skip: int
    length: int


def plan(
    xorbs: Xorbs, layout: Layout, start: int, end: int, piece_bytes: int = LONG_PIECE_BYTES
) -> Iterator[list[Run]]:
    """What to read for the bytes from `start` up to `end`: pieces of about
    `piece_bytes`, each of one run or more.

    Raises:
        BlobNotFoundError, StorageError: a xorb that storage does not have.
    """
    piece: list[Run] = []
    size = 0
    number = layout.term_at(start)
    while start < end:
        term = layout.terms[number]
        index = xorbs.index(term.xorb)
        offset = index.unpacked_start(term.first) - layout.start_of(number)
        stop = min(end, layout.ends[number])
        while start < stop:
            run = _run(term.xorb, index, start + offset, stop + offset, piece_bytes - size)
            piece.append(run)
            size += run.length
            start += run.length
            if size >= piece_bytes:
                yield piece
                piece, size = [], 0
        number += 1
    if piece:
        yield piece


def read(xorbs: Xorbs, piece: list[Run]) -> bytes:
    """The bytes of a piece.

    Raises: as `read_parts`.
    """
    return b"".join(read_parts(xorbs, piece))


def read_parts(xorbs: Xorbs, piece: list[Run]) -> list[memoryview]:
    """The bytes of a piece, chunk after chunk.

    Raises:
        BlobNotFoundError: a xorb that is gone.
        StorageError: storage does not answer, or is damaged.
    """
    parts: list[memoryview] = []
    for run in piece:
        index = xorbs.index(run.xorb)
        start = index.packed_start(run.first)
        data = xorbs.read(run.xorb, start, index.packed_ends[run.end - 1] - start)
        try:
            chunks = _chunks(memoryview(data), index, run)
        except XorbError as error:
            raise damaged(run.xorb, error) from error
        parts += _trimmed(chunks, run.skip, run.length)
    return parts


def _run(name: str, index: XorbIndex, start: int, stop: int, wanted: int) -> Run:
    """The chunks around a xorb's unpacked bytes from `start`, up to `stop` or about `wanted`."""
    first = index.chunk_at(start)
    last = bisect_left(index.unpacked_ends, min(stop, start + wanted), first)
    stop = min(stop, index.unpacked_ends[last])
    return Run(name, first, last + 1, start - index.unpacked_start(first), stop - start)


def _chunks(data: memoryview, index: XorbIndex, run: Run) -> list[memoryview]:
    """The run's chunks, unpacked."""
    headers = raw_headers(index, run.first, run.end)
    position = 0
    chunks: list[memoryview] = []
    for number in range(run.end - run.first):
        size = index.size_of(run.first + number)
        expected = headers[number * HEADER_BYTES : (number + 1) * HEADER_BYTES]
        start = position + HEADER_BYTES
        if data[position:start] == expected:  # as most are: not compressed
            position = start + size
            chunks.append(data[start:position])
            continue
        chunk, position = unpack(data, position)
        if len(chunk) != size:
            raise XorbError(f"chunk {run.first + number} has {len(chunk)} bytes, not {size}")
        chunks.append(memoryview(chunk))
    if position != len(data):
        raise XorbError(f"chunk {run.end - 1} ends at another byte than the footer says")
    return chunks


def _trimmed(chunks: list[memoryview], skip: int, length: int) -> Iterator[memoryview]:
    for chunk in chunks:
        part = chunk[skip : skip + length]
        skip = max(0, skip - len(chunk))
        length -= len(part)
        if part:
            yield part
