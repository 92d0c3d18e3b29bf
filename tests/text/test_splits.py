"""Words against those of `tokenizers`, the words that vocabularies in use were made for."""

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tokenizers import Regex
from tokenizers import pre_tokenizers as oracle

from graft.text import _engine as engine

Words = list[tuple[Any, tuple[int, int]]]

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN35 = (
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LOWER, UPPER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"


def cased(contractions: str, numbers: str) -> str:
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{contractions}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{contractions}"
        rf"|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


O200K = cased(CONTRACTIONS + "?", r"\p{N}{1,3}")
DEEPSEEK = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
REGEXES = [
    GPT2,
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    CL100K,
    CL100K.replace(CONTRACTIONS, "'(?i:[sdmt]|ll|ve|re)"),
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    CL100K.replace("{1,3}", ""),
    CL100K.replace("{1,3}", "").replace(CONTRACTIONS, "'(?i:[sdmt]|ll|ve|re)"),
    QWEN35,
    O200K,
    cased("", r"\p{N}"),
    DEEPSEEK,
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    " ?[^(\\s|[.,!?…。，、।۔،])]+",  # noqa: RUF001
    " ?[^(\\s|.,!?…。，、।۔،)]+",  # noqa: RUF001
    "[0-9][0-9][0-9]",
    *[r"\p{N}", r"\p{N}+", r"\p{N}{1,3}", r"\d", r"\d+"],
    *[r"\s", r"\s+", r"[\r\n]", r"[\r\n]+"],
]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def part(config: dict[str, Any]) -> tuple[Any, Any]:
    """A pre-tokenizer of ours, and the oracle's, of what tokenizer.json says."""
    options = {name: value for name, value in config.items() if name != "type"}
    kind = config["type"]
    if kind == "Sequence":
        pairs = [part(inner) for inner in config["pretokenizers"]]
        ours = engine.PreTokenizerSequence([pair[0] for pair in pairs])
        return ours, oracle.Sequence([pair[1] for pair in pairs])
    if kind == "Split":
        regex = options.pop("regex", False)
        pattern = Regex(options["pattern"]) if regex else options["pattern"]
        theirs = oracle.Split(**(options | {"pattern": pattern}))
        return engine.Split(**options, regex=regex), theirs
    ours = getattr(engine, "ByteLevelPreTokenizer" if kind == "ByteLevel" else kind)(**options)
    return ours, getattr(oracle, kind)(**options)


def split(pattern: str, behavior: str = "isolated", **options: bool) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, **options}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def metaspace(scheme: str, **options: Any) -> dict[str, Any]:
    return {"type": "Metaspace", "prepend_scheme": scheme, **options}


BYTES = {"type": "ByteLevel", "add_prefix_space": False}
SPACED_BYTES = {"type": "ByteLevel", "add_prefix_space": True}
SPACES = {"type": "WhitespaceSplit"}
SIMPLE = [
    {"type": "BertPreTokenizer"},
    {"type": "Whitespace"},
    SPACES,
    {"type": "Digits", "individual_digits": True},
    {"type": "Digits", "individual_digits": False},
    {"type": "CharDelimiterSplit", "delimiter": "a"},
    {"type": "CharDelimiterSplit", "delimiter": "。"},
    *[{"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS],
]
METASPACES = [
    *[
        metaspace(scheme, split=cut)
        for scheme in ("always", "never", "first")
        for cut in (True, False)
    ],
    metaspace("always", replacement="_"),
    metaspace("first", replacement="😀"),
]
SEQUENCES = [
    sequence(SPACES, metaspace("always")),
    sequence(SPACES, metaspace("first")),
    sequence({"type": "Digits", "individual_digits": True}, metaspace("first")),
    sequence({"type": "Punctuation", "behavior": "contiguous"}, {"type": "Whitespace"}),
    sequence(metaspace("never", split=False), metaspace("first"), sequence(metaspace("always"))),
]
LITERALS = ["a", " ", "aa", "\n", "é", "#.&-~", "<|x|>"]
ALPHABETS = [
    "ab AB'\n 1.",
    "'sStTrReEvVmMlLdD\u017f\u212a ’",  # noqa: RUF001
    " \t\r\n\v\f\x1c\x85\xa0\u1680\u2003\u2028\u2029\u200b\u3000\ufeff x.",
    "09\u0663\u06f5\u0be7\u2167\u00bd\u00b2\u4e09\U0001d7d8\U00011c5a a'.",
    "e\u0301\u0308\u0903\u20dd\u094d\u0e34 a'\u1e9e\u01c5\u02b0\u05d0中ß.A/\r\n",
    "_#.&-~<|x>/()[]!?…。，、।۔،$+^`« a▁aa",  # noqa: RUF001
    "👩\u200d💻🏽\ufe0f\U0001f1e9\U000e0001 a\u0600ـ한国カひ",
]


def random_texts(count: int, seed: int) -> Iterator[str]:
    """Texts of few kinds of hard characters each, some of them with characters of all planes."""
    rng = random.Random(seed)
    for i in range(count):
        alphabet = rng.choice(ALPHABETS) + rng.choice(ALPHABETS)
        runs = (
            rng.choice(alphabet) * rng.choice((1, 1, 1, 2, 5)) for _ in range(rng.randrange(16))
        )
        text = "".join(runs)
        if i % 4 == 0:
            planes = "".join(
                chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000))))
                for _ in range(rng.randrange(8))
            )
            text = "".join(rng.sample(text + planes, len(text + planes)))
        yield text


def every_character() -> str:
    """All of the planes that have characters with properties of their own."""
    places = [*range(0xD800), *range(0xE000, 0x34000), *range(0xE0000, 0xE0200)]
    return "".join(map(chr, places))


def visible_bytes() -> dict[str, int]:
    """Which byte each character of the byte-level alphabet stands for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + i): b for i, b in enumerate(hidden)}


VISIBLE_BYTES = visible_bytes()


def expected(theirs: Any, text: str, byte_level: bool) -> Words:
    words: Words = theirs.pre_tokenize_str(text)
    if not byte_level:
        return words
    hidden = [(bytes(VISIBLE_BYTES[c] for c in word), place) for word, place in words]
    return [(word.decode(errors="surrogateescape"), place) for word, place in hidden]


def assert_equal(config: dict[str, Any], texts: Iterator[str] | list[str]) -> None:
    ours, theirs = part(config)
    byte_level = "ByteLevel" in json.dumps(config)
    for text in texts:
        words = ours.split(text)
        assert words == expected(theirs, text, byte_level), (config, text)
        assert ours.words(text) == [word for word, _ in words], (config, text)


def name(config: dict[str, Any]) -> str:
    return json.dumps(config, ensure_ascii=True)[:60]


class TestAgainstTheOracle:
    @pytest.mark.parametrize("config", SIMPLE + METASPACES + SEQUENCES, ids=name)
    def test_random_texts(self, config: dict[str, Any]) -> None:
        assert_equal(config, random_texts(400, seed=1))

    @pytest.mark.parametrize("regex", REGEXES)
    def test_random_texts_by_a_regex(self, regex: str) -> None:
        assert_equal(split(regex, regex=True), random_texts(400, seed=2))

    @pytest.mark.parametrize(
        "config", [BYTES, SPACED_BYTES, BYTES | {"use_regex": False}], ids=name
    )
    def test_random_texts_as_bytes(self, config: dict[str, Any]) -> None:
        assert_equal(config, random_texts(400, seed=3))

    @pytest.mark.parametrize("behavior", BEHAVIORS)
    @pytest.mark.parametrize("invert", [False, True])
    def test_what_becomes_of_matches(self, behavior: str, invert: bool) -> None:
        for literal in LITERALS:
            assert_equal(split(literal, behavior, invert=invert), random_texts(100, seed=4))
        for regex in [GPT2, REGEXES[3], r"\d", r"\s+", r"\p{N}{1,3}"]:
            config = split(regex, behavior, invert=invert, regex=True)
            assert_equal(config, random_texts(100, seed=5))

    @pytest.mark.parametrize("behavior", BEHAVIORS)
    @pytest.mark.parametrize("invert", [False, True])
    def test_an_empty_pattern_splits_characters(self, behavior: str, invert: bool) -> None:
        assert_equal(split("", behavior, invert=invert), random_texts(50, seed=6))

    def test_real_sequences(self) -> None:
        falcon = [
            {"type": "Punctuation", "behavior": "contiguous"},
            BYTES,
            {"type": "Digits", "individual_digits": False},
            split("[0-9][0-9][0-9]", regex=True),
        ]
        deepseek = [split(regex, regex=True) for regex in (r"\p{N}{1,3}", REGEXES[15], DEEPSEEK)]
        llama3 = [split(CL100K, regex=True), BYTES | {"use_regex": False}]
        starcoder = [{"type": "Digits", "individual_digits": True}, SPACED_BYTES]
        for parts in (falcon, deepseek, llama3, starcoder):
            assert_equal(sequence(*parts), random_texts(300, seed=7))

    def test_bytes_are_visible_to_what_comes_behind_the_byte_level(self) -> None:
        numbers = {"type": "Digits", "individual_digits": True}
        for parts in ([BYTES, numbers], [BYTES, numbers, SPACED_BYTES], [BYTES, BYTES, numbers]):
            assert_equal(sequence(sequence(*parts)), random_texts(100, seed=8))
        assert part(sequence(BYTES, numbers))[0].split("²") == [
            ("\udcc2", (0, 1)),
            ("\udcb2", (0, 1)),
        ]

    @pytest.mark.parametrize(
        "config",
        [*SIMPLE[:5], SIMPLE[7], *[split(regex, regex=True) for regex in (GPT2, O200K, DEEPSEEK)]],
        ids=name,
    )
    def test_every_character(self, config: dict[str, Any]) -> None:
        assert_equal(config, [every_character()])

    @pytest.mark.parametrize("regex", [CL100K, O200K, REGEXES[8]])
    def test_every_character_after_an_apostrophe(self, regex: str) -> None:
        letters = [chr(c) for c in range(0x3000)] + [chr(c) for c in range(0xFB00, 0xFB10)]
        assert_equal(split(regex, regex=True), ["1'".join(letters), "e1'l".join(letters)])


@pytest.fixture(scope="module")
def real_texts() -> list[str]:
    """Film reviews in English, and passages in Spanish and German."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("GRAFT_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set GRAFT_TEST_DATA to their folder")
    texts: list[str] = pq.read_table(folder / "imdb" / "test.parquet")["text"][:60].to_pylist()
    for language in ("es", "de"):
        articles = json.loads((folder / "xquad" / f"{language}.json").read_text("utf-8"))["data"]
        texts += [paragraph["context"] for paragraph in articles[0]["paragraphs"]]
    return texts


@pytest.mark.data
@pytest.mark.parametrize(
    "config",
    [*SIMPLE, *METASPACES, BYTES, SPACED_BYTES]
    + [split(regex, regex=True) for regex in (CL100K, QWEN35, O200K, DEEPSEEK)],
    ids=name,
)
def test_real_texts(config: dict[str, Any], real_texts: list[str]) -> None:
    assert_equal(config, real_texts)


class TestLongRuns:
    """A pattern that goes back over what it read would take hours here."""

    @pytest.mark.parametrize(
        "unit", [" ", "\n ", " \n", "A", "A\u0301", "aA", "1", "'", ".", "\u3000"]
    )
    @pytest.mark.parametrize("regex", [GPT2, CL100K, O200K, DEEPSEEK, REGEXES[8]])
    def test_a_megabyte_of_one_thing(self, regex: str, unit: str) -> None:
        text = unit * (1_000_000 // len(unit.encode()))
        words = engine.Split(regex, "isolated", regex=True).words(text)
        assert "".join(words) == text


class TestPrefixesAndOrigins:
    def test_a_prefix_stands_for_the_first_character(self) -> None:
        assert engine.Metaspace().split("éa b") == [("▁éa", (0, 2)), ("▁b", (2, 4))]
        assert engine.ByteLevelPreTokenizer().split("'s") == [(" '", (0, 1)), ("s", (1, 2))]

    def test_only_what_depends_on_places_needs_origins(self) -> None:
        first = metaspace("first")
        assert part(sequence(SPACES, first))[0].needs_origins()
        assert not part(sequence(first, SPACES))[0].needs_origins()
        assert not part(sequence(SPACES, metaspace("always")))[0].needs_origins()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: engine.Split(r"\p{Han}+", "isolated", regex=True), r"\\p\{Han\}\+"),
            (lambda: engine.Split("", "isolated", regex=True), "regular expression"),
            (lambda: engine.Split("a", "Joined"), "Joined"),
            (lambda: engine.Punctuation("?"), "behavior"),
            (lambda: engine.CharDelimiterSplit(""), "one character"),
            (lambda: engine.CharDelimiterSplit("ab"), "one character"),
            (lambda: engine.Metaspace(replacement="__"), "one character"),
            (lambda: engine.Metaspace(prepend_scheme="last"), "last"),
            (lambda: engine.PreTokenizerSequence([None]), "None"),
            (lambda: part(sequence(BYTES, metaspace("always"))), "Metaspace"),
        ],
    )
    def test_an_option_that_makes_no_sense(self, make: Callable[[], Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make()

    def test_both_spellings_of_a_behavior(self) -> None:
        for behavior in ("MergedWithNext", "merged_with_next"):
            assert engine.Split("-", behavior).words("a-b") == ["a", "-b"]
