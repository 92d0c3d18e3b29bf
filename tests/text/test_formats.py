"""Tokenizers of older files, against the libraries that they come from."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sentencepiece
import tokenizers
from tokenizers.processors import RobertaProcessing

import graft
from graft.errors import ModelError

TEXTS = [
    "The rain, oh my, the storm and the snow.",
    " we saw  the sun ",
    "",
    "a ball! a goal, 12 races; n\u00e9v\u00e9 \u6771\u4eac <mask> </s>",
] * 3


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byte_fallback": True, "vocab_size": 340},
        {"add_dummy_prefix": False, "remove_extra_whitespaces": False},
        {"normalization_rule_name": "identity"},
        {"user_defined_symbols": ["<mask>", "rain"]},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_sentencepiece_models(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_prefix=str(tmp_path / "tokenizer"),
        model_type=kind,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"vocab_size": 50, **options},
    )
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    found = graft.Tokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS, "unseen \U0001f600 Z\u00fcrich"]:
        ids = oracle.encode(text)
        assert found(text).ids == ids
        if oracle.unk_id() not in ids:  # which its own library shows as two question marks
            assert found.decode(ids) == oracle.decode(ids)


@pytest.mark.parametrize("bpe_class", ["GPT2Tokenizer", "RobertaTokenizer"])
def test_vocabulary_and_merges(bpe_class: str, tmp_path: Path) -> None:
    special = ["<s>", "</s>", "<unk>", "<pad>", "<mask>", "<|endoftext|>"]
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=300, special_tokens=special, show_progress=False)
    trained.save_model(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": bpe_class}))
    found = graft.Tokenizer.from_pretrained(tmp_path)
    oracle = tokenizers.ByteLevelBPETokenizer.from_file(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")
    )
    if bpe_class == "RobertaTokenizer":
        oracle._tokenizer.post_processor = RobertaProcessing(
            ("</s>", 1), ("<s>", 0), add_prefix_space=False
        )
        oracle.add_special_tokens(
            [*special[:4], tokenizers.AddedToken("<mask>", lstrip=True, normalized=False)]
        )
    else:
        oracle.add_special_tokens(special[-1:])
    for text in TEXTS:
        assert found(text).ids == oracle.encode(text).ids
        assert found(text, "the sun").ids == oracle.encode(text, "the sun").ids
        assert found.decode(found(text).ids) == oracle.decode(oracle.encode(text).ids)


@pytest.mark.parametrize(
    ("merges", "vocabulary", "config", "said"),
    [
        ("a b c\n", {"a": 0}, {}, r"merges\.txt: the merge 'a b c' is not two tokens"),
        ("", {"a": 0}, {"tokenizer_class": "RobertaTokenizer"}, "lacks the special tokens <s>"),
    ],
)
def test_vocabulary_and_merges_that_do_not_fit(
    tmp_path: Path, merges: str, vocabulary: dict[str, int], config: dict[str, str], said: str
) -> None:
    (tmp_path / "merges.txt").write_text(merges)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=said):
        graft.Tokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(TEXTS).dictionary_encode(),
        pa.array(TEXTS, pa.string_view()),
        pa.array(TEXTS, pa.large_string()),
        pa.chunked_array([TEXTS[:5], [], TEXTS[5:]]),
        tuple(TEXTS),
    ],
    ids=["dictionary", "view", "large", "chunks", "tuple"],
)
def test_columns_of_every_kind(base: Path, column: Any) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    assert tokenizer.encode_batch(column).ids.tolist() == tokenizer.encode_batch(TEXTS).ids.tolist()


def test_columns_without_rows(base: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    for column in (pa.array([]), pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        assert len(tokenizer.encode_batch(column)) == 0
