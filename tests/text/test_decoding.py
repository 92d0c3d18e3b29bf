"""Tokens as text again: every decoder as the reference's, and ids that come one by one."""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import graft
from graft.errors import ModelError
from graft.text.decoding import DecodeStream, decoder

DECODERS: list[dict[str, Any] | None] = [
    None,
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "@", "cleanup": False},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "split": True},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": "_", "start": 2, "stop": 0},
    {"type": "Strip", "content": "_", "start": 0, "stop": 1},
    {"type": "Replace", "pattern": {"String": "##"}, "content": " "},
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
]
TOKENS = [
    *("the", "##ing", "##", "\u2581the", "\u2581", "_a_", "__", "a_b", "@x", "storm</w>", "</w>"),
    *(".", "!", "'", "n't", "'s", "do", "not", "'ve", "\u0120rain", "\u00e6\u013f\u00b1", "\u00c3"),
    *(
        "\u010a",
        "\u6771",
        " ",
        "<0x41>",
        "<0xC3>",
        "<0xA9>",
        "<0xFF>",
        "<0x0a>",
        "<0xE6>",
        "<0xZZ>",
    ),
]


@pytest.mark.parametrize("part", DECODERS, ids=lambda part: part["type"] if part else "none")
@given(st.lists(st.sampled_from(TOKENS), max_size=8))
@settings(max_examples=200)
def test_decoders_are_those_of_the_reference(
    part: dict[str, Any] | None, tokens: list[str]
) -> None:
    vocabulary = {token: token_id for token_id, token in enumerate(TOKENS)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "the"}
    names = ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor")
    spec = {"version": "1.0", **dict.fromkeys(names), "added_tokens": [], "decoder": part}
    oracle = tokenizers.Tokenizer.from_str(json.dumps({**spec, "model": model}))
    found = "".join(decoder(part)(tokens))
    assert found == oracle.decode([vocabulary[token] for token in tokens])


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "CTC"}, "no decoder 'CTC'. It has: BPEDecoder, ByteFallback"),
        ({"type": "Strip", "content": " "}, "decoder Strip has no 'start'"),
        ({"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""}, "pattern that Graft"),
    ],
)
def test_what_graft_does_not_have(part: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        decoder(part)


@pytest.fixture(scope="module")
def tokenizer() -> graft.Tokenizer:
    return graft.Tokenizer.train(["the rain", "the sun"] * 3, "byte-level-bpe", vocab_size=270)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
@settings(max_examples=100)
def test_a_stream_tells_the_same_text(tokenizer: graft.Tokenizer, text: str) -> None:
    ids = tokenizer(text).ids
    stream = tokenizer.decode_stream()
    assert "".join([*map(stream.push, ids), stream.finish()]) == tokenizer.decode(ids) == text


def test_a_character_is_told_once_it_is_whole(tokenizer: graft.Tokenizer) -> None:
    stream = tokenizer.decode_stream()
    assert [stream.push(token_id) for token_id in tokenizer("\u6771!").ids] == [
        "",
        "",
        "\u6771",
        "!",
    ]
    assert stream.push(tokenizer("\u6771").ids[0]) == ""
    assert stream.finish() == "\ufffd"
    assert [stream.push(token_id) for token_id in tokenizer("ok").ids] == ["o", "k"]


def test_a_stream_knows_of_the_tokens_before(base: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    ids = tokenizer("the rain, oh").ids
    told = tokenizer.decode_stream()
    assert [told.push(each) for each in ids] == ["", "the", " rain", ",", " o", "h", ""]
    all_of_it = tokenizer.decode_stream(skip_special=False)
    assert "".join(map(all_of_it.push, ids)) == "[CLS] the rain, oh [SEP]"


def test_a_long_stream_costs_no_more_than_its_ids() -> None:
    longest = 0

    def decode(ids: Any) -> str:
        nonlocal longest
        longest = max(longest, len(ids))
        return "a" * len(ids)

    stream = DecodeStream(decode)
    assert [stream.push(0) for _ in range(500)] == ["a"] * 500
    assert longest < 5
