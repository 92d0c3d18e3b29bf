"""Models against those of `tokenizers`: every token, and where it stands, has to be the same."""

import json
import math
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import models as oracle
from tokenizers import pre_tokenizers

from graft.text import _engine as engine

Tokens = list[tuple[int, tuple[int, int]]]

FIXED = settings(derandomize=True, database=None)
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


def expected(model: Any, word: str) -> Tokens:
    return [(token.id, token.offsets) for token in model.tokenize(word)]


def with_options(vocab: Any, merges: Any, **options: Any) -> tuple[Any, Any]:
    given_options = {name: value for name, value in options.items() if value is not None}
    return oracle.BPE(vocab, merges, **given_options), engine.BPE(vocab, merges, **options)


# The alphabet that byte-level vocabularies spell bytes in.


def byte_alphabet() -> dict[str, int]:
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {
        chr(0x100 + i): byte for i, byte in enumerate(others)
    }


BYTES = byte_alphabet()
VISIBLE = {byte: char for char, byte in BYTES.items()}


def expected_at_byte_level(model: Any, word: str) -> Tokens:
    """A visible word's tokens, with the ranges of the bytes that it spells."""
    sources = [i for i, char in enumerate(word) for _ in char.encode()]
    return [
        (token, (sources[start], sources[end - 1] + 1))
        for token, (start, end) in expected(model, word)
    ]


def spelled(word: str) -> bytes:
    return bytes(BYTES[char] for char in word)


# Real vocabularies.


@pytest.fixture(scope="module")
def shared() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("GRAFT_TEST_DATA") or beside)
    if not (folder / "vocabularies").is_dir():
        pytest.skip(f"no real data in {folder}; set GRAFT_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def reviews(shared: Path) -> list[str]:
    file = next(iter(sorted((shared / "imdb").rglob("*.parquet"))))
    texts: list[str] = pq.read_table(file).column("text").to_pylist()
    return texts[:300]


@pytest.fixture(scope="module")
def strange() -> list[str]:
    """Words of characters of all of Unicode."""
    return list(strange_words(random.Random(5), 500))


def strange_words(dice: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        limit = dice.choice([0x80, 0x250, 0x3000, 0xFFFF, 0x10FFFF])
        codes = (dice.randrange(limit + 1) for _ in range(dice.randrange(1, 20)))
        yield "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def test_wordpiece_cuts_as_bert_does(shared: Path, reviews: list[str], strange: list[str]) -> None:
    lines = (shared / "vocabularies/bert-base-uncased/vocab.txt").read_text().splitlines()
    vocab = {token: index for index, token in enumerate(lines)}
    model = engine.WordPiece(vocab, unk_token="[UNK]")
    reference = oracle.WordPiece(vocab, unk_token="[UNK]")
    words = {word for text in reviews for word in re.findall(r"\w+|\S", text.lower())}
    for word in sorted(words) + strange + ["a" * 100, "a" * 101, "é" * 100, "é" * 101]:
        assert model.tokenize(word) == expected(reference, word)
    assert model.vocab_size == len(vocab)


def test_byte_level_bpe_cuts_as_gpt2_does(
    shared: Path, reviews: list[str], strange: list[str]
) -> None:
    folder = shared / "vocabularies/gpt2"
    vocab = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().splitlines()[1:]
    merges: list[Any] = [tuple(line.split()) for line in lines if line]
    model = engine.BPE(vocab, merges, byte_level=True)
    reference = oracle.BPE(vocab, merges)
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = {word for text in reviews + strange for word, _ in split.pre_tokenize_str(text)}
    for word in sorted(words):
        assert model.tokenize(spelled(word)) == expected_at_byte_level(reference, word)


def test_unigram_cuts_as_albert_does(shared: Path, reviews: list[str], strange: list[str]) -> None:
    pieces = SentencePieceProcessor(model_file=str(shared / "vocabularies/albert/spiece.model"))
    vocab = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    model = engine.Unigram(vocab, pieces.unk_id())
    reference = oracle.Unigram(vocab, pieces.unk_id(), False)
    whole = ["▁" + text.lower().replace(" ", "▁") for text in reviews]
    words = sorted({"▁" + word for text in whole for word in text.split("▁")})
    for word in words + whole + strange:
        assert model.tokenize(word) == expected(reference, word)


def test_unigram_cuts_as_sentencepiece_does(
    shared: Path, reviews: list[str], strange: list[str]
) -> None:
    pieces = SentencePieceProcessor(model_file=str(shared / "vocabularies/albert/spiece.model"))
    # Pieces of the user's own score so well that nothing else is taken; the file has 0 for them.
    own = {"(", ")", '"', "-", ".", "\u2013", "£", "€"}
    vocab = [
        (
            piece,
            None
            if pieces.is_control(i) or pieces.is_unknown(i)
            else 0.1 * (len(piece.encode()) - 1)
            if piece in own
            else pieces.get_score(i),
        )
        for i, piece in enumerate(map(pieces.id_to_piece, range(pieces.get_piece_size())))
    ]
    unk_score = min(score for _, score in vocab if score is not None) - 10
    model = engine.Unigram(vocab, pieces.unk_id(), single_precision=True, unk_score=unk_score)
    # Exclamation marks are cut in several ways that are equally good, but for rounding.
    dice = random.Random(7)
    ties = ["".join(dice.choices(["!", "o", "€b", "b", " so"], k=40)) for _ in range(1000)]
    for text in reviews + strange + ties + ["[CLS]<unk>"]:
        tokens = [token for token, _ in model.tokenize(pieces.normalize(text))]
        assert tokens == pieces.encode(text)


def test_bpe_of_characters_cuts_whole_texts(
    shared: Path, reviews: list[str], strange: list[str]
) -> None:
    file = shared / "vocabularies/stories260K/tokenizer.model"
    pieces = SentencePieceProcessor(model_file=str(file))
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    ranked = sorted(
        (i for i in range(len(vocab)) if not pieces.is_byte(i) and not pieces.is_control(i)),
        key=lambda i: -pieces.get_score(i),
    )
    merges = [
        (piece[:cut], piece[cut:])
        for piece in map(pieces.id_to_piece, ranked)
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    reference, model = with_options(
        vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    whole = ["▁" + text.replace(" ", "▁") for text in reviews]
    for word in whole + strange:
        assert model.tokenize(word) == expected(reference, word)


# Small random vocabularies meet what real ones seldom do: ties, holes, unknown tokens that merge.

ALPHABETS = ["ab", "abc", "aé€😀", "a<0xE2>", "ab▁"]


def random_word(dice: random.Random, alphabet: str) -> str:
    length = dice.choice([0, 1, 2, 3, 5, 10, 30, 47, 48, 49, 60, 200])
    return "".join(dice.choices(alphabet + dice.choice(["", "x", "xé", "€😀\0"]), k=length))


def random_tokens(dice: random.Random, alphabet: str, prefix: str = "") -> list[str]:
    tokens = (
        dice.choice(["", prefix]) + "".join(dice.choices(alphabet, k=dice.randrange(1, 5)))
        for _ in range(dice.randrange(1, 30))
    )
    return list(dict.fromkeys(tokens))


def random_bpe(dice: random.Random, alphabet: str) -> dict[str, Any]:
    prefix, suffix = dice.choice([None, None, "", "##", "_"]), dice.choice([None, None, "", "</w>"])
    byte_fallback = not prefix and not suffix and dice.random() < 0.4
    start, end = prefix or "", suffix or ""
    forms = [
        form for char in alphabet for form in (char, start + char, char + end, start + char + end)
    ]
    tokens = [form for form in forms if dice.random() < 0.85] + ["<unk>"]
    if byte_fallback:
        tokens += [token for token in BYTE_TOKENS if dice.random() < 0.95]
    merges = []
    for _ in range(dice.randrange(25)):
        left, right = dice.choice(tokens[-12:]), dice.choice(dice.choice([tokens, tokens[-12:]]))
        if right.startswith(start) and right != start:
            tokens.append(left + right[len(start) :])
            merges.append((left, right))
    if merges:
        merges += dice.choices(merges, k=dice.randrange(2))  # the last rank of a pair is its rank
    unique = sorted(set(tokens))
    ids = dice.sample(range(len(unique) * dice.choice([1, 3])), len(unique))
    return {
        "vocab": dict(zip(unique, ids, strict=True)),
        "merges": merges,
        "unk_token": dice.choice([None, "<unk>"]),
        "continuing_subword_prefix": prefix,
        "end_of_word_suffix": suffix,
        "fuse_unk": dice.random() < 0.5,
        "byte_fallback": byte_fallback,
        "ignore_merges": dice.random() < 0.3,
    }


@FIXED
@given(st.randoms(use_true_random=True))
def test_bpe_of_random_vocabularies(dice: random.Random) -> None:
    alphabet = dice.choice(ALPHABETS)
    reference, model = with_options(**random_bpe(dice, alphabet))
    for _ in range(20):
        word = random_word(dice, alphabet)
        assert model.tokenize(word) == expected(reference, word)


@FIXED
@given(st.randoms(use_true_random=True))
def test_byte_level_bpe_of_random_vocabularies(dice: random.Random) -> None:
    text = dice.choice(["ab ", "a é", "€\n", "😀a"])
    alphabet = "".join(sorted({VISIBLE[byte] for byte in text.encode()}))
    options = random_bpe(dice, alphabet)
    reference, _ = with_options(**options)
    model = engine.BPE(**options, byte_level=True)
    for _ in range(20):
        word = "".join(dice.choices(alphabet + dice.choice(["", "x", "xÿ"]), k=dice.randrange(60)))
        assert model.tokenize(spelled(word)) == expected_at_byte_level(reference, word)


@FIXED
@given(st.randoms(use_true_random=True))
def test_wordpiece_of_random_vocabularies(dice: random.Random) -> None:
    alphabet, prefix = dice.choice(["ab", "abc", "aé€😀", "ab#"]), dice.choice(["##", "", "#", "é"])
    tokens = ["[UNK]", *random_tokens(dice, alphabet, prefix)]
    options: dict[str, Any] = {
        "vocab": {token: index for index, token in enumerate(tokens)},
        "unk_token": "[UNK]",
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": dice.choice([100, 5, 0]),
    }
    reference, model = oracle.WordPiece(**options), engine.WordPiece(**options)
    for _ in range(20):
        word = random_word(dice, alphabet)
        assert model.tokenize(word) == expected(reference, word)


@FIXED
@given(st.randoms(use_true_random=True))
def test_unigram_of_random_vocabularies(dice: random.Random) -> None:
    alphabet = dice.choice(ALPHABETS)
    tokens = ["<unk>", *random_tokens(dice, alphabet)]
    if dice.random() < 0.5:
        tokens += [token for token in BYTE_TOKENS if dice.random() < 0.99]
    # Few different scores make ties, and high ones make two unknown characters better than a token.
    scores = dice.choice([[-0.1, -0.7, -1 / 3], [0.0, -1.0, -2.0], [60.0, 99.5, 150.0], [0.0]])
    vocab = [(token, dice.choice(scores)) for token in tokens]
    unk_id, byte_fallback = dice.choice([0, 0, len(vocab) - 1]), dice.random() < 0.5
    model = engine.Unigram(vocab, unk_id, byte_fallback)
    reference = oracle.Unigram(vocab, unk_id, byte_fallback)
    for _ in range(20):
        word = (
            random_word(dice, alphabet) + dice.choice(["", "<unk>"]) + random_word(dice, alphabet)
        )
        assert model.tokenize(word) == expected(reference, word)


# What the small ones cannot show.


def test_pieces_without_a_score_are_never_found() -> None:
    model = engine.Unigram([("<unk>", None), ("a", None), ("b", -1.0)], 0)
    assert model.tokenize("aab") == [(0, (0, 2)), (2, (2, 3))]
    assert engine.Unigram([("a", None)], 0).tokenize("a") == [(0, (0, 1))]


def test_merges_of_one_rank_go_from_left_to_right() -> None:
    vocab = {"a": 0, "b": 1, "ab": 2, "bb": 3, "abb": 4}
    merges = [("b", "b"), ("a", "b"), ("a", "bb"), ("ab", "b")]
    ids = [
        [token for token, _ in engine.BPE(vocab, merges, ranks=ranks).tokenize("abbb")]
        for ranks in (None, [0, 0, 1, 1])
    ]
    assert ids == [[4, 1], [2, 3]]


@pytest.mark.parametrize("word", ["a" * 10_000_000, "ab▁" * 1_000_000], ids=["one-char", "three"])
def test_a_word_of_megabytes(word: str) -> None:
    pieces = ["a", "b", "▁", "aa", "ab", "aaaa", "aaaaaaaa", "a" * 16, "▁a", "ab▁"]
    merges = [
        ("a", "a"),
        ("aa", "aa"),
        ("aaaa", "aaaa"),
        ("a" * 8, "a" * 8),
        ("a", "b"),
        ("ab", "▁"),
    ]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    longest = vocab["a" * 16] if word[1] == "a" else vocab["ab▁"]
    models = [
        engine.BPE(vocab, merges),
        engine.Unigram([(piece, -1.0) for piece in pieces], 0),
        engine.WordPiece(vocab, "b", "", len(word)),
    ]
    for model in models:
        tokens = model.tokenize(word)
        assert {token for token, _ in tokens} == {longest}
        assert tokens[-1][1][1] == len(word.encode())


def test_ids_and_tokens() -> None:
    model = engine.WordPiece({"[UNK]": 7, "é": 2}, "[UNK]")
    assert (model.vocab_size, model.takes_bytes) == (2, False)
    assert (model.token_to_id("é"), model.token_to_id("e")) == (2, None)
    assert [model.id_to_token(index) for index in (7, 2, 3, 8, -1)] == [
        "[UNK]",
        "é",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "vocab", [{"a": 0, "<unk>": 5}, [("a", 0), ("<unk>", 5)], [["a", 0], ["<unk>", 5]]]
)
def test_vocabularies_of_any_layout(vocab: Any) -> None:
    assert engine.WordPiece(vocab, "<unk>").tokenize("b") == [(5, (0, 1))]


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ({}, "vocabulary is empty"),
        ({"": 0}, "id 0 is empty"),
        ({"a": -1}, "'a' has a negative id, -1"),
        ({"a": -(2**80)}, "'a' has a negative id"),
        ({"a": 1 << 24}, "'a' has id 16777216, which is higher"),
        ({"a": 2**80}, "'a' has id .*, which is higher"),
        ({"a": 0, "b": 0}, "'a' and 'b' have the same id, 0"),
        ([("a", 0), ("a", 1)], "'a' has two ids, 0 and 1"),
        ([("a", 0), ("b",)], r"vocab\[1\] is not a pair"),
        ([("a", "b")], r"vocab\[0\] is not an integer"),
        ([(3, 3)], r"vocab\[0\] is not a string"),
        ({"\ud800": 0}, r"vocab\[0\] has half of a UTF-16 pair"),
        ("abc", "vocab is not a list"),
        ({"b": 0}, "unk_token 'a' is not in the vocabulary"),
    ],
)
def test_vocabularies_that_make_no_sense(vocab: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.WordPiece(vocab, "a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"merges": [("a", "b"), ("a", "c")]},
            r"merges\[1\] \('a' and 'c'\) needs 'c', which is no token",
        ),
        ({"merges": [("b", "a")]}, r"merges\[0\] .* needs 'ba', which is no token"),
        ({"merges": [("a", "")]}, r"merges\[0\] .* needs '', which is no token"),
        ({"merges": ["ab"]}, r"merges\[0\] is not a pair"),
        ({"merges": [("a", 1)]}, r"merges\[0\] is not a string"),
        ({"merges": "ab"}, "merges is not a list"),
        ({"continuing_subword_prefix": "##"}, "has a second part that is not '##' and more"),
        ({"unk_token": "<unk>"}, "unk_token '<unk>' is not in the vocabulary"),
        ({"dropout": 0.1}, "dropout is not supported"),
        ({"byte_fallback": True, "end_of_word_suffix": "</w>"}, "byte_fallback is not supported"),
        ({"ranks": []}, "one rank per merge"),
        ({"ranks": [2**32 - 1]}, "too high"),
    ],
)
def test_bpe_that_makes_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.BPE(**{"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [("a", "b")], **options})


@pytest.mark.parametrize(
    ("vocab", "unk_id", "message"),
    [
        ([], 0, "vocabulary is empty"),
        ([("a", 0.0), ("a", 1.0)], 0, "'a' has two ids"),
        ([("", 0.0)], 0, "id 0 is empty"),
        ([("a", math.nan)], 0, "score of token 'a' is nan"),
        ([("a", 0.0), ("b", -math.inf)], 0, "score of token 'b' is -inf"),
        ([("a", 10**400)], 0, "score of token 'a' is inf"),
        ([("a", "0")], 0, r"vocab\[0\] is not a number"),
        ([("a", 0)], None, "unk_id is missing"),
        ([("a", 0)], 1, "unk_id is 1, but there are 1 tokens"),
        ([("a", 0)], -1, "unk_id is -1"),
        ([("a", None), ("b", math.inf)], 0, "score of token 'b' is inf"),
    ],
)
def test_unigrams_that_make_no_sense(vocab: Any, unk_id: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.Unigram(vocab, unk_id)


def test_words_that_are_no_text() -> None:
    model = engine.WordPiece({"a": 0}, "a")
    with pytest.raises(ValueError, match="half of a UTF-16 pair"):
        model.tokenize("a\udc00")
    with pytest.raises(ValueError, match="not valid UTF-8"):
        model.tokenize(b"a\xff")
    assert engine.BPE({"ÿ": 0}, [], byte_level=True).tokenize(b"\xff") == [(0, (0, 1))]
