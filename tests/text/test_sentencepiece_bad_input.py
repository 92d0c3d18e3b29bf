"""SentencePiece's `.model` files that are not what they should be: what users are told of them."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.errors import ModelError
from tokenizer_files import load, refusal


def sentencepiece(kind: int, damage: Callable[[bytes], bytes] = bytes) -> bytes:
    """A `.model` of four pieces, by the Protocol Buffers that describe it."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def piece(text: str, piece_kind: int) -> bytes:
        score = struct.pack("<Bf", 2 << 3 | 5, -1.0)
        return field(1, field(1, text.encode()) + score + bytes([3 << 3, piece_kind]))

    pieces = piece("<unk>", 2) + piece("<s>", 3) + piece("\u2581", 1) + piece("a", 1)
    return damage(pieces + field(2, bytes([3 << 3, kind])))


class TestSentencePiece:
    def test_one_that_is_whole(self, tmp_path: Path) -> None:
        tokenizer = load(tmp_path, sentencepiece(1), "tokenizer.model")
        assert tokenizer("a").tokens == ["\u2581", "a"]

    @pytest.mark.parametrize("kind", [3, 4, 9])
    def test_kinds_that_graft_does_not_have(self, tmp_path: Path, kind: int) -> None:
        """3 is words, 4 is characters."""
        said = refusal(tmp_path, sentencepiece(kind), "tokenizer.model")
        assert f"tokenizer.model is a SentencePiece model of type {kind}; Graft reads" in said

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "it has no pieces"),
            (b"\xff" * 40, "a damaged one: byte 10 is in no number"),
            (b"text that is no model", "damaged one"),
            (
                sentencepiece(1, lambda data: data.replace(b"<s>", b"\xff<s")),
                "damaged one: 'utf-8'",
            ),
            (sentencepiece(1, lambda data: data.replace(b"\x18\x02", b"\x18\x01")), "no piece for"),
        ],
    )
    def test_what_is_none(self, tmp_path: Path, content: bytes, said: str) -> None:
        told = refusal(tmp_path, content, "tokenizer.model")
        assert said in told
        assert "tokenizer.model" in told

    def test_cut_off_anywhere(self, tmp_path: Path) -> None:
        """What ends between two pieces looks whole, but for what is missing."""
        whole = sentencepiece(1)
        for size in range(len(whole)):
            try:
                load(tmp_path, whole[:size], "tokenizer.model")
            except ModelError as error:
                assert "tokenizer.model" in str(error)  # noqa: PT017

    def test_each_byte_damaged(self, tmp_path: Path) -> None:
        """What can still be read is used; all else is said to be damaged."""
        whole = sentencepiece(1)
        refused = 0
        for place in range(len(whole)):
            for bit in range(8):
                data = bytearray(whole)
                data[place] ^= 1 << bit
                try:
                    load(tmp_path, bytes(data), "tokenizer.model")("a")
                except ModelError as error:
                    refused += str(tmp_path) in str(error)
        assert 0 < refused < 8 * len(whole)

    def test_pieces_that_are_there_twice(self, tmp_path: Path) -> None:
        twice = sentencepiece(1, lambda data: data.replace(b"<s>", b"<t>") + data[:0])
        twice = twice.replace(b"<t>", b"\xe2\x96\x81")
        assert "which is there already" in refusal(tmp_path, twice, "tokenizer.model")
