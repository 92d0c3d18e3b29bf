"""Tokenizers learned from texts: the same for everybody, with the special tokens asked for."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tokenizers

import graft
from graft.errors import DataError

TEXTS = [
    "The rain, oh my, the storm and the snow.",
    "we saw the sun",
    "",
    "a ball! a goal, a race; we run and swim and run",
] * 5
OPTIONS: dict[str, dict[str, Any]] = {
    "wordpiece": {"vocab_size": 300, "min_frequency": 1},
    "bpe": {"vocab_size": 300, "min_frequency": 1},
    "byte-level-bpe": {"vocab_size": 300, "min_frequency": 1},
    "unigram": {"vocab_size": 60},
}
UNSEEN = "Zürich 東京 [UNK] <unk> the"


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_trained_tokenizer_is_one_for_everybody(kind: Any, tmp_path: Path) -> None:
    columns = pa.chunked_array([TEXTS[:7], TEXTS[7:]])
    written = []
    for number, texts in enumerate((iter(TEXTS), pa.array(TEXTS), columns)):
        folder = tmp_path / str(number)
        graft.Tokenizer.train(texts, kind, **OPTIONS[kind]).save_pretrained(folder)
        written.append((folder / "tokenizer.json").read_bytes())
    assert written[0] == written[1] == written[2]
    trained = graft.Tokenizer.from_pretrained(tmp_path / "0")
    oracle = tokenizers.Tokenizer.from_file(str(tmp_path / "0" / "tokenizer.json"))
    for text in [*TEXTS, UNSEEN]:
        found, expected = trained(text), oracle.encode(text)
        assert (found.ids, found.spans) == (expected.ids, expected.offsets)
        assert trained.decode(found.ids) == oracle.decode(found.ids)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize(
    ("special", "unknown"), [(["<pad>", "<unk>"], "<unk>"), (["<what>", "<pad>"], "<what>")]
)
def test_what_is_unknown_is_the_token_of_that_name(
    kind: Any, special: list[str], unknown: str
) -> None:
    trained = graft.Tokenizer.train(TEXTS, kind, vocab_size=60, special_tokens=special)
    assert [trained.token_to_id(token) for token in special] == [0, 1]
    assert trained.unknown_id == trained.token_to_id(unknown)
    assert trained("東").tokens[-1] == unknown


@pytest.mark.parametrize("kind", OPTIONS)
def test_special_tokens_of_ones_own_are_found_as_a_whole(kind: Any) -> None:
    own = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<user>"]
    trained = graft.Tokenizer.train(TEXTS, kind, special_tokens=own, **OPTIONS[kind])
    assert [trained.token_to_id(token) for token in own] == list(range(6))
    found = trained("<user>the rain")
    assert "<user>" in found.tokens
    assert trained.decode(found.ids).strip() == "the rain"


def test_options_are_kept() -> None:
    train = graft.Tokenizer.train
    cased = train(TEXTS, "wordpiece", vocab_size=300, lowercase=False, max_length=12)
    assert "T" in cased.vocabulary
    assert cased.max_length == 12
    assert "T" not in train(TEXTS, "wordpiece", vocab_size=300).vocabulary
    few = train(TEXTS, "bpe", vocab_size=300, limit_alphabet=3)
    assert sum(len(token) == 1 for token in few.vocabulary) == 3
    rare = train(TEXTS, "bpe", vocab_size=300, min_frequency=6)
    assert rare.vocab_size < train(TEXTS, "bpe", vocab_size=300, min_frequency=1).vocab_size


def test_progress_ends_with_all_done() -> None:
    seen: list[tuple[int, int]] = []
    graft.Tokenizer.train(TEXTS, "bpe", vocab_size=60, progress=lambda *told: seen.append(told))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        ([], {}, "No vocabulary can be learned"),
        ("one text", {}, "not one text"),
        (["a", 3], {}, "Text 1 is 3, which is not a string"),
        (pa.array([1, 2]), {}, "of type int64, not strings"),
        (TEXTS, {"kind": "syllables"}, "kind is 'syllables'; it may be"),
        (TEXTS, {"vocab_size": 3}, "1 special tokens and 256 characters already need 257"),
        (TEXTS, {"vocab_size": -3}, "vocab_size is -3; give a whole number up to 2147483647"),
        (TEXTS, {"vocab_size": 0}, "vocab_size is 0"),
        (TEXTS, {"vocab_size": 2**70}, "vocab_size is 1180591620717411303424; give a whole"),
        (TEXTS, {"vocab_size": "30k"}, "vocab_size is '30k'; give a whole number"),
        (TEXTS, {"min_frequency": -1}, "min_frequency is -1; give a whole number"),
        (TEXTS, {"limit_alphabet": -1, "kind": "bpe"}, "limit_alphabet is -1"),
        (3, {}, "Many texts or an Arrow column are needed, not int"),
        (TEXTS, {"special_tokens": ["x", "x"]}, "No vocabulary can be learned"),
        (TEXTS, {"special_tokens": "[UNK]"}, r"special_tokens are '\[UNK\]'; give a list"),
        (TEXTS, {"special_tokens": [3]}, r"special_tokens are \[3\]; give a list"),
        (TEXTS, {"special_tokens": [], "kind": "unigram"}, "needs one for what is unknown"),
        (TEXTS, {"special_tokens": ["[UNK]"], "kind": "wordpiece"}, r"lack \[PAD\], \[CLS\]"),
        (TEXTS, {"limit_alphabet": 9}, "the alphabet of byte-level-bpe is every byte"),
        (TEXTS, {"limit_alphabet": 9, "kind": "unigram"}, "is every character of the texts"),
    ],
)
def test_what_cannot_be_learned(texts: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        graft.Tokenizer.train(texts, **options)


def test_a_small_vocabulary_of_bytes_is_not_told_of_an_alphabet() -> None:
    with pytest.raises(DataError, match=r"need 257; raise it\.$"):
        graft.Tokenizer.train(TEXTS, vocab_size=3)
    with pytest.raises(DataError, match="raise it, or set limit_alphabet"):
        graft.Tokenizer.train(TEXTS, "bpe", vocab_size=5)


@pytest.mark.parametrize("wrong", [3, "half \ud800"])
def test_the_row_that_is_wrong_is_told_of_many(wrong: Any) -> None:
    texts = [*["rain"] * 12_000, wrong]
    with pytest.raises(DataError, match="Text 12000 is"):
        graft.Tokenizer.train(iter(texts))


def test_the_row_of_a_column_in_chunks_is_told() -> None:
    damaged = pa.Array.from_buffers(pa.string(), 2, pa.array([b"sun", b"\xff"]).buffers())
    column = pa.chunked_array([pa.array(["rain"] * 5), damaged])
    with pytest.raises(DataError, match=r"Text 6 is not valid UTF-8 at byte 0"):
        graft.Tokenizer.train(column)
