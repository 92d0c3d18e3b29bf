"""What resizing refuses, what it leaves as it is, and tokens that a tokenizer learns as well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from recurrents import LABELS, make

import graft
from graft.errors import ModelError
from graft.models.config import Rotary
from small import CONFIG, SPECIAL, VOCABULARY, make_classifier, make_model, random_ids, save_model

SIZE = len(VOCABULARY)


@pytest.mark.parametrize(
    ("size", "parts", "message"),
    [
        (0, None, "A vocabulary of 0 tokens is none"),
        (SIZE + 1, {SIZE + 1: [3]}, f"There is no token {SIZE + 1}: they go from 0 to {SIZE}"),
        (SIZE + 1, {SIZE: []}, f"Token {SIZE} replaces nothing"),
        (SIZE + 1, {SIZE: [SIZE]}, f"is to be made of {SIZE}, but tokens go from 0 to {SIZE - 1}"),
        (SIZE + 1, {SIZE: [-1]}, "is to be made of -1"),
    ],
)
def test_sizes_and_parts_that_make_no_sense(size: int, parts: Any, message: str) -> None:
    model = make_model()
    weight = model.body.vocabulary
    with pytest.raises(ModelError, match=message):
        model.resize_vocabulary(size, parts)
    assert model.body.vocabulary is weight
    assert model.config.vocab_size == SIZE


def test_the_row_of_padding_is_not_lost() -> None:
    model = make_model(frozen_token=9)
    with pytest.raises(ModelError, match="Token 9 stands for padding: keep 10 tokens or more"):
        model.resize_vocabulary(9)
    model.resize_vocabulary(10)
    assert model.body.embeddings.tokens.padding_idx == 9


def test_two_vocabularies_of_different_sizes_are_refused() -> None:
    decoder = replace(CONFIG, vocab_size=SIZE + 7, causal=True, cross=True)
    model = make_model(decoder=decoder, shared_embedding=False)
    with pytest.raises(
        ModelError, match=rf"reads {SIZE} tokens and writes {SIZE + 7} others.*which=\"read\""
    ):
        model.resize_vocabulary(SIZE + 9)


@pytest.mark.parametrize("which", ["read", "written"])
def test_one_vocabulary_is_not_two(which: Any) -> None:
    shared = make_model(decoder=replace(CONFIG, causal=True, cross=True))
    for model in (make_model(), shared):
        with pytest.raises(ModelError, match=f"has one vocabulary: leave out which='{which}'"):
            model.resize_vocabulary(SIZE + 1, which=which)
        assert model.config.vocab_size == len(model.body.vocabulary) == SIZE


def test_a_vocabulary_that_there_is_not() -> None:
    with pytest.raises(ModelError, match="which is 'all'; it may be"):
        make_model().resize_vocabulary(SIZE + 1, which="all")  # type: ignore[arg-type]


def test_what_is_frozen_stays_frozen_and_what_trains_trains() -> None:
    model = make_model()
    model.body.embeddings.tokens.weight.requires_grad_(False)
    model.resize_vocabulary(SIZE + 2)
    model.extend_positions(100)
    assert not model.body.embeddings.tokens.weight.requires_grad
    model.body.embeddings.tokens.weight.requires_grad_(True)
    ids = random_ids([90])[0]
    output = model(graft.Batch.from_sequences([[SIZE + 1, *ids]]))
    output.hidden.sum().backward()
    assert model.body.embeddings.tokens.weight.grad.shape == (SIZE + 2, 32)
    assert model.body.embeddings.positions.weight.grad[90].abs().sum() > 0


def test_new_rows_depend_on_the_seed_alone() -> None:
    def rows(seed: int) -> torch.Tensor:
        model = make_model()
        torch.manual_seed(seed)
        model.resize_vocabulary(SIZE + 3)
        return model.body.vocabulary[SIZE:].detach()

    with torch.random.fork_rng():
        assert torch.equal(rows(1), rows(1))
        assert not torch.equal(rows(1), rows(2))
        assert 0.05 < float(rows(1).std()) < 0.2  # CONFIG.init_std is 0.1


def test_weights_stay_in_their_format() -> None:
    model = make_classifier().to(torch.bfloat16)
    model.resize_vocabulary(SIZE + 1, {SIZE: [5, 6]})
    model.extend_positions(99, "interpolate")
    model.resize_labels(["food", "music"])
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_a_recurrent_model_and_its_field_learn_other_tokens_and_labels() -> None:
    model = make("bilstm", "token-classification", crf=True, label_scheme="bio")
    assert model.labels == LABELS == ("O", "B-place", "I-place")
    before = model.head.crf.transitions.detach().clone()
    model.resize_labels(["O", "B-time", "I-time", "I-place", "B-place"])
    after = model.head.crf.transitions
    kept, old = torch.tensor([0, 3, 4]), torch.tensor([0, 2, 1])
    assert torch.equal(after[kept[:, None], kept], before[old[:, None], old])
    assert not after[1].any()
    head = model.head
    with pytest.raises(ModelError):
        model.resize_labels(["O", "Z:LOC"])  # no prefix of the scheme
    assert model.head is head
    assert len(model.labels) == 5
    model.resize_vocabulary(model.config.vocab_size + 1)
    logits = model(graft.Batch.from_sequences([[3, model.config.vocab_size - 1]])).logits
    assert logits.shape == (2, 5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "needs the names of its labels"), (["a", "a"], "Two labels have the name 'a'")],
)
def test_labels_that_make_no_sense(labels: list[str], message: str) -> None:
    model = make_classifier()
    with pytest.raises(ModelError, match=message):
        model.resize_labels(labels)
    assert len(model.labels) == 3


def test_labels_need_a_head() -> None:
    for model in (make_model(), make_model(task="fill-mask")):
        with pytest.raises(ModelError, match="has no head with labels"):
            model.resize_labels(["a", "b"])


def test_training_goes_on_where_it_was() -> None:
    model = make_classifier().train()
    model.head.pool.requires_grad_(False)
    model.resize_labels(["food", "music"])
    assert model.head.training
    assert not model.head.pool.weight.requires_grad
    assert model.head.classify.weight.requires_grad


def test_no_position_is_lost() -> None:
    model = make_model()
    with pytest.raises(ModelError, match="reads 64 tokens already; 64 is no more"):
        model.extend_positions(64)
    with pytest.raises(ModelError, match="how is 'zoom'"):
        model.extend_positions(65, "zoom")


def test_rotations_that_grow_from_the_limit_on_are_refused() -> None:
    scaling = {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 64}
    rotary = Rotary(scaling=tuple(sorted(scaling.items())))
    model = make_model(family="llama", positions="none", rotary=rotary)
    with pytest.raises(ModelError, match="grow with the text"):
        model.extend_positions(128)
    assert model.config.max_positions == 64


def test_another_token_of_padding_is_refused() -> None:
    model = make_model(special={"pad_token_id": 0})
    assert model.add_pad_token() == 0
    with pytest.raises(ModelError, match="Token 0 stands for padding already"):
        model.add_pad_token(3)
    with pytest.raises(ModelError, match="There is no token 999"):
        make_model().add_pad_token(999)


def test_a_word_of_a_field_starts_from_its_parts(tmp_path: Path) -> None:
    model = make_model(task="fill-mask")
    tokenizer = graft.Tokenizer.from_pretrained(save_model(tmp_path, model))
    letters = [VOCABULARY.index(piece) for piece in ("z", "##e", "##b", "##r", "##a")]
    expected = model.body.vocabulary[letters].mean(0)
    soup = model.body.vocabulary[VOCABULARY.index("soup")].detach().clone()
    assert graft.add_tokens(tokenizer, model, ["zebra", "soup", "\u4e16"]) == 2
    assert model.config.vocab_size == tokenizer.vocab_size == SIZE + 2
    new = tokenizer.token_to_id("zebra")
    torch.testing.assert_close(model.body.vocabulary[new], expected)
    assert torch.equal(model.body.vocabulary[VOCABULARY.index("soup")], soup)
    unknown = model.body.vocabulary[SPECIAL.index("[UNK]")]
    assert not torch.equal(model.body.vocabulary[tokenizer.token_to_id("\u4e16")], unknown)


def test_rows_to_spare_are_used_first(tmp_path: Path) -> None:
    model = make_model(vocab_size=SIZE + 8)
    tokenizer = graft.Tokenizer.from_pretrained(save_model(tmp_path, model))
    parts = [VOCABULARY.index("z"), VOCABULARY.index("##o")]
    expected = model.body.vocabulary[parts].mean(0)
    assert graft.add_tokens(tokenizer, model, ["zo"]) == 1
    assert model.config.vocab_size == SIZE + 8
    torch.testing.assert_close(model.body.vocabulary[tokenizer.token_to_id("zo")], expected)
