"""The engine on several threads: of its own, of Python, and in processes forked while they run."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from graft.text import _engine as engine

Found = list[list[int]]

WORDS = [
    "the",
    "rain",
    "oh",
    "my",
    "storm",
    "and",
    "snow",
    "Don't",
    "naïve",
    "東京",
    "x²",
    "é",
    "😀",
    "unaffordable",
]
PIECES = ["[UNK]", "the", "rain", "storm", "and", "snow", "un", "##afford", "##able", "'", "don"]


def make_tokenizer() -> Any:
    pieces = [*PIECES, *dict.fromkeys("".join(WORDS).lower())]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return engine.Tokenizer(
        normalizer=engine.BertNormalizer(),
        pre_tokenizer=engine.BertPreTokenizer(),
        model=engine.WordPiece(vocab, unk_token="[UNK]"),
        raw_added=[(len(vocab), "<s>", False, False, False)],
        normalized_added=[],
        single=[(1, 0, 0)],
        pair=[(1, 0, 0), (2, 0, 1)],
    )


def column(texts: list[bytes]) -> tuple[Any, Any]:
    data = np.frombuffer(b"".join(texts), np.uint8)
    return data, np.cumsum([0, *map(len, texts)]).astype(np.int64)


def many_texts(count: int = 3000) -> list[bytes]:
    """Enough for more blocks than there are threads, and no two alike."""
    return [
        f"{' '.join(WORDS[: 1 + row % len(WORDS)])} <s>{row} {WORDS[row % 7] * 3}".encode()
        for row in range(count)
    ]


def encode(tokenizer: Any, texts: list[bytes], threads: int) -> Found:
    *found, _ = tokenizer.encode(*column(texts), spans=True, threads=threads)
    return [array.tolist() for array in found]


@pytest.fixture(scope="module")
def expected() -> Found:
    return encode(make_tokenizer(), many_texts(), 1)


@pytest.mark.parametrize("threads", [2, 5, 64])
def test_the_number_of_threads_changes_nothing(expected: Found, threads: int) -> None:
    tokenizer = make_tokenizer()
    assert encode(tokenizer, many_texts(), threads) == expected
    assert encode(tokenizer, many_texts(), threads) == expected


def test_words_are_counted_the_same_by_any_number_of_threads() -> None:
    tokenizer, texts = make_tokenizer(), many_texts()
    counters = {threads: engine.WordCounter() for threads in (1, 3, 10**6)}
    for threads, counter in counters.items():
        tokenizer.count_words(counter, *column(texts), threads)
    counts = [dict(counter.items()) for counter in counters.values()]
    assert counts[0] == counts[1] == counts[2]
    assert counts[0][b"rain"] > len(texts) / 2


def test_threads_of_python_share_a_tokenizer(expected: Found) -> None:
    tokenizer, texts = make_tokenizer(), many_texts()
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(encode, tokenizer, texts, 1 + job % 3) for job in range(18)]
        assert all(job.result() == expected for job in jobs)


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_text_that_is_wrong_is_told(threads: int) -> None:
    texts = many_texts()
    for row in (2900, 1700, 1701):
        texts[row] = b"ok \xff"
    tokenizer = make_tokenizer()
    said = "Text 1700 is not valid UTF-8 at byte 3"
    with pytest.raises(ValueError, match=said):
        tokenizer.encode(*column(texts), threads=threads)
    with pytest.raises(ValueError, match=said):
        tokenizer.count_words(engine.WordCounter(), *column(texts), threads)


def test_after_an_error_all_is_as_before(expected: Found) -> None:
    tokenizer = make_tokenizer()
    for _ in range(3):
        with pytest.raises(ValueError, match="not valid UTF-8"):
            encode(tokenizer, [*many_texts(), b"\xc3"], 4)
        assert encode(tokenizer, many_texts(), 4) == expected


def status_of_child(work: Callable[[], bool]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(not work())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
class TestForks:
    def test_a_child_encodes_on_threads_as_its_parent_has(self, expected: Found) -> None:
        tokenizer, texts = make_tokenizer(), many_texts()
        assert encode(tokenizer, texts, 4) == expected
        assert status_of_child(lambda: encode(tokenizer, texts, 4) == expected) == 0
        assert encode(tokenizer, texts, 4) == expected

    def test_a_child_made_while_others_encode(self, expected: Found) -> None:
        tokenizer, texts = make_tokenizer(), many_texts()
        done = threading.Event()

        def keep_encoding() -> None:
            while not done.is_set():
                encode(tokenizer, texts, 2)

        others = [threading.Thread(target=keep_encoding) for _ in range(3)]
        for other in others:
            other.start()
        try:
            found = [
                status_of_child(lambda: encode(tokenizer, texts, 3) == expected) for _ in range(8)
            ]
        finally:
            done.set()
            for other in others:
                other.join()
        assert found == [0] * 8
