"""BERT and the encoders after it: every head, with losses, gradients and files."""

from pathlib import Path
from typing import Any

import pytest
import transformers
from oracle import assert_same, make_texts

from small import VOCABULARY

SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
    "pad_token_id": 0,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertModel", {}),
    "bert classifier": ("BertForSequenceClassification", {"num_labels": 5}),
    "bert tokens": ("BertForTokenClassification", {"num_labels": 5}),
    "bert spans": ("BertForQuestionAnswering", {}),
    "bert masked": ("BertForMaskedLM", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as_the_oracle(tmp_path: Path, case: str) -> None:
    name, changes = CASES[case]
    kind = getattr(transformers, name)
    texts = make_texts(segments=2)
    assert_same(kind, kind.config_class(**SIZES, **changes), tmp_path, texts, missing=("pooler.",))
