"""How long texts can become is never told too short."""

import base64

import pytest

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
    assert longest({"type": "Precompiled", "precompiled_charsmap": CHARSMAP}, 10) == 90
    assert growth.longest(None, 10) == 10
