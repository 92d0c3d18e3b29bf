"""How long texts can become is never told too short."""

import base64
import json
from pathlib import Path

import pytest

import graft
from graft.text import assemble, growth
from graft.text.growth import longest

TEXTS = ["a", "aaaa", "\ufdfa", "\u0130", "Ệ", "中", "á b", "\U0001d160", "ΐ"]
CHARSMAP = base64.b64encode((4).to_bytes(4, "little") + bytes(4) + b"long text\0x\0").decode()


@pytest.mark.parametrize(
    "part",
    [
        *({"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")),
        {"type": "BertNormalizer"},
        {"type": "ByteLevel"},
        {"type": "Strip"},
        {"type": "Prepend", "prepend": "▁▁"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "bcd"},
        {"type": "Replace", "pattern": {"String": "aa"}, "content": "bcdefg"},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
        {
            "type": "Sequence",
            "normalizers": [{"type": "NFKD"}, {"type": "Prepend", "prepend": "a"}],
        },
    ],
    ids=lambda part: part["type"],
)
def test_no_text_becomes_longer(part: dict[str, object]) -> None:
    normalizer = assemble.normalizer(part)
    for text in TEXTS:
        assert len(normalizer.normalize(text).encode()) <= longest(part, len(text.encode()))


def test_what_a_map_of_characters_holds() -> None:
    empty = base64.b64encode(bytes(4)).decode()
    assert longest({"type": "Precompiled", "precompiled_charsmap": empty}, 10) == 10
    assert longest({"type": "Precompiled", "precompiled_charsmap": CHARSMAP}, 10) == 90
    assert growth.longest(None, 10) == 10


def test_many_texts_are_counted_as_each_for_itself(tmp_path: Path) -> None:
    graft.Tokenizer.train(["a b"] * 5, "bpe", vocab_size=20).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = [{"type": "NFKD"}, {"type": "Prepend", "prepend": "ab"}]
    parts.append({"type": "Replace", "pattern": {"Regex": "b"}, "content": "cde"})
    normalizer = {"type": "Sequence", "normalizers": parts}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": normalizer}))
    tokenizer = graft.Tokenizer.from_pretrained(tmp_path)
    sizes = range(64)
    each = sum(tokenizer.longest_normalized(size) for size in sizes)
    assert tokenizer.longest_normalized(*sizes) == each
