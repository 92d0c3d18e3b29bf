"""Models of other sizes: the oracle loads them, and what was kept answers as before."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_close, build, run
from texts import Texts, make_texts

import graft
from graft.errors import ModelError
from small import VOCABULARY

GROWN = len(VOCABULARY) + 5
DECODER = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "initializer_range": 0.2,
}
PAIR: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 28,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "init_std": 0.2,
}
BERT = {**SIZES, "num_hidden_layers": 2, "num_attention_heads": 4}
GPT2 = {
    "vocab_size": len(VOCABULARY),
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 40,
    "bos_token_id": 3,
    "eos_token_id": 3,
}
T5 = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "d_kv": 6,
    "d_ff": 40,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "tied, with a bias": ("BertForMaskedLM", BERT),
    "untied, with a bias": ("BertForMaskedLM", {**BERT, "tie_word_embeddings": False}),
    "first position": ("RobertaForMaskedLM", {**BERT, "max_position_embeddings": 42}),
    "narrow": ("AlbertForMaskedLM", {**BERT, "embedding_size": 10}),
    "tied": ("GPT2LMHeadModel", GPT2),
    "untied": ("LlamaForCausalLM", {**SIZES, **DECODER}),
    "untied pair": ("T5ForConditionalGeneration", {**T5, "tie_word_embeddings": False}),
    "tied pair": ("T5ForConditionalGeneration", T5),
    "biased pair": ("BartForConditionalGeneration", PAIR),
    "two vocabularies": (
        "MarianMTModel",
        {**PAIR, "share_encoder_decoder_embeddings": False, "decoder_start_token_id": 0},
    ),
    "body": ("BertModel", BERT),
}
"""Models with a vocabulary, by what is special about it."""


def made(name: str, folder: Path) -> tuple[Any, graft.Model, Texts]:
    """A model of the oracle, ours of its files, and what they read."""
    stem, settings = MODELS[name]
    kind = getattr(transformers, stem)
    oracle = build(kind, kind.config_class(**settings))
    oracle.save_pretrained(folder)
    pair = oracle.config.is_encoder_decoder
    texts = make_texts([9, 2, 17], decoder=[4, 6, 3]) if pair else make_texts([9, 2, 17])
    return oracle, graft.Model.from_pretrained(folder), texts


def reloaded(oracle: Any, model: graft.Model, folder: Path) -> Any:
    """What the oracle makes of our files: nothing may be missing or left over."""
    model.save_pretrained(folder)
    again, info = type(oracle).from_pretrained(folder, output_loading_info=True)
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    tables = ("embed_positions.weight", "pooler.dense.weight", "pooler.dense.bias")
    assert not [key for key in info["missing_keys"] if not key.endswith(tables)]
    again.config._attn_implementation = "eager"
    return again.eval()


def logits(model: graft.Model, texts: Texts) -> torch.Tensor:
    output = model(texts.batch)
    found = output.hidden if output.logits is None else output.logits
    assert found is not None
    return found.detach()


@pytest.mark.parametrize("size", [GROWN, len(VOCABULARY) - 1])
@pytest.mark.parametrize("name", MODELS)
def test_a_vocabulary_of_another_size(tmp_path: Path, name: str, size: int) -> None:
    oracle, model, texts = made(name, tmp_path / "theirs")
    last = len(VOCABULARY) - 1
    rows = [[min(token, last - 1) for token in row] for row in texts.sequences]
    written = texts.decoder
    if written is not None:
        written = [[min(token, last - 1) for token in row] for row in written]
    texts = Texts(rows, decoder=written)
    before = logits(model, texts)
    model.resize_vocabulary(size)
    after = logits(model, texts)
    kept = min(size, len(VOCABULARY)) if model.head is not None else before.shape[1]
    assert torch.equal(after[:, :kept], before[:, :kept])
    again = reloaded(oracle, model, tmp_path / "ours")
    assert again.config.vocab_size == size
    expected = run(again, texts, None if model.head is None else model.task)
    if expected.logits is not None:
        assert_close(after, expected.logits, "logits")
    ours = graft.Model.from_pretrained(tmp_path / "ours")
    assert torch.equal(logits(ours, texts), after)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("which", ["read", "written"])
def test_one_of_two_vocabularies(tmp_path: Path, which: Any, tied: bool) -> None:
    """What is read grows, or what is written; the other one stays."""
    old, other = len(VOCABULARY), len(VOCABULARY) + 9
    config = transformers.MarianConfig(
        **PAIR
        | {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": other}
        | {"decoder_start_token_id": 0, "tie_word_embeddings": tied}
    )
    oracle = build(transformers.MarianMTModel, config)
    oracle.save_pretrained(tmp_path / "theirs")
    model = graft.Model.from_pretrained(tmp_path / "theirs")
    texts = make_texts([9, 2, 17], decoder=[4, 6, 3])
    before = logits(model, texts)
    tables = [stack.embeddings.tokens.weight for stack in (model.body.encoder, model.body.decoder)]
    size = (old if which == "read" else other) + 5
    model.resize_vocabulary(size, {size - 1: [3, 4]}, which=which)
    after = logits(model, texts)
    assert torch.equal(after[:, :other], before)
    again = reloaded(oracle, model, tmp_path / "ours")
    read, written = (size, other) if which == "read" else (old, size)
    assert (again.config.vocab_size, again.config.decoder_vocab_size) == (read, written)
    assert_close(after, run(again, texts, model.task).logits, "logits")
    changed = model.body.encoder if which == "read" else model.body.decoder
    rows = tables[0 if which == "read" else 1]
    torch.testing.assert_close(changed.embeddings.tokens.weight[-1], (rows[3] + rows[4]) / 2)


def test_files_that_keep_one_size_alone_are_not_given_two(tmp_path: Path) -> None:
    config = transformers.BartConfig(**PAIR, tie_word_embeddings=False)
    build(transformers.BartForConditionalGeneration, config).save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    for which in ("read", "written"):
        with pytest.raises(ModelError, match="Files of bart keep one size for both"):
            model.resize_vocabulary(GROWN, which=which)  # type: ignore[arg-type]
    model.resize_vocabulary(GROWN)


@pytest.mark.parametrize("name", MODELS)
def test_new_tokens_start_from_the_mean_of_their_parts(tmp_path: Path, name: str) -> None:
    _, model, texts = made(name, tmp_path)
    old = len(VOCABULARY)
    before = logits(model, texts)
    table = model.body.vocabulary.detach().clone()
    model.resize_vocabulary(GROWN, parts={old: [5], old + 2: [7, 9, 9]})
    after = logits(model, texts)
    new = model.body.vocabulary
    assert torch.equal(new[:old], table)
    assert torch.equal(new[old], table[5])
    torch.testing.assert_close(new[old + 2], (table[7] + 2 * table[9]) / 3)
    if model.head is not None:  # logits are linear in rows and biases
        assert_close(after[:, old], before[:, 5], "one part")
        assert_close(after[:, old + 2], (before[:, 7] + 2 * before[:, 9]) / 3, "several parts")


@pytest.mark.parametrize("how", ["copy", "interpolate"])
@pytest.mark.parametrize(
    "name", ["tied, with a bias", "first position", "tied", "untied", "biased pair", "tied pair"]
)
def test_longer_texts(tmp_path: Path, name: str, how: Any) -> None:
    oracle, model, texts = made(name, tmp_path / "theirs")
    before = logits(model, texts)
    learned = model.config.positions == "learned"
    model.extend_positions(101 if model.config.max_positions < 101 else 1000, how)
    if how == "copy" or not learned:
        assert torch.equal(logits(model, texts), before)
    again = reloaded(oracle, model, tmp_path / "ours")
    decoder = [50, 4] if oracle.config.is_encoder_decoder else None
    longer = make_texts([90, 3], decoder=decoder)
    expected = run(again, longer, model.task)
    assert_close(logits(model, longer), expected.logits, "logits")


def test_stretched_positions_keep_both_ends(tmp_path: Path) -> None:
    _, model, _ = made("first position", tmp_path)
    table = model.body.embeddings.positions
    before = table.weight.detach().clone()
    first, limit = model.config.first_position, model.config.max_positions
    model.extend_positions(2 * limit - 1, "interpolate")
    assert torch.equal(table.weight[:first], before[:first])
    torch.testing.assert_close(table.weight[first::2], before[first:])
    between = (before[first:-1] + before[first + 1 :]) / 2
    torch.testing.assert_close(table.weight[first + 1 :: 2], between)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (transformers.GPT2ForSequenceClassification, GPT2),
        (transformers.LlamaForSequenceClassification, {**SIZES, **DECODER}),
    ],
)
def test_a_token_of_padding_lets_the_oracle_read_batches(
    tmp_path: Path, kind: Any, settings: dict[str, Any], new: bool
) -> None:
    oracle = build(kind, kind.config_class(**settings, num_labels=3))
    oracle.save_pretrained(tmp_path / "theirs")
    texts = make_texts([9, 2, 17])
    with pytest.raises(ValueError, match="padding token"):
        run(oracle, texts, "text-classification")
    model = graft.Model.from_pretrained(tmp_path / "theirs")
    before = logits(model, texts)
    pad = model.add_pad_token(None if new else 4)
    assert pad == (len(VOCABULARY) if new else 4)
    assert model.add_pad_token() == pad  # it has one now
    assert torch.equal(logits(model, texts), before)
    again = reloaded(oracle, model, tmp_path / "ours")
    assert again.config.pad_token_id == pad
    assert_close(before, run(again, texts, "text-classification").logits, "logits")
    ours = graft.Model.from_pretrained(tmp_path / "ours")
    assert ours.config == model.config
    assert ours.body.embeddings.tokens.padding_idx == model.body.embeddings.tokens.padding_idx


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (transformers.BertForSequenceClassification, BERT),
        (transformers.GPT2ForSequenceClassification, {**GPT2, "pad_token_id": 0}),
        (transformers.RobertaForTokenClassification, {**BERT, "max_position_embeddings": 42}),
    ],
)
def test_other_labels(tmp_path: Path, kind: Any, settings: dict[str, Any]) -> None:
    names = {0: "food", 1: "sport", 2: "weather"}
    oracle = build(kind, kind.config_class(**settings, id2label=names))
    oracle.save_pretrained(tmp_path / "theirs")
    model, texts = graft.Model.from_pretrained(tmp_path / "theirs"), make_texts([9, 2, 17])
    before = logits(model, texts)
    model.resize_labels(["weather", "travel", "food", "music"])
    after = logits(model, texts)
    assert after.shape[1] == 4
    torch.testing.assert_close(after[:, [0, 2]], before[:, [2, 0]])
    again = reloaded(oracle, model, tmp_path / "ours")
    assert again.config.id2label == {0: "weather", 1: "travel", 2: "food", 3: "music"}
    assert_close(after, run(again, texts, model.task).logits, "logits")
