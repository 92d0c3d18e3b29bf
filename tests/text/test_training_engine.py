"""Learning vocabularies: the BPE of the `tokenizers` package, and a Unigram as good as its."""

import json
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from graft.text import _engine as engine

DATA = Path(os.environ.get("GRAFT_TEST_DATA") or Path(__file__).parents[2] / "../shared/data")
VISIBLE_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is missing")


def imdb_texts(rows: int) -> list[str]:
    table = pq.read_table(DATA / "imdb/train.parquet", columns=["text"])
    return table["text"][:rows].to_pylist()


def xquad_texts(language: str) -> list[str]:
    [path] = (DATA / "xquad").rglob(f"*{language}.json")
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def count_words(texts: list[str]) -> Counter[str]:
    split = pre_tokenizers.Whitespace().pre_tokenize_str
    return Counter(word for text in texts for word, _ in split(text))


def counter_of(words: Mapping[str, int]) -> Any:
    counter = engine.WordCounter()
    for word, count in words.items():
        counter.add(word, count)
    return counter


def as_texts(words: Mapping[str, int]) -> Iterator[str]:
    """Texts in which the oracle counts these words."""
    for word, count in words.items():
        for done in range(0, count, 1000):
            yield " ".join([word] * min(1000, count - done))


def learned(tokenizer: Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer.to_str())["model"]


def tokens_of(model: dict[str, Any]) -> list[str]:
    return sorted(model["vocab"], key=model["vocab"].__getitem__)


def oracle_bpe(
    words: Mapping[str, int], *, byte_level: bool = False, **options: Any
) -> tuple[list[str], list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if byte_level:
        visible = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([tokenizer.pre_tokenizer, visible])
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(as_texts(words), trainer)
    model = learned(tokenizer)
    return tokens_of(model), [(left, right) for left, right in model["merges"]]


def fail_soon(done: int, total: int) -> None:
    raise InterruptedError(f"{done} of {total}")


# Counting words


def test_counts_add_up() -> None:
    counter, other = engine.WordCounter(), engine.WordCounter()
    counter.add("tree")
    counter.add("ß", 3)
    counter.add("", 5)
    counter.add("none", 0)
    other.add(b"tree", 4)
    other.add(b"\xff")
    counter.merge(other)
    assert counter.items() == [(b"tree", 5), ("ß".encode(), 3), (b"\xff", 1)]
    assert len(counter) == 3


@given(st.lists(st.tuples(st.text(st.sampled_from("ab\0é"), max_size=20), st.integers(0, 9))))
@settings(max_examples=200)
def test_counts_as_a_dictionary_would(words: list[tuple[str, int]]) -> None:
    expected: Counter[bytes] = Counter()
    counter = engine.WordCounter()
    for word, count in words:
        counter.add(word, count)
        if word and count:
            expected[word.encode()] += count
    assert counter.items() == list(expected.items())


def test_counts_many_words() -> None:
    counter = engine.WordCounter()
    words = [f"word {i % 50_000}" for i in range(100_000)]
    for word in words:
        counter.add(word)
    assert counter.items() == [(word.encode(), count) for word, count in Counter(words).items()]


def test_words_that_cannot_be_counted() -> None:
    counter = engine.WordCounter()
    with pytest.raises(ValueError, match="negative"):
        counter.add("a", -1)
    with pytest.raises(UnicodeEncodeError):
        counter.add("\ud800")
    with pytest.raises(TypeError, match="str or bytes"):
        counter.add(1)
    with pytest.raises(ValueError, match="itself"):
        counter.merge(counter)
    counter.add("aa", 2**51)
    with pytest.raises(ValueError, match=r"2\^53"):
        counter.add("aa", 2**52)
    assert counter.items() == [(b"aa", 2**51)]


# BPE

WORDS = st.dictionaries(
    st.text(st.sampled_from("aab"), min_size=1, max_size=12), st.integers(1, 6), min_size=1
)
WIDE_WORDS = st.dictionaries(
    st.text(st.sampled_from("abcé漢😀"), min_size=1, max_size=8), st.integers(1, 30), min_size=1
)


@given(
    words=WORDS | WIDE_WORDS,
    vocab_size=st.integers(25, 200),
    min_frequency=st.integers(0, 5),
    max_token_length=st.none() | st.integers(1, 6),
    byte_level=st.booleans(),
    special_tokens=st.lists(st.sampled_from(["[X]", "ab", "aba", "a", "é"]), unique=True),
)
@settings(max_examples=300, derandomize=True)
def test_bpe_merges_as_the_oracle_does(words: dict[str, int], **options: Any) -> None:
    assert engine.train_bpe(counter_of(words), **options) == oracle_bpe(words, **options)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("language", ["en", "es", "de"])
@pytest.mark.parametrize("byte_level", [False, True])
def test_bpe_of_real_text_is_the_oracles(language: str, byte_level: bool) -> None:
    words = count_words(xquad_texts(language))
    options = {
        "vocab_size": 6000,
        "special_tokens": ["[UNK]", "[PAD]"],
        "initial_alphabet": VISIBLE_BYTES if byte_level else [],
        "byte_level": byte_level,
    }
    tokens, merges = engine.train_bpe(counter_of(words), **options)
    assert len(tokens) == 6000
    assert (tokens, merges) == oracle_bpe(words, **options)


@needs_data
@pytest.mark.data
def test_bpe_options_on_real_text_are_the_oracles() -> None:
    words = count_words(imdb_texts(500))
    options = {"vocab_size": 9000, "min_frequency": 5, "max_token_length": 7}
    tokens, merges = engine.train_bpe(counter_of(words), **options)
    assert 1000 < len(tokens) < 9000
    assert (tokens, merges) == oracle_bpe(words, **options)


def test_bpe_limits_its_alphabet_to_the_most_frequent() -> None:
    words = {"abc": 5, "abd": 4, "ae": 1, "xyx": 1}
    options = {"vocab_size": 12, "limit_alphabet": 4, "initial_alphabet": ["z"]}
    tokens, merges = engine.train_bpe(counter_of(words), **options)
    assert tokens[:4] == ["a", "b", "c", "z"]
    assert (tokens, merges) == oracle_bpe(words, **options)


def test_bpe_limits_an_alphabet_of_equals_to_the_first() -> None:
    tokens, merges = engine.train_bpe(counter_of({"dcba": 2}), 3, limit_alphabet=3)
    assert tokens == ["a", "b", "c"]
    assert merges == []


# The oracle numbers the forms of characters as its hash map happens to hold words. As special
# tokens, they have their numbers beforehand, and all that follows can be compared.
@given(WORDS | WIDE_WORDS)
@settings(max_examples=100, derandomize=True)
def test_bpe_marks_the_ends_of_words_as_the_oracle_does(words: dict[str, int]) -> None:
    ends = [f"{char}</w>" for char in "abcé漢😀"]
    options = {"vocab_size": 100, "special_tokens": ends, "end_of_word_suffix": "</w>"}
    assert engine.train_bpe(counter_of(words), **options) == oracle_bpe(words, **options)


@given(WORDS | WIDE_WORDS)
@settings(max_examples=100, derandomize=True)
def test_bpe_marks_the_inside_of_words_as_the_oracle_does(words: dict[str, int]) -> None:
    inside = [f"#{char}" for char in "abcé漢😀"]
    options = {"vocab_size": 100, "special_tokens": inside, "continuing_subword_prefix": "#"}
    assert engine.train_bpe(counter_of(words), **options) == oracle_bpe(words, **options)


def test_what_is_learned_does_not_depend_on_the_order_of_words() -> None:
    words = {"abab": 2, "bcbc": 2, "cdcd": 2, "dede": 2, "abcde": 2}
    turned = dict(reversed(words.items()))
    for train in (engine.train_bpe, engine.train_wordpiece, engine.train_unigram):
        assert train(counter_of(words), 14) == train(counter_of(turned), 14)


# WordPiece


@needs_data
@pytest.mark.data
def test_wordpiece_of_real_text_is_the_oracles() -> None:
    words = count_words(imdb_texts(500))
    inside = [f"##{char}" for char in sorted({char for word in words for char in word[1:]})]
    special = ["[PAD]", "[UNK]", *inside]
    tokens = engine.train_wordpiece(counter_of(words), 8000, special_tokens=special)
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    options = {"vocab_size": 8000, "special_tokens": special, "show_progress": False}
    tokenizer.train_from_iterator(as_texts(words), trainers.WordPieceTrainer(**options))
    assert len(tokens) == 8000
    assert tokens == tokens_of(learned(tokenizer))


def test_wordpiece_numbers_the_inside_of_words_by_character() -> None:
    tokens = engine.train_wordpiece(counter_of({"cba": 1, "ab": 1}), 6, special_tokens=["[UNK]"])
    assert tokens == ["[UNK]", "a", "b", "c", "##a", "##b"]


# Unigram


def log_likelihood(words: Mapping[str, int], pieces: Mapping[str, float]) -> float:
    """Of all words, each cut in its likeliest way."""
    longest = max(map(len, pieces))
    total = 0.0
    for word, count in words.items():
        best = [0.0]
        for end in range(1, len(word) + 1):
            starts = range(max(0, end - longest), end)
            best.append(max(best[i] + pieces.get(word[i:end], -math.inf) for i in starts))
        total += count * best[-1]
    return total


def oracle_unigram(words: Mapping[str, int], **options: Any) -> dict[str, float]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.UnigramTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(as_texts(words), trainer)
    return dict(learned(tokenizer)["vocab"])


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("vocab_size", [500, 3000])
def test_unigram_explains_real_text_as_well_as_the_oracles(vocab_size: int) -> None:
    words = {f"▁{word}": count for word, count in count_words(imdb_texts(200)).items()}
    scored = engine.train_unigram(counter_of(words), vocab_size, unk_token="<unk>")
    pieces = dict(scored)
    assert len(scored) == len(pieces) == vocab_size
    assert scored[0] == ("<unk>", 0.0)
    del pieces["<unk>"]
    # exp(digamma(n)) lies between n - 1/2 and n: each piece has up to half a count less than its
    # share of all counts, of which there is at least one for each word.
    mass = sum(map(math.exp, pieces.values()))
    assert 1 - vocab_size / (2 * sum(words.values())) <= mass <= 1.001
    assert list(pieces.values()) == sorted(pieces.values(), reverse=True)
    assert {char for word in words for char in word} <= pieces.keys()
    assert max(map(len, pieces)) <= 16
    oracle = oracle_unigram(words, vocab_size=vocab_size, unk_token="<unk>")
    del oracle["<unk>"]
    assert log_likelihood(words, pieces) > 1.01 * log_likelihood(words, oracle)


@given(
    words=WORDS | WIDE_WORDS,
    vocab_size=st.integers(15, 60),
    special_tokens=st.lists(st.sampled_from(["<s>", "ab", "aba", "a"]), unique=True),
    unk_token=st.none() | st.sampled_from(["<unk>", "<s>"]),
    max_piece_length=st.integers(1, 255),
    seed_size=st.integers(0, 50),
)
@settings(max_examples=300, derandomize=True)
def test_unigram_keeps_its_promises(words: dict[str, int], vocab_size: int, **options: Any) -> None:
    scored = engine.train_unigram(counter_of(words), vocab_size, initial_alphabet=["z"], **options)
    tokens = [token for token, _ in scored]
    special = options["special_tokens"]
    if options["unk_token"] and options["unk_token"] not in special:
        special = [options["unk_token"], *special]
    assert tokens[: len(special)] == special
    assert len(set(tokens)) == len(tokens) <= vocab_size
    assert {"z"}.union(*words) <= set(tokens)
    pieces = tokens[len(special) :]
    assert all(len(piece) <= options["max_piece_length"] for piece in pieces)
    assert all(piece == "z" or any(piece in word for word in words) for piece in pieces)
    assert all(math.isfinite(score) and score <= 0 for _, score in scored)


def test_unigram_finds_the_stems_of_words() -> None:
    stems, ends = ["walk", "jump", "open", "climb"], ["", "s", "ed", "ing", "er"]
    words = {stem + end: 10 for stem in stems for end in ends}
    pieces = dict(engine.train_unigram(counter_of(words), 26))
    assert {*stems} <= pieces.keys()
    oracle = oracle_unigram(words, vocab_size=26)
    assert log_likelihood(words, pieces) > 0.9 * log_likelihood(words, oracle)


def test_unigram_takes_long_words() -> None:
    words = {"ab" * 100_000: 3, "x" * 70_000: 1, "".join(map(chr, range(0x4E00, 0x5600))): 2}
    scored = engine.train_unigram(counter_of(words), 3000)
    assert scored[0][0] == "ab" * 8
    assert all(math.isfinite(score) for _, score in scored)


# Errors, progress and stopping


@pytest.mark.parametrize("train", [engine.train_bpe, engine.train_wordpiece, engine.train_unigram])
def test_what_cannot_be_learned_is_told(train: Callable[..., Any]) -> None:
    counter = counter_of({"ab": 1, "a": 1})
    with pytest.raises(ValueError, match="no words"):
        train(engine.WordCounter(), 100)
    with pytest.raises(ValueError, match=r"vocab_size is 3, but 2 special .* need [45]"):
        train(counter, 3, special_tokens=["[A]", "[B]"])
    with pytest.raises(ValueError, match=r"'\[A\]' is given twice"):
        train(counter, 100, special_tokens=["[A]", "[A]"])
    with pytest.raises(ValueError, match="empty"):
        train(counter, 100, special_tokens=[""])
    with pytest.raises(ValueError, match="vocab_size is negative: -1"):
        train(counter, -1)
    with pytest.raises(ValueError, match="vocab_size is too large"):
        train(counter, 2**40)
    for text in ("", "xy"):
        with pytest.raises(ValueError, match=f"initial_alphabet holds '{text}'"):
            train(counter, 100, initial_alphabet=["x", text])
    counter.add(b"a\xff")
    with pytest.raises(ValueError, match="not valid UTF-8 at its byte 1"):
        train(counter, 100)


def test_bytes_need_no_utf8_at_byte_level() -> None:
    counter = engine.WordCounter()
    counter.add(b"\xff\xfe", 2)
    assert engine.train_bpe(counter, 3, byte_level=True) == (["þ", "ÿ", "ÿþ"], [("ÿ", "þ")])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("shrinking_factor", 1.0),
        ("shrinking_factor", 0.0),
        ("shrinking_factor", math.nan),
        ("n_sub_iterations", 0),
        ("max_piece_length", 0),
        ("max_piece_length", 256),
        ("seed_size", 2**30),
        ("seed_size", -1),
    ],
)
def test_unigram_names_a_bad_option(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=option):
        engine.train_unigram(counter_of({"ab": 1}), 100, **{option: value})


def many_words(count: int) -> dict[str, int]:
    digits = str.maketrans("0123456789", "abcdefghij")
    return {str(i * 7919).translate(digits): 1 + i % 7 for i in range(1, count)}


@pytest.mark.parametrize("train", [engine.train_bpe, engine.train_wordpiece, engine.train_unigram])
def test_progress_is_told(train: Callable[..., Any]) -> None:
    told: list[tuple[int, int]] = []
    counter = counter_of(many_words(1000))
    train(counter, 100, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert all(0 <= done <= total for done, total in told)


@pytest.mark.parametrize("train", [engine.train_bpe, engine.train_wordpiece, engine.train_unigram])
def test_what_progress_raises_stops_the_training(train: Callable[..., Any]) -> None:
    counter = counter_of(many_words(1000))
    with pytest.raises(InterruptedError, match=r"\d+ of \d+"):
        train(counter, 100, progress=fail_soon)
    counter.add("more")  # the counter is free again


def test_a_counter_is_not_changed_while_it_is_trained_on() -> None:
    counter = counter_of(many_words(1000))

    def count_more(done: int, total: int) -> None:
        counter.add("more")

    with pytest.raises(RuntimeError, match="in use"):
        engine.train_bpe(counter, 100, progress=count_more)


def test_a_signal_stops_a_training_without_progress() -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGVTALRM, stop)
    counter = counter_of(many_words(20_000))
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.001)
        with pytest.raises(InterruptedError):
            engine.train_bpe(counter, 5000)
    finally:
        signal.signal(signal.SIGVTALRM, before)


def test_other_threads_run_while_one_trains() -> None:
    ticks: list[float] = []
    trained = threading.Event()

    def tick() -> None:
        while not trained.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    counter = counter_of(many_words(50_000))
    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    engine.train_unigram(counter, 1000)
    end = time.monotonic()
    trained.set()
    thread.join()
    quarter = (end - start) / 4
    assert any(start + quarter < time_of_tick < end - quarter for time_of_tick in ticks)


def test_two_threads_train_on_one_counter() -> None:
    counter = counter_of(many_words(3000))
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(engine.train_bpe(counter, 500)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [engine.train_bpe(counter, 500)] * 2


def test_a_vocabulary_larger_than_the_words_allow() -> None:
    words = dict(islice(many_words(20).items(), 10))
    tokens, _ = engine.train_bpe(counter_of(words), 10_000)
    assert set(words) <= set(tokens)
    assert len(engine.train_unigram(counter_of(words), 10_000)) < 10_000
