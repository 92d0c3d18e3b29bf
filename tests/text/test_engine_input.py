"""What the engine makes of input that nobody checked: offsets, bytes, ids and maps of any kind."""

import json
import struct
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers

import graft
from graft.text import _engine as engine

FIXED = settings(derandomize=True, database=None)


def make_tokenizer(**parts: Any) -> Any:
    vocab = {"[UNK]": 0, "a": 1, "b": 2, "##b": 3}
    plain: dict[str, Any] = {
        "normalizer": None,
        "pre_tokenizer": None,
        "model": engine.WordPiece(vocab, unk_token="[UNK]"),
        "raw_added": [],
        "normalized_added": [],
        "single": [(1, 0, 0)],
        "pair": [(1, 0, 0), (2, 0, 1)],
    }
    return engine.Tokenizer(**{**plain, **parts})


def as_bytes(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


def as_offsets(*offsets: int) -> Any:
    return np.array(offsets, np.int64)


@pytest.mark.parametrize(
    ("offsets", "said"),
    [
        ([-1, 2], "0 is said to be bytes -1 to 2 of 4: offsets must not fall"),
        ([0, 2, 1, 4], "1 is said to be bytes 2 to 1 of 4"),
        ([0, 1, 5], "1 is said to be bytes 1 to 5 of 4"),
        ([0, 9, 4], "0 is said to be bytes 0 to 9 of 4"),
        ([0, 2**63 - 1], f"0 is said to be bytes 0 to {2**63 - 1} of 4"),
        ([2**62, 2**62 + 1], "0 is said to be bytes"),
        ([0, -(2**63)], "0 is said to be bytes"),
        ([], "one entry more"),
    ],
)
def test_offsets_that_lead_nowhere(offsets: list[int], said: str) -> None:
    tokenizer = make_tokenizer()
    data, damaged = as_bytes(b"abab"), as_offsets(*offsets)
    with pytest.raises(ValueError, match=said):
        tokenizer.encode(data, damaged)
    with pytest.raises(ValueError, match=said):
        tokenizer.count_words(engine.WordCounter(), data, damaged)
    rows = max(0, len(offsets) - 1)
    with pytest.raises(ValueError, match=said):
        tokenizer.encode(data, as_offsets(*[0] * (rows + 1)), data, damaged)


def test_no_rows_and_rows_without_bytes() -> None:
    ids, lengths, *_ = make_tokenizer().encode(as_bytes(b""), as_offsets(7))
    assert (len(ids), len(lengths)) == (0, 0)
    ids, lengths, *_ = make_tokenizer().encode(as_bytes(b"ab"), as_offsets(2, 2, 2))
    assert (len(ids), lengths.tolist()) == (0, [0, 0])


@FIXED
@given(st.lists(st.binary(max_size=12), max_size=4))
@example([b"a", b"\xed\xa0\x80"])
@example([b"\xf4\x90\x80\x80", b"\xc0\x80"])
@example([b"\xe2\x82"])
def test_bytes_are_read_as_python_reads_them(texts: list[bytes]) -> None:
    tokenizer = make_tokenizer(normalizer=engine.NFKD(), pre_tokenizer=engine.Whitespace())
    data = as_bytes(b"".join(texts)), as_offsets(*np.cumsum([0, *map(len, texts)]))
    for row, text in enumerate(texts):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            said = f"Text {row} is not valid UTF-8 at byte {error.start}"
            with pytest.raises(ValueError, match=f"^{said}$"):
                tokenizer.encode(*data, spans=True)
            return
    _, lengths, *_ = tokenizer.encode(*data, spans=True)
    assert len(lengths) == len(texts)


@pytest.mark.parametrize("token_id", [-1, -(2**31), 2**31, 2**70, -(2**70)])
def test_ids_that_no_token_has(token_id: int) -> None:
    added = [(token_id, "<s>", False, False, False)]
    for kind in ("raw_added", "normalized_added"):
        with pytest.raises(ValueError, match=f"the added token '<s>' has id {token_id}: ids are"):
            make_tokenizer(**{kind: added})
    for kind in ("single", "pair"):
        with pytest.raises(ValueError, match=f"a token of the template has id {token_id}"):
            make_tokenizer(**{kind: [(0, token_id, 0), (1, 0, 0)]})


def test_an_added_token_of_nothing() -> None:
    with pytest.raises(ValueError, match="the added token of id 7 is empty"):
        make_tokenizer(raw_added=[(7, "", False, False, False)])


def test_white_space_is_looked_through_once() -> None:
    """A token that is white space itself, and takes along what stands before it."""
    tokenizer = make_tokenizer(raw_added=[(9, " ", False, True, False)])
    text = b" " * 100_000
    started = time.process_time()
    ids, *_ = tokenizer.encode(as_bytes(text), as_offsets(0, len(text)))
    assert ids.tolist() == [9] * len(text)
    assert time.process_time() - started < 1.0


def cyclic_charsmap() -> bytes:
    """A map whose trie leads from "a" back to its root: any number of them is a key."""
    units = [0] * 256
    units[ord("a")] = ord("a") << 10 | 1 << 8 | ord("a")
    return struct.pack("<I256I", 1024, *units) + b"x\0"


@pytest.mark.parametrize(("kind", "put"), [("Precompiled", "x" * 50), ("LongestCharsMap", "x")])
def test_a_map_that_leads_in_circles(kind: str, put: str) -> None:
    normalizer = getattr(engine, kind)(cyclic_charsmap())
    assert normalizer.normalize("b" + "a" * 50 + "b") == f"b{put}b"


@pytest.mark.parametrize("size", range(0, 1030, 103))
def test_a_map_that_ends_early(size: int) -> None:
    with pytest.raises(ValueError, match="precompiled_charsmap is damaged"):
        engine.Precompiled(cyclic_charsmap()[: min(size, 1027)])


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.Prepend(""),
        normalizers.Replace("", "x"),
        normalizers.Sequence([normalizers.Strip(), normalizers.Replace("", "x")]),
        normalizers.Sequence([normalizers.StripAccents(), normalizers.Prepend("")]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("text", ["ab", "a<s>ab", "a<s> ab", "<s>éb<s>b", "a<s>\u0301b"])
def test_what_is_put_before_a_part_stands_where_the_part_does(normalizer: Any, text: str) -> None:
    oracle = Tokenizer(models.BPE({char: index for index, char in enumerate("ab xé")}, []))
    oracle.normalizer = normalizer
    oracle.add_special_tokens(["<s>"])
    found, expected = graft.Tokenizer(json.loads(oracle.to_str()))(text), oracle.encode(text)
    assert (found.ids, found.spans) == (expected.ids, expected.offsets)


def test_words_without_tokens_are_known_too() -> None:
    """Characters that the model drops leave words that have no tokens, sight after sight."""
    oracle = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    ours = graft.Tokenizer(json.loads(oracle.to_str()))
    texts = ["x", "a", "xx", "bxa", ""] * 30_000
    expected = [found.ids for found in oracle.encode_batch(["x", "a", "xx", "bxa", ""])]
    batch = ours.encode_batch(texts)
    assert batch.lengths.tolist() == [len(ids) for ids in expected] * 30_000
    assert batch.ids.tolist() == [token for ids in expected for token in ids] * 30_000
