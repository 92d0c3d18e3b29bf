"""Decoders load from what older files say, and their losses are the oracle's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_close, build
from safetensors.torch import load_file, save_file
from texts import padded
from torch import Tensor

import graft
from graft.models.losses import IGNORED, language_model_loss, next_tokens
from small import VOCABULARY, random_ids

SMALL: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
    "sliding_window": 5,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
}
LENGTHS = [9, 1, 2, 9, 30]


def rewrite(folder: Path, without: tuple[str, ...] = (), **changes: Any) -> None:
    """Another `config.json`: less these settings, and with these."""
    path = folder / "config.json"
    raw = {k: v for k, v in json.loads(path.read_text()).items() if k not in without}
    path.write_text(json.dumps({**raw, **changes}))


@torch.inference_mode()
def assert_hidden_equal(folder: Path, kind: Any) -> graft.Model:
    oracle = kind.from_pretrained(folder, attn_implementation="eager").eval()
    sequences = random_ids(LENGTHS)
    ids, mask = padded(sequences)
    expected = oracle(ids, attention_mask=mask).last_hidden_state[mask.bool()]
    model = graft.Model.from_pretrained(folder)
    assert_close(model(graft.Batch.from_sequences(sequences)).hidden, expected, "hidden")
    return model


def test_gemma3_of_before_rope_parameters(tmp_path: Path) -> None:
    config = transformers.Gemma3TextConfig(**SMALL)
    build(transformers.Gemma3TextModel, config).save_pretrained(tmp_path)
    rewrite(
        tmp_path,
        ("rope_parameters", "layer_types"),
        rope_theta=700.0,
        rope_local_base_freq=30.0,
        rope_scaling={"rope_type": "linear", "factor": 8.0},
        sliding_window_pattern=2,
    )
    model = assert_hidden_equal(tmp_path, transformers.Gemma3TextModel)
    assert model.config.windows == (4, None, 4)
    model.save_pretrained(tmp_path / "again")
    again = assert_hidden_equal(tmp_path / "again", transformers.Gemma3TextModel)
    assert (again.config.rotary, again.config.local_rotary) == (
        model.config.rotary,
        model.config.local_rotary,
    )


def test_what_files_leave_out(tmp_path: Path) -> None:
    """Defaults of the family, such as windows of a size, or bases of rotations."""
    for kind, config_kind, left_out in (
        (transformers.Gemma2Model, transformers.Gemma2Config, ("layer_types", "sliding_window")),
        (transformers.SmolLM3Model, transformers.SmolLM3Config, ("layer_types", "no_rope_layers")),
        (transformers.Qwen2Model, transformers.Qwen2Config, ("layer_types", "sliding_window")),
        (transformers.MistralModel, transformers.MistralConfig, ("sliding_window", "head_dim")),
    ):
        folder = tmp_path / kind.__name__
        build(kind, config_kind(**SMALL)).save_pretrained(folder)
        rewrite(folder, (*left_out, "rope_parameters", "rms_norm_eps", "tie_word_embeddings"))
        assert_hidden_equal(folder, kind)


def test_gpt2_as_it_was_first_published(tmp_path: Path) -> None:
    """No prefix, masks among the weights, and the tied head under a name of its own."""
    oracle = build(transformers.GPT2LMHeadModel, transformers.GPT2Config(**GPT2))
    oracle.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in load_file(path).items()}
    tensors |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 64, 64) for layer in range(2)}
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    save_file(tensors, path, metadata={"format": "pt"})
    model = graft.Model.from_pretrained(tmp_path)
    assert model.report is not None
    assert (model.report.made_anew, model.report.left_over) == ((), ())
    ids = random_ids([30])
    expected = oracle(torch.tensor(ids)).logits[0]
    assert_close(model(graft.Batch.from_sequences(ids)).logits, expected, "logits")


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_an_embedding_kept_as_the_tied_head(tmp_path: Path, name: str) -> None:
    """Some tools write one of two equal tensors, and not the one that others look for."""
    kind = transformers.LlamaForCausalLM if name == "Llama" else transformers.GPT2LMHeadModel
    shape = {**(SMALL if name == "Llama" else GPT2), "tie_word_embeddings": True}
    config = kind.config_class(**shape)
    build(kind, config).save_pretrained(tmp_path)
    expected = graft.Model.from_pretrained(tmp_path).state_dict()
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    embedding = next(
        name for name in tensors if name.endswith(("embed_tokens.weight", "wte.weight"))
    )
    tensors["lm_head.weight"] = tensors.pop(embedding)
    save_file(tensors, path, metadata={"format": "pt"})
    found = graft.Model.from_pretrained(tmp_path).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


DROPOUTS = {"resid_pdrop": 0.2, "embd_pdrop": 0.3, "attn_pdrop": 0.4}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("LlamaForTokenClassification", {}, {"head": 0.1}),
        ("LlamaForTokenClassification", {"classifier_dropout": 0.3}, {"head": 0.3}),
        ("Gemma2ForTokenClassification", {"hidden_dropout": 0.2}, {"head": 0.2}),
        ("LlamaForSequenceClassification", {"classifier_dropout": 0.3}, {"head": 0.0}),
        ("LlamaForQuestionAnswering", {}, {"head": 0.0}),
        ("Qwen2ForCausalLM", {"attention_dropout": 0.2}, {"attention": 0.2, "stream": 0.0}),
        ("GPT2ForTokenClassification", {}, {"head": 0.1}),
        (
            "GPT2ForSequenceClassification",
            DROPOUTS,
            {"head": 0.0, "stream": 0.2, "embeddings": 0.3, "attention": 0.4},
        ),
    ],
)
def test_dropout(
    tmp_path: Path, name: str, settings: dict[str, Any], expected: dict[str, float]
) -> None:
    """As much is dropped as the oracle drops, and what a file says of it is kept."""
    kind = getattr(transformers, name)
    shape = {**GPT2, "n_layer": 1} if "GPT2" in name else {**SMALL, "num_hidden_layers": 1}
    build(kind, kind.config_class(**shape, **settings)).save_pretrained(tmp_path / "a")
    model = graft.Model.from_pretrained(tmp_path / "a")
    block: Any = model.body.block(0)
    found = {
        "head": getattr(getattr(model.head, "dropout", None), "share", None),
        "stream": block.feed_forward_dropout.share,
        "embeddings": model.body.embeddings.dropout.share,
        "attention": block.attention.dropout,
    }
    assert {part: found[part] for part in expected} == expected
    model.save_pretrained(tmp_path / "b")
    again = json.loads((tmp_path / "b" / "config.json").read_text())
    assert {setting: again[setting] for setting in settings} == settings


def oracle_loss(logits: Tensor, labels: list[list[int]]) -> Tensor:
    """Of packed logits, padded for the oracle."""
    lengths = [len(row) for row in labels]
    rows = torch.nn.utils.rnn.pad_sequence(list(logits.split(lengths)), batch_first=True)
    loss = transformers.loss.loss_utils.ForCausalLMLoss
    result: Tensor = loss(rows, padded(labels, IGNORED)[0], logits.shape[1])
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_language_model_loss(dtype: torch.dtype) -> None:
    sequences = random_ids(LENGTHS)
    batch = graft.Batch.from_sequences(sequences)
    source = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(batch.tokens, len(VOCABULARY), generator=source)
    ours, theirs = (logits.to(dtype).requires_grad_() for _ in range(2))
    found, expected = language_model_loss(ours, batch), oracle_loss(theirs, sequences)
    assert_close(found, expected, "loss")
    found.backward()
    expected.backward()
    assert_close(ours.grad, theirs.grad, "gradient")


def test_language_model_loss_of_answers_alone() -> None:
    """What is only read has no loss, and nor has the first token of the next sequence."""
    sequences = random_ids(LENGTHS)
    labels = [
        [IGNORED if i < len(row) // 2 else row[i] for i in range(len(row))] for row in sequences
    ]
    batch = graft.Batch.from_sequences(sequences)
    flat = torch.tensor([label for row in labels for label in row])
    logits = torch.randn(batch.tokens, len(VOCABULARY), generator=torch.Generator().manual_seed(0))
    assert_close(language_model_loss(logits, batch, flat), oracle_loss(logits, labels), "loss")
    before = flat.clone()
    assert next_tokens(batch, flat)[batch.starts[1:] - 1].eq(IGNORED).all()
    assert torch.equal(flat, before)


def test_language_model_loss_of_single_tokens_is_zero() -> None:
    logits = torch.randn(2, 5, requires_grad=True)
    loss = language_model_loss(logits, graft.Batch.from_sequences([[1], [2]]))
    assert loss == 0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
