"""Decoders compute what the oracle's do, in all shapes that their configurations describe."""

from pathlib import Path
from typing import Any

import pytest
import transformers
from oracle import assert_same

from small import VOCABULARY

USUAL: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
USUAL_GPT2: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "initializer_range": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ALTERNATING = ["full_attention", "sliding_attention", "sliding_attention"]

GPT2 = [
    {},
    {"n_embd": 24, "n_head": 3, "n_inner": 17, "layer_norm_epsilon": 1e-2},
    {"activation_function": "relu", "tie_word_embeddings": False},
    {"scale_attn_weights": False, "activation_function": "gelu"},
    {"scale_attn_by_inverse_layer_idx": True, "n_layer": 3, "reorder_and_upcast_attn": True},
]
LLAMA = [
    {},
    {"num_key_value_heads": None, "tie_word_embeddings": True, "rms_norm_eps": 1e-2},
    {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10, "hidden_size": 24},
    {"attention_bias": True, "hidden_act": "gelu_pytorch_tanh"},
    {"pad_token_id": 7},  # which occurs in the texts
    {"mlp_bias": True, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
]
MISTRAL = [
    {"sliding_window": 5},
    {"sliding_window": 1, "head_dim": 6},
    {"sliding_window": None, "num_key_value_heads": 1},
    {"sliding_window": 500, "num_key_value_heads": 4, "tie_word_embeddings": True},
]
QWEN2 = [
    {},
    {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    {
        "use_sliding_window": True,
        "sliding_window": 3,
        "num_hidden_layers": 3,
        "layer_types": ALTERNATING,
        "tie_word_embeddings": True,
    },
    {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 5},
]
QWEN3 = [
    {"head_dim": 8},
    {"head_dim": 6, "attention_bias": True, "tie_word_embeddings": True},
    {"head_dim": 12, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
]
GEMMA = [
    {"head_dim": 8},
    {"head_dim": 6, "attention_bias": True, "num_key_value_heads": 4, "hidden_act": "gelu"},
    {"head_dim": 8, "tie_word_embeddings": False, "pad_token_id": None},
]
GEMMA2 = [
    {"head_dim": 8, "sliding_window": 5, "attn_logit_softcapping": 2.0},
    {"head_dim": 6, "sliding_window": 4, "query_pre_attn_scalar": 3, "attention_bias": True},
    {
        "head_dim": 8,
        "num_hidden_layers": 3,
        "layer_types": ALTERNATING,
        "sliding_window": 7,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "num_key_value_heads": 1,
    },
    {"head_dim": 8, "layer_types": ["full_attention"] * 2, "sliding_window": 9},
]
GEMMA3 = [
    {"head_dim": 8, "sliding_window": 5, "num_hidden_layers": 7},
    {"head_dim": 8, "sliding_window": 4, "sliding_window_pattern": 2, "attention_bias": True},
    {
        "head_dim": 6,
        "num_hidden_layers": 3,
        "layer_types": ALTERNATING,
        "sliding_window": 7,
        "query_pre_attn_scalar": 5,
        "final_logit_softcapping": 3.0,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        },
    },
    {"head_dim": 8, "sliding_window": 8, "use_bidirectional_attention": True},
]
SMOLLM3 = [
    {"num_hidden_layers": 4},
    {"no_rope_layers": [0, 1], "attention_bias": True, "mlp_bias": True},
    {
        "num_hidden_layers": 3,
        "no_rope_layer_interval": 2,
        "use_sliding_window": True,
        "sliding_window": 6,
        "tie_word_embeddings": False,
    },
]

TASKS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")


def cases() -> list[Any]:
    """Every family in every shape, and one shape of each with every head it has."""
    shapes = {
        "GPT2": GPT2,
        "Llama": LLAMA,
        "Mistral": MISTRAL,
        "Qwen2": QWEN2,
        "Qwen3": QWEN3,
        "Gemma": GEMMA,
        "Gemma2": GEMMA2,
        "Gemma3": GEMMA3,
        "SmolLM3": SMOLLM3,
    }
    found = []
    for family, changes in shapes.items():
        usual = USUAL_GPT2 if family == "GPT2" else USUAL
        causal = "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
        for number, change in enumerate(changes):
            found.append(pytest.param(causal, {**usual, **change}, id=f"{family}-{number}"))
        base = "Gemma3Text" if family == "Gemma3" else family
        heads = [base + task for task in TASKS if hasattr(transformers, base + task)]
        found += [pytest.param(head, {**usual, **changes[0]}, id=head) for head in heads]
    return found


@pytest.mark.parametrize(("name", "shape"), cases())
def test_decoders(tmp_path: Path, name: str, shape: dict[str, Any]) -> None:
    kind = getattr(transformers, name)
    config_class = transformers.Gemma3TextConfig if "Gemma3" in name else kind.config_class
    labels = {"num_labels": 3} if name.endswith("Classification") else {}
    assert_same(kind, config_class(**shape, **labels), tmp_path)
