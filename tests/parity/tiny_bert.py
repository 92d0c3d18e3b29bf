"""A small random BERT of the oracle."""

from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from small import VOCABULARY

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "three heads": {"num_attention_heads": 3, "hidden_size": 24},
    "one head": {"num_attention_heads": 1},
    "one segment": {"type_vocab_size": 1},
    "three segments": {"type_vocab_size": 3},
    "gelu_new": {"hidden_act": "gelu_new"},
    "gelu_pytorch_tanh": {"hidden_act": "gelu_pytorch_tanh"},
    "relu": {"hidden_act": "relu"},
    "silu": {"hidden_act": "silu"},
    "coarse norm": {"layer_norm_eps": 1e-3},
    "one layer": {"num_hidden_layers": 1, "intermediate_size": 17},
    "long": {"max_position_embeddings": 512},
}
"""What differs from the usual shape, by name."""


def make_oracle(**changes: Any) -> Any:
    """A model of the oracle: a classifier where labels or their number are given, else a body."""
    usual = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
    }
    config = BertConfig(vocab_size=len(VOCABULARY), **{**usual, **changes})
    kind = BertForSequenceClassification if {"num_labels", "id2label"} & set(changes) else BertModel
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(config).eval()
