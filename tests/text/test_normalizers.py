"""Normalizers against those of `tokenizers`, on all characters and with all origins."""

import os
import random
import re
import struct
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer
from tokenizers import normalizers as oracle
from tokenizers.models import BPE

from graft.text import _engine as engine

REPOSITORY = Path(__file__).parents[2]
# All that are assigned, and of the rest, which is as one, a sample.
CHARACTERS = [
    chr(c)
    for c in (*range(0x32400), *range(0x32400, 0x110000, 257), *range(0xE0000, 0xE1000))
    if not 0xD800 <= c < 0xE000
]
FORMS = ["NFC", "NFD", "NFKC", "NFKD"]
CHARMAPS = ["albert/spiece.model", "sentencepiece-test/tokenizer.model"]

Pair = tuple[engine.Normalizer, oracle.Normalizer]
Aligned = tuple[str, list[tuple[int, int]]]

LATIN = (
    "aAbBzZ 12.,\t\n\r\0\x0b\x7f  éÅ\u212b\u212aİΣςßẞﬁﬃ\u2126ǖệ"
    "\xa0\u3000\u200b\u200d\u200c\ufeff\ufffd\xad\u2028\x85"
)
MARKS = "".join(map(chr, range(0x300, 0x370))) + (
    "\u093c\u094d\u09be\u09d7\u0b56\u0dcf\u0dca\U0001133e\U00011357\U0001d165\U0001d16d\u302e"
    "\u0f71\u0f72\u0f73\u0483\u05b0\u064b\u0670\u0e49\u20dd\u1ac1\u1dfb\u08d4\U00010d24\U00010f46"
)
HANGUL = (
    "\u1100\u1112\u1161\u1175\u1176\u11a7\u11a8\u11c2\u11c3\uac00\uac01\uac1c\ud7a3\u115f\u1160"
)
OTHERS = (
    "中国\uf900\uf951\U0002f800㐀\U0001d15e\U0001d163\u0958\ufb1d🇦🇧😀🏻❤\ufe0f\u0600\u0915\u0e33ﷺᾈΐ"
    "\U000110a5\U000110ba\ue000\U000e0001\u0378\U0010ffff㋿㎥½¼①ｶﾞカ\u3099\u0622\u0627\u0653"
)


def aligned(normalizer: oracle.Normalizer, texts: Sequence[str]) -> list[Aligned]:
    """What the oracle makes of texts, by a model whose tokens are characters."""
    results = [normalizer.normalize_str(text) for text in texts]
    alphabet = sorted(set("".join(results)))
    tokenizer = Tokenizer(BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.normalizer = normalizer
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [(result, e.offsets) for result, e in zip(results, encodings, strict=True)]


def check(pair: Pair, texts: Sequence[str]) -> None:
    mine, theirs = pair
    for text, expected in zip(texts, aligned(theirs, texts), strict=True):
        assert (text, mine.normalize_aligned(text)) == (text, expected)
        assert mine.normalize(text) == expected[0]


def random_character(dice: random.Random) -> str:
    return chr(dice.randrange(0x3100)) if dice.random() < 0.6 else dice.choice(CHARACTERS)


def random_texts(seed: int, count: int) -> list[str]:
    dice = random.Random(seed)
    alphabets = [LATIN, LATIN + MARKS, HANGUL + MARKS, LATIN + MARKS + HANGUL + OTHERS, ""]

    def text() -> str:
        alphabet = dice.choice(alphabets)
        return "".join(
            dice.choice(alphabet) if alphabet and dice.random() < 0.9 else random_character(dice)
            for _ in range(dice.randrange(14))
        )

    return [text() for _ in range(count)]


def bert(*settings: bool | None) -> Pair:
    return engine.BertNormalizer(*settings), oracle.BertNormalizer(*settings)


def replace(pattern: str, content: str) -> Pair:
    return engine.Replace(pattern, False, content), oracle.Replace(pattern, content)


def replace_regex(pattern: str, content: str) -> Pair:
    return engine.Replace(pattern, True, content), oracle.Replace(Regex(pattern), content)


def sequence(*pairs: Pair) -> Pair:
    return (
        engine.NormalizerSequence([mine for mine, _ in pairs]),
        oracle.Sequence([theirs for _, theirs in pairs]),
    )


def plain(name: str) -> Pair:
    return getattr(engine, name)(), getattr(oracle, name)()


PLAIN = {name: plain(name) for name in [*FORMS, "Lowercase", "StripAccents"]}
BERT = {
    f"bert{settings}": bert(*settings)
    for settings in product([False, True], [False, True], [None, False, True], [False, True])
}
PAIRS = {
    **PLAIN,
    **BERT,
    "bytes": (engine.ByteLevelNormalizer(), oracle.ByteLevel()),
    "prepend": (engine.Prepend("▁x"), oracle.Prepend("▁x")),
    "prepend nothing": (engine.Prepend(""), oracle.Prepend("")),
    **{f"strip{s}": (engine.Strip(*s), oracle.Strip(*s)) for s in product([False, True], repeat=2)},
    "grow": replace("a", "xyz"),
    "drop": replace("a", ""),
    "shrink": replace("a\u0301", "é"),
    "sign": replace(".", "$1"),
    "everywhere": replace("", "X"),
    "spaces": replace_regex(" {2,}", "▁"),
    "white": replace_regex(r"\s+", " "),
    "each white": replace_regex(r"\s", ""),
    "set": replace_regex(r"[\n\r\t]+", " "),
    "pairs": replace_regex("[ a]{2}", "XY"),
    "up to two": replace_regex("a{1,2}", "$0"),
    "literal": replace_regex("ab", "x"),
    "line start": replace_regex("^ +", "<"),
    "line end": replace_regex("[ a]{1,2}$", ">"),
    "lines": replace_regex("^a+$", "A"),
    "text start": replace_regex(r"\A\s{2}", "<"),
    "text end": replace_regex(r"[\n ]+\z", ">"),
    "all": replace_regex(r"\A[aA]{1,2}\z", "A"),
    "escaped": replace_regex(r"\.", "-"),
    "decompose and strip": sequence(PLAIN["NFD"], PLAIN["StripAccents"], PLAIN["Lowercase"]),
    "lower and compose": sequence(PLAIN["Lowercase"], PLAIN["NFKC"]),
    "decompose and compose": sequence(PLAIN["NFKD"], PLAIN["NFC"]),
    "strip and compose": sequence(PLAIN["StripAccents"], PLAIN["NFC"]),
    "nothing": sequence(),
}


@pytest.fixture(scope="module", params=CHARMAPS)
def charsmap(request: pytest.FixtureRequest) -> bytes:
    """Of a real SentencePiece model: NFKC with additions."""
    folder = Path(os.environ.get("GRAFT_TEST_DATA") or REPOSITORY / "../shared/data")
    file = folder / "vocabularies" / str(request.param)
    if not file.is_file():
        pytest.skip(f"no real data in {folder}; set GRAFT_TEST_DATA to their folder")
    data = file.read_bytes()
    # In the normalizer's settings, the map follows the name.
    name = re.search(rb"\n[\x04-\x0b](nmt_)?nfkc(_cf)?(?=\x12)", data)
    assert name
    return read_field(data, name.end())


def read_field(data: bytes, at: int) -> bytes:
    at, length, shift = at + 1, 0, 0
    while True:
        length |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return data[at : at + length]


@pytest.mark.parametrize("name", [*PLAIN, "bert(True, True, None, True)", "white"])
@pytest.mark.parametrize("template", ["{}", "{}|", "e{}\u0301\u0316", "\u1100{}\u0345"])
def test_every_character_becomes_what_the_reference_makes_of_it(name: str, template: str) -> None:
    mine, theirs = PAIRS[name]
    text = "".join(map(template.format, CHARACTERS))

    result, expected = mine.normalize(text), theirs.normalize_str(text)

    assert len(result) == len(expected)
    assert result == expected


@pytest.mark.parametrize("name", list(PAIRS))
def test_random_texts_and_their_origins_equal_the_reference(name: str) -> None:
    check(PAIRS[name], random_texts(len(name), 400))


@settings(max_examples=150)
@given(text=st.text(), name=st.sampled_from(list(PAIRS)))
def test_any_text_equals_the_reference(text: str, name: str) -> None:
    check(PAIRS[name], [text])


@pytest.mark.parametrize(
    "name", [name for name in PAIRS if name.startswith(("line", "text", "all"))]
)
def test_anchors_hold_where_lines_or_the_text_start_and_end(name: str) -> None:
    dice = random.Random(4)
    check(PAIRS[name], ["".join(dice.choices("  aaA\nb", k=dice.randrange(9))) for _ in range(500)])


@pytest.mark.parametrize("name", ["NFC", "NFKD", "bert(True, True, None, True)", "white"])
def test_a_long_run_of_marks_is_put_in_order_in_time(name: str) -> None:
    dice = random.Random(5)
    text = "e" + "".join(dice.choices(MARKS + " ", k=200_000))

    assert PAIRS[name][0].normalize(text) == PAIRS[name][1].normalize_str(text)


def test_a_real_map_of_characters_equals_the_reference(charsmap: bytes) -> None:
    pair = engine.Precompiled(charsmap), oracle.Precompiled(charsmap)
    albert = sequence(pair, PAIRS["strip(False, True)"], PAIRS["spaces"], PAIRS["prepend"])

    check(pair, random_texts(1, 1000))
    check(albert, random_texts(2, 1000))
    everything = "".join(f"{c}\u0301-" for c in CHARACTERS)
    assert pair[0].normalize(everything) == pair[1].normalize_str(everything)


def make_charsmap(rules: dict[str, str]) -> bytes:
    """A map of characters whose trie gives each node a block of 256 units of its own."""
    pool, units, blocks = b"", {0: 256 << 10}, 1
    pending = [(b"", 256)]
    keys = {key.encode(): value for key, value in rules.items()}
    while pending:
        prefix, base = pending.pop()
        if prefix in keys:
            units[base] = 1 << 31 | len(pool)
            pool += keys[prefix].encode() + b"\0"
        for byte in {key[len(prefix)] for key in keys if key != prefix and key.startswith(prefix)}:
            blocks += 1
            child, longer = blocks * 256, prefix + bytes([byte])
            place = base ^ byte
            units[place] = byte | (longer in keys) << 8 | (place ^ child) << 10
            pending.append((longer, child))
    size = 256 * (blocks + 1)
    trie = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(size))
    return struct.pack("<I", len(trie)) + trie + pool


def pair_of_maps(rules: dict[str, str]) -> Pair:
    blob = make_charsmap(rules)
    return engine.Precompiled(blob), oracle.Precompiled(blob)


def test_replacements_of_every_length_keep_the_reference_s_origins() -> None:
    dice = random.Random(7)
    alphabet = list("abc\r\n 1é©ﬁ\u0300\u0301\u0600\u0903\u0915\u094d\u0e33\u1100\u1161\u11a8🇦ｱ")
    alphabet += ["\u200c", "\u200d"]
    for _ in range(60):
        rules = {
            "".join(dice.choices(alphabet, k=dice.choice([1, 1, 1, 2, 3]))): "".join(
                dice.choices("xyzé中", k=dice.randrange(4))
            )
            for _ in range(dice.randrange(1, 8))
        }
        texts = ["".join(dice.choices(alphabet, k=dice.randrange(1, 9))) for _ in range(40)]
        check(pair_of_maps(rules), texts)


@pytest.mark.parametrize(
    "template",
    [
        "a{}",
        "{}a",
        "{}\u0300\u0301",
        "©{}\u200d©\u0300",
        "{}\u200d©\u0300",
        "\u0600\u1100{}",
        "\u0600\u1160{}",
        "\u0600\u11a8{}",
        "{}\u1160\u0300",
        "{}\u11a8\u0300",
        "{}\u094d\u0915\u0300",
        "\u0915{}\u0915\u0300",
        "\u0915\u094d{}\u0915\u0300",
        "🇦🇧{}🇦\u0301",
    ],
)
def test_every_character_is_joined_to_its_neighbours_as_in_the_reference(template: str) -> None:
    # One X for a cluster of up to five bytes, and for each character of a longer one.
    mine, theirs = map_of_all_bytes()
    text = "".join(template.format(c) + "\0" for c in CHARACTERS if c != "\0")

    assert mine.normalize(text) == theirs.normalize_str(text)


def map_of_all_bytes() -> Pair:
    """Each byte is a key, so that the first one of a cluster decides."""
    units = [0] * 1024
    units[0] = 256 << 10
    units[257:512] = [byte | 1 << 8 | (768 + byte) << 10 for byte in range(1, 256)]
    units[512] = 1 << 31
    blob = struct.pack("<I", 4096) + struct.pack("<1024I", *units) + b"X\0"
    return engine.Precompiled(blob), oracle.Precompiled(blob)


def test_the_longest_match_wins_where_sentencepiece_itself_applies_a_map() -> None:
    normalizer = engine.LongestCharsMap(make_charsmap({"a": "1", "ab": "2", "abcd": "3", "é": ""}))

    assert normalizer.normalize_aligned("abcé-abcd") == (
        "2c-3",
        [(1, 2), (2, 3), (4, 5), (8, 9)],
    )
    assert normalizer.normalize("xaxbx") == "x1xbx"


def damaged(blob: bytes, dice: random.Random) -> bytes:
    if dice.random() < 0.3:
        return blob[: dice.randrange(len(blob))]
    data = bytearray(blob)
    for _ in range(dice.choice([1, 4, 64])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def test_a_damaged_map_is_an_error_or_a_map() -> None:
    blob = make_charsmap({"a": "xy", "é": "", "ﬁ": "fi", "ab": "中"})
    dice = random.Random(3)
    refusals: list[str] = []
    for _ in range(3000):
        try:
            normalizer = engine.Precompiled(damaged(blob, dice))
        except ValueError as error:
            refusals.append(str(error))
        else:
            normalizer.normalize("".join(map(chr, range(0x250))) + "éﬁab中😀")
    assert 500 < len(refusals) < 3000
    assert all("precompiled_charsmap is damaged" in refusal for refusal in refusals)


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"", "has 0 bytes"),
        (struct.pack("<II", 4096, 0), "its trie is to have 4096 bytes, of 4"),
        (struct.pack("<II", 3, 0), "its trie is to have 3 bytes"),
        (struct.pack("<II", 4, 0) + b"\xff", "byte 0 of its replacements is no valid UTF-8"),
        (struct.pack("<II", 4, 1 << 20), "points to unit 1024, of 1"),
    ],
)
def test_a_damaged_map_says_what_is_wrong(blob: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        engine.Precompiled(blob)


UNKNOWN = (
    r"a|b (a) a* a? a^ ^\s [\n]$ [^a] [a-z] [] [ a{ a{0,} a{2,1} a{,2} \ \d \x41 a+? a++ . ab+"
)


@pytest.mark.parametrize("pattern", ["", "a{999999}", r"(?<!\n)^", "[[:space:]]", *UNKNOWN.split()])
def test_an_unknown_regular_expression_is_named(pattern: str) -> None:
    with pytest.raises(ValueError) as caught:
        engine.Replace(pattern, True, "x")

    assert f'"{pattern}"' in str(caught.value)


def test_a_sequence_of_something_else_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        engine.NormalizerSequence([None])


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="written with Python 3.11")
def test_the_tables_are_what_the_script_writes() -> None:
    script = REPOSITORY / "scripts" / "unicode_tables.py"

    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
