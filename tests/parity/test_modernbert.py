"""ModernBERT against the oracle: windows, rotations, biases, and every head."""

import json
from pathlib import Path
from typing import Any

import pytest
from half import assert_same_in_bf16
from oracle import (
    assert_answers_close,
    assert_same,
    build,
    run,
    run_ours,
)
from texts import make_texts
from transformers import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
)

import graft
from graft.errors import ModelError
from small import VOCABULARY

BIASES = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}
ROPE = {"rope_type": "default", "rope_theta": 500.0}
BODIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "three heads": {"hidden_size": 24, "num_attention_heads": 3},
    "biases": BIASES,
    "windows longer than the texts": {"local_attention": 128},
    "an odd window": {"local_attention": 5},
    "every second layer sees all": {"global_attn_every_n_layers": 2},
    "every layer sees all": {"global_attn_every_n_layers": 1},
    "no layer sees all": {"layer_types": ["sliding_attention"] * 4},
    "other rotations": {"rope_parameters": {"full_attention": ROPE, "sliding_attention": ROPE}},
    "stretched rotations": {
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10.0},
            "sliding_attention": ROPE,
        }
    },
    "gelu_pytorch_tanh": {"hidden_activation": "gelu_pytorch_tanh", "norm_eps": 1e-3},
}


def make_config(**changes: Any) -> ModernBertConfig:
    usual = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 20,
        "local_attention": 8,
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }
    return ModernBertConfig(**{**usual, **changes})


@pytest.mark.parametrize("shape", BODIES)
def test_body(tmp_path: Path, shape: str) -> None:
    assert_same(ModernBertModel, make_config(**BODIES[shape]), tmp_path)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (ModernBertForSequenceClassification, {"num_labels": 3}),
        (ModernBertForSequenceClassification, {"num_labels": 3, "classifier_pooling": "mean"}),
        (ModernBertForSequenceClassification, {"num_labels": 3, **BIASES}),
        (ModernBertForTokenClassification, {"num_labels": 5, "classifier_activation": "silu"}),
        (ModernBertForQuestionAnswering, {}),
        (ModernBertForQuestionAnswering, BIASES),
        (ModernBertForMaskedLM, {}),
        (ModernBertForMaskedLM, {**BIASES, "decoder_bias": False}),
        (ModernBertForMaskedLM, {"tie_word_embeddings": False}),
    ],
)
def test_heads(tmp_path: Path, kind: Any, changes: dict[str, Any]) -> None:
    assert_same(kind, make_config(**changes), tmp_path)


@pytest.mark.parametrize("window", [4, 32])
def test_long_texts(tmp_path: Path, window: int) -> None:
    """Longer than `max_position_embeddings`, which rotations do not end at, and many windows."""
    texts = make_texts([300, 3, 290, 300, 128])
    config = make_config(local_attention=window, num_hidden_layers=2)
    assert_same(ModernBertForTokenClassification, config, tmp_path, texts)


def test_files_of_before_settings_by_kind_of_layer(tmp_path: Path) -> None:
    """They say how often a layer sees all, and two bases."""
    rope = {kind: ROPE | {"rope_theta": 50.0} for kind in ("full_attention", "sliding_attention")}
    rope["full_attention"] = ROPE
    oracle = build(ModernBertModel, make_config(global_attn_every_n_layers=2, rope_parameters=rope))
    oracle.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    del raw["layer_types"], raw["rope_parameters"]
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 500.0, "local_rope_theta": 50.0}
    path.write_text(json.dumps(raw | old))
    texts = make_texts()
    model = graft.Model.from_pretrained(tmp_path)
    assert_answers_close(run_ours(model, texts, oracle.config), run(oracle, texts, None))


def test_in_bf16(tmp_path: Path) -> None:
    assert_same_in_bf16(ModernBertModel, make_config(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classifier_pooling": "max"}, "classifier_pooling 'max'"),
        ({"layer_types": ["full_attention"] * 3}, "layer_types must be 4 times"),
        ({"layer_types": ["chunked_attention"] * 4}, "layer_types must be 4 times"),
        ({"layer_types": 4}, "layer_types must be 4 times"),
        ({"rope_parameters": {"full_attention": 3}}, "rope_parameters of full_attention are 3"),
        ({"hidden_activation": "mish"}, "hidden_activation 'mish'"),
        ({"local_attention": 0}, "local_attention is 0"),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    raw = make_config().to_dict() | {"architectures": ["ModernBertModel"]} | changes
    (tmp_path / "config.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=named):
        graft.Model.from_pretrained(tmp_path)
