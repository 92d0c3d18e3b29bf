"""Xet's formats: chunks, hashes, xorbs and shards, held to what the stock client makes of them."""

import os
import random
import struct
from pathlib import Path

import hf_xet
import lz4.frame
import pytest

from graft.server.xet import shard
from graft.server.xet.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Chunker, cut
from graft.server.xet.hashes import (
    NO_HASH,
    Tree,
    chunk_hash,
    file_hash,
    from_text,
    range_hash,
    to_text,
    with_key,
    xorb_hash,
)
from graft.server.xet.xorb import (
    GROUPED_LZ4,
    HEADER_BYTES,
    LZ4,
    MAX_XORB_CHUNKS,
    RAW,
    XorbError,
    XorbIndex,
    footer_bytes,
    header,
    read_footer,
    scan,
    ungroup,
)

NOISE = random.Random(7).randbytes(5_000_000)


def chunks_of(data: bytes) -> list[bytes]:
    ends = cut(data)
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def hash_of(data: bytes) -> str:
    tree = Tree()
    for chunk in chunks_of(data):
        tree.add(chunk_hash(chunk), len(chunk))
    return to_text(file_hash(tree.root()))


def group(data: bytes) -> bytes:
    return b"".join(data[start::4] for start in range(4))


def frame(chunk: bytes, scheme: int = RAW) -> bytes:
    packed = {RAW: lambda: chunk, LZ4: lambda: lz4.frame.compress(chunk)}.get(
        scheme, lambda: lz4.frame.compress(group(chunk))
    )()
    return header(len(packed), scheme, len(chunk)) + packed


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        NOISE[: MIN_CHUNK_BYTES - 1],
        NOISE[:MIN_CHUNK_BYTES],
        NOISE[: MIN_CHUNK_BYTES + 1],
        NOISE[:70_000],
        NOISE,
        bytes(MAX_CHUNK_BYTES),
        bytes(MAX_CHUNK_BYTES * 9 + 1),
        bytes(MAX_CHUNK_BYTES - 1),
        b"ab" * 700_000,
        NOISE[:300_000] * 12,
    ],
    ids=len,
)
def test_files_have_the_hashes_that_the_stock_client_gives_them(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert hf_xet.hash_files([str(path)])[0].hash == hash_of(data)


def test_cutting_in_pieces_is_cutting_at_once() -> None:
    whole = chunks_of(NOISE)
    assert b"".join(whole) == NOISE
    assert all(MIN_CHUNK_BYTES <= len(chunk) <= MAX_CHUNK_BYTES for chunk in whole[:-1])
    chunker = Chunker()
    ends, position = [], 0
    choose = random.Random(1)
    while position < len(NOISE):
        step = choose.choice([1, 63, 5000, 200_000, 1_000_000])
        ends += [position + end for end in chunker.feed(NOISE[position : position + step])]
        position += step
    assert ends == cut(NOISE)[: len(ends)]
    assert len(whole) - len(ends) <= 1  # the last one ends with the file


def test_a_change_moves_only_the_cuts_around_it() -> None:
    changed = NOISE[:2_500_000] + b"inserted" + NOISE[2_500_000:]
    new = {chunk_hash(chunk) for chunk in chunks_of(changed)} - {
        chunk_hash(chunk) for chunk in chunks_of(NOISE)
    }
    assert 1 <= len(new) <= 3


def test_nothing_has_no_chunks_and_no_hash() -> None:
    assert cut(b"") == []
    assert Tree().root() == NO_HASH
    assert file_hash(NO_HASH) == NO_HASH


def test_hashes_as_text_are_numbers() -> None:
    text = "07060504030201000f0e0d0c0b0a09081716151413121110" + "1f1e1d1c1b1a1918"
    assert to_text(bytes(range(32))) == text
    assert from_text(text) == bytes(range(32))
    for wrong in (text[:-1], text.upper(), "g" * 64, "", f"{text} "):
        with pytest.raises(ValueError, match="not a hash"):
            from_text(wrong)


def test_a_tree_of_one_chunk_is_that_chunk() -> None:
    value = chunk_hash(b"alone")
    assert xorb_hash([(value, 5)]) == value


def test_xorbs_come_back_in_every_scheme() -> None:
    chunks = [NOISE[:9000], b"compress me " * 1000, NOISE[9000:9003] * 3000, b"odd"]
    data = b"".join(
        frame(chunk, scheme) for chunk, scheme in zip(chunks, (0, 1, 2, 2), strict=True)
    )
    index = scan(data)
    assert [value for value, _ in index.chunks(0, 4)] == [chunk_hash(chunk) for chunk in chunks]
    assert index.root() == xorb_hash((chunk_hash(chunk), len(chunk)) for chunk in chunks)
    assert index.unpacked_bytes == sum(map(len, chunks))
    assert index.packed_bytes == len(data)


def test_a_footer_tells_all_and_is_not_believed() -> None:
    data = frame(NOISE[:9000]) + frame(b"b" * 9000, LZ4)
    index = scan(data)
    footer = index.footer(index.root())
    assert len(footer) == footer_bytes(2)
    value, again = read_footer(footer)
    assert value == index.root()
    assert (again.hashes, again.packed_ends) == (index.hashes, index.packed_ends)
    assert again.unpacked_ends == index.unpacked_ends
    lies = XorbIndex(bytes(64), [1, 2], [3, 4]).footer(bytes(32))
    assert scan(data + lies).root() == index.root()


@pytest.mark.parametrize("damage", ["short", "count", "magic", "length", "empty"])
def test_a_damaged_footer_is_refused(damage: str) -> None:
    index = scan(frame(NOISE[:9000]))
    footer = index.footer(index.root())
    broken = {
        "short": footer[5:],
        "count": footer[:-32] + struct.pack("<I", 9) + footer[-28:],
        "magic": b"Y" + footer[1:],
        "length": footer[:-4] + struct.pack("<I", 1),
        "empty": b"",
    }[damage]
    with pytest.raises(XorbError, match="footer"):
        read_footer(broken)


BOMB = lz4.frame.compress(bytes(200_000_000))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no chunk"),
        (b"XETBLOB\x01", "no chunk"),
        (b"\0\1\0\0\0", "breaks off in the header"),
        (header(10, RAW, 10) + b"short", "breaks off in the chunk"),
        (b"\1" + frame(b"x")[1:], "version 1"),
        (header(1, 3, 1) + b"x", "scheme 3"),
        (header(0, RAW, 0), "0 bytes"),
        (header(3, RAW, 4) + b"abc", "has 4 bytes, but has 3"),
        (header(5, RAW, MAX_CHUNK_BYTES + 1) + b"abcde", "131073 bytes"),
        (header(20, LZ4, 10) + b"abcde" * 4, "cannot be unpacked"),
        (header(len(BOMB), LZ4, MAX_CHUNK_BYTES) + BOMB, "not one LZ4 frame"),
        (header(len(BOMB), GROUPED_LZ4, 100) + BOMB, "not one LZ4 frame"),
        (frame(b"x" * 100, LZ4)[:-1], "breaks off"),
        (frame(b"x" * 100) + b"junk", "breaks off in the header"),
        (frame(b"x") * (MAX_XORB_CHUNKS + 1), "more than the"),
        (frame(NOISE[:120_000]) * 600, "at most"),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),
)
def test_what_is_no_sound_xorb_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(XorbError, match=said):
        scan(data)


def test_frames_with_something_behind_them_are_refused() -> None:
    packed = lz4.frame.compress(b"x" * 100)
    for tail in (b"\0", packed):
        data = header(len(packed + tail), LZ4, 100) + packed + tail
        with pytest.raises(XorbError, match="not one LZ4 frame"):
            scan(data)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 1001])
def test_bytes_apart_come_together(size: int) -> None:
    assert ungroup(group(NOISE[:size])) == NOISE[:size]


def sample_shard() -> tuple[bytes, XorbIndex]:
    index = scan(b"".join(frame(chunk) for chunk in chunks_of(NOISE[:400_000])))
    proof = range_hash(index.hashes)
    term = shard.ShardTerm(index.root(), 0, len(index), index.unpacked_bytes, proof)
    files = [
        (bytes(range(32)), bytes(range(32, 64)), [term, term]),
        (bytes(32), None, [term]),
    ]
    return shard.write_files(files, [(index.root(), index)]), index


def test_shards_come_back() -> None:
    data, index = sample_shard()
    found = shard.parse(memoryview(data))
    assert found.xorbs == (index.root(),)
    first, second = found.files
    assert (first.hash, first.sha256, first.count) == (
        bytes(range(32)),
        bytes(range(32, 64)),
        2,
    )
    assert (second.sha256, second.count) == (None, 1)
    term = next(second.terms())
    assert (term.xorb, term.first, term.end) == (index.root(), 0, len(index))
    assert term.proof == range_hash(index.hashes)


def test_told_shards_hide_the_hashes_of_chunks() -> None:
    _, index = sample_shard()
    key = os.urandom(32)
    told = shard.write([(index.root(), index)], key, 1000, 2000)
    assert index.hash_of(0) not in told
    assert with_key(index.hash_of(0), key) in told
    assert shard.parse(memoryview(told)).xorbs == (index.root(),)


def test_a_shard_cut_anywhere_is_refused() -> None:
    data, _ = sample_shard()
    for length in range(0, len(data), 7):
        with pytest.raises(shard.ShardError):
            shard.parse(memoryview(data[:length]))
    with pytest.raises(shard.ShardError, match="behind its end"):
        shard.parse(memoryview(data + b"x"))


def test_numbers_that_lie_are_refused() -> None:
    data, _ = sample_shard()
    many = bytearray(data)
    struct.pack_into("<I", many, 48 + 36, 2**32 - 1)
    with pytest.raises(shard.ShardError, match="breaks off"):
        shard.parse(memoryview(many))
    version = bytearray(data)
    version[32] = 3
    with pytest.raises(shard.ShardError, match="not a shard"):
        shard.parse(memoryview(version))
    footer = bytearray(data)
    struct.pack_into("<Q", footer, 40, 2**63)
    with pytest.raises(shard.ShardError, match="footer"):
        shard.parse(memoryview(footer))


def test_headers_have_eight_bytes() -> None:
    assert header(0x010203, LZ4, 0x040506) == bytes([0, 3, 2, 1, 1, 6, 5, 4])
    assert len(header(0, 0, 0)) == HEADER_BYTES
