"""Architectures that Graft does not have, run by `transformers` behind its interface."""

import importlib.util
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import Answer, assert_close, build, run
from texts import make_texts

import graft
from graft.errors import ModelError
from graft.models.adapter import AdaptedModel
from graft.models.model import Output
from small import VOCABULARY, write_topics, write_vocabulary

NAMES = {0: "food", 1: "sport", 2: "weather"}
ROFORMER = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "id2label": NAMES,
}
NEOX = {**ROFORMER, "bos_token_id": 3, "eos_token_id": 3}
OPT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "word_embed_proj_dim": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 40,
    "max_position_embeddings": 64,
    "id2label": NAMES,
}
BLENDERBOT = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 64,
}
MODELS = [
    ("RoFormerModel", None, ROFORMER),
    ("RoFormerForSequenceClassification", "text-classification", ROFORMER),
    ("RoFormerForTokenClassification", "token-classification", ROFORMER),
    ("RoFormerForQuestionAnswering", "question-answering", ROFORMER),
    ("RoFormerForMaskedLM", "fill-mask", ROFORMER),
    ("GPTNeoXForCausalLM", "text-generation", NEOX),
    ("OPTForSequenceClassification", "text-classification", OPT),
    ("BlenderbotForConditionalGeneration", "text2text-generation", BLENDERBOT),
]


def saved(stem: str, settings: dict[str, Any], folder: Path) -> Any:
    kind = getattr(transformers, stem)
    oracle = build(kind, kind.config_class(**settings))
    oracle.save_pretrained(folder)
    return oracle


def assert_same_inside(found: Output, expected: Answer) -> None:
    """All hidden states and attention weights, of both stacks where there are two."""
    states = (*(found.encoder_hidden_states or ()), *found.hidden_states)
    for ours, theirs in zip(states, expected.hidden_states, strict=True):
        assert_close(ours, theirs, "hidden states")
    weights = (
        *(found.encoder_attentions or ()),
        *found.attentions,
        *(found.cross_attentions or ()),
    )
    for layer, theirs in zip(weights, expected.attentions, strict=True):
        for one, other in zip(layer, theirs, strict=True):
            assert_close(one, other, "attention weights")


@pytest.mark.parametrize(("stem", "task", "settings"), MODELS)
def test_it_answers_as_the_oracle(
    tmp_path: Path,
    stem: str,
    task: str | None,
    settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    oracle = saved(stem, settings, tmp_path / "theirs")
    with caplog.at_level(logging.WARNING, "graft"):
        model = graft.Model.from_pretrained(tmp_path / "theirs")
    (said,) = [each.getMessage() for each in caplog.records]
    assert f"is run by transformers: Graft does not have {oracle.config.model_type}." in said
    assert isinstance(model, AdaptedModel)
    assert model.task == task
    assert model.labels == (tuple(NAMES.values()) if "classification" in (task or "") else ())
    assert not model.report.made_anew
    pair = oracle.config.is_encoder_decoder
    texts = make_texts(decoder=[4, 6, 1, 12, 4, 3]) if pair else make_texts()
    expected = run(oracle, texts, task)
    found = model(texts.batch, hidden_states=True, attentions=True)
    assert_same_inside(found, expected)
    if task is not None:
        assert_close(found.logits, expected.logits, "logits")
        alone = torch.cat([model(each.batch).logits for each in texts.alone()])
        assert_close(model(texts.batch).logits, alone, "packed logits")
    model.save_pretrained(tmp_path / "ours")
    again, info = type(oracle).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for name, tensor in oracle.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert again.config.id2label == oracle.config.id2label


def test_without_a_token_of_padding_texts_are_read_one_by_one(tmp_path: Path) -> None:
    settings = {**NEOX, "pad_token_id": None}
    oracle = saved("GPTNeoXForSequenceClassification", settings, tmp_path)
    model, texts = graft.Model.from_pretrained(tmp_path), make_texts()
    expected = torch.cat([run(oracle, each, model.task).logits for each in texts.alone()])
    assert_close(model(texts.batch, hidden=True).logits, expected, "logits")
    found = model(texts.batch, hidden_states=True, attentions=True)
    inside = [run(oracle, each, model.task) for each in texts.alone()]
    states = [torch.cat(layer) for layer in zip(*(e.hidden_states for e in inside), strict=True)]
    layers = zip(*(each.attentions for each in inside), strict=True)
    weights = [[one for (one,) in layer] for layer in layers]
    assert_same_inside(found, replace(inside[0], hidden_states=states, attentions=weights))


def test_a_decoder_that_is_given_nothing_reads_the_text_too(tmp_path: Path) -> None:
    settings = {**BLENDERBOT, "decoder_start_token_id": 2}
    saved("BlenderbotForConditionalGeneration", settings, tmp_path)
    model, batch = graft.Model.from_pretrained(tmp_path), make_texts([5, 2]).batch
    told = replace(batch, decoder=batch.shifted(2))
    assert torch.equal(model(batch).logits, model(told).logits)


def test_another_head_on_the_same_body(tmp_path: Path) -> None:
    oracle = saved("RoFormerForSequenceClassification", ROFORMER, tmp_path)
    labels = ["praise", "complaint", "question"]  # as many as there were, and others
    model = graft.Model.from_pretrained(tmp_path, labels=labels)
    assert model.labels == tuple(labels)
    assert all(name.startswith("classifier.") for name in model.report.made_anew)
    texts = make_texts([9, 2])
    hidden = model(texts.batch, hidden=True).hidden
    assert_close(hidden, run(oracle, texts, model.task).hidden_states[-1], "hidden states")
    saved_head = oracle.classifier.out_proj.weight
    assert not torch.equal(model.network.classifier.out_proj.weight, saved_head)
    tagger = graft.Model.from_pretrained(tmp_path, task="token-classification", labels=["A", "B"])
    assert tagger(texts.batch).logits.shape == (11, 2)
    tagger.save_pretrained(tmp_path / "tagger")
    assert graft.Model.from_pretrained(tmp_path / "tagger").labels == ("A", "B")


def test_it_learns(tmp_path: Path) -> None:
    saved("RoFormerForSequenceClassification", ROFORMER, tmp_path)
    model = graft.Model.from_pretrained(tmp_path).train()
    groups = model.body.parts
    parts = {id(p) for group in groups for module in group for p in module.parameters()}
    assert parts == {id(p) for p in model.parameters()}
    assert len(groups) == 4  # embeddings, two blocks, head
    batch, targets = make_texts([5, 7, 3]).batch, torch.tensor([0, 2, 1])
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(model(batch).logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


def test_what_it_is_made_of(tmp_path: Path) -> None:
    saved("RoFormerForSequenceClassification", ROFORMER, tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    summary = model.summary()
    assert summary.parameters == sum(each.numel() for each in model.parameters())


def test_what_is_left_to_transformers(tmp_path: Path) -> None:
    saved("GPTNeoXForCausalLM", NEOX, tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"model\.network\.generate"):
        model.generate([[5, 6]])
    with pytest.raises(ModelError, match=r"model\.network\.resize_token_embeddings"):
        model.resize_vocabulary(200)
    with pytest.raises(ModelError, match="cannot be extended"):
        model.extend_positions(999)


def test_files_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    saved("RoFormerForSequenceClassification", ROFORMER, tmp_path)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "num_hidden_layers": 3}))
    with pytest.raises(ModelError, match=r"lacks .* tensors, such as .*layer\.2"):
        graft.Model.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="transformers cannot load"):
        graft.Model.from_pretrained(tmp_path)


def test_code_of_a_repository_is_never_run(tmp_path: Path) -> None:
    saved("RoFormerModel", ROFORMER, tmp_path)
    marker = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(marker)!r}, 'w')\nclass OwnConfig: ...\n")
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text())
    own = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    path.write_text(json.dumps({**settings, "auto_map": own}))
    graft.Model.from_pretrained(tmp_path)
    path.write_text(json.dumps({**settings, "auto_map": own, "model_type": "own"}))
    with pytest.raises(ModelError, match=r"of type 'own', .* Nor does transformers"):
        graft.Model.from_pretrained(tmp_path)
    assert not marker.exists()


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("RoFormerModel", ROFORMER, tmp_path)
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "transformers" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ModelError, match=r"It has: .*graft-nlp\[transformers\]"):
        graft.Model.from_pretrained(tmp_path)


def test_a_learner_fine_tunes_it(tmp_path: Path) -> None:
    saved("RoFormerModel", ROFORMER, tmp_path / "base")
    write_vocabulary(tmp_path / "base")
    data = write_topics(tmp_path / "topics", train=240)
    learn = graft.Learner(
        "text-classification", graft.load_dataset(data), base=tmp_path / "base", progress=False
    )
    assert isinstance(learn.model, AdaptedModel)
    learn.fit_one_cycle(4, 5e-3)
    found = learn.evaluate("test")["accuracy"]
    assert found > 0.5  # of three topics, as many texts of each
    learn.save(tmp_path / "trained")
    pipeline = graft.pipeline(tmp_path / "trained")
    assert pipeline.evaluate(graft.load_dataset(data, split="test"))["accuracy"] == found
