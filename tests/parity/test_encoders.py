"""BERT and the encoders after it: every head, with losses, gradients and files."""

from pathlib import Path
from typing import Any

import pytest
import transformers
from oracle import assert_same, make_texts

from small import VOCABULARY

SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "initializer_range": 0.1,
}
STEMS = {
    "albert": ("Albert", {"embedding_size": 12}),
    "bert": ("Bert", {}),
    "camembert": ("Camembert", {}),
    "distilbert": ("DistilBert", {"hidden_dim": 40}),
    "electra": ("Electra", {"embedding_size": 12}),
    "mpnet": ("MPNet", {}),
    "roberta": ("Roberta", {"type_vocab_size": 1}),
    "xlm-roberta": ("XLMRoberta", {}),
}
"""How the oracle calls its classes of a family, and what the family adds to the sizes."""

HEADS: dict[str, dict[str, Any]] = {
    "Model": {},
    "ForSequenceClassification": {"num_labels": 5},
    "ForTokenClassification": {"num_labels": 5},
    "ForQuestionAnswering": {},
    "ForMaskedLM": {},
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", STEMS)
def test_every_head(tmp_path: Path, family: str, head: str) -> None:
    check(tmp_path, family, head)


def check(folder: Path, family: str, head: str, **changes: Any) -> None:
    stem, own = STEMS[family]
    kind = getattr(transformers, stem + head)
    config = kind.config_class(**{**SIZES, **own, **HEADS[head], **changes})
    texts = make_texts(segments=getattr(config, "type_vocab_size", 0))
    assert_same(kind, config, folder, texts, missing=("pooler.",))
