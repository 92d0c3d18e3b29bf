"""ModernBERT against the oracle: windows, rotations, biases, and every head."""

from pathlib import Path
from typing import Any

import pytest
from oracle import assert_same
from transformers import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
)

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
