"""In training, shares are dropped where the oracle drops them, of what the settings say.

Which elements go is chance; here instead all are scaled by the share that stays, on both sides, so
that each place and each share shows in the answers.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_answers_close, build, run, run_ours
from texts import make_texts
from torch import Tensor

import graft
from small import VOCABULARY

SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "initializer_range": 0.1,
    "pad_token_id": 0,
}
BERT = {
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.2,
    "classifier_dropout": 0.3,
}
DISTILBERT = {
    "hidden_dim": 40,
    "dropout": 0.1,
    "attention_dropout": 0.2,
    "seq_classif_dropout": 0.3,
    "qa_dropout": 0.4,
}
ALBERT = {
    "embedding_size": 12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.2,
    "classifier_dropout_prob": 0.3,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Albert": ALBERT,
    "Bert": BERT,
    "DistilBert": DISTILBERT,
    "Electra": BERT | {"embedding_size": 12},
    "MPNet": BERT,
    "Roberta": BERT,
}
HEADS: dict[str, dict[str, Any]] = {
    "ForSequenceClassification": {"num_labels": 3},
    "ForTokenClassification": {"num_labels": 3},
    "ForQuestionAnswering": {},
    "ForMaskedLM": {},
}


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropout(
        states: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        return states * (1 - p) if training else states

    def keep_factors(shape: torch.Size, share: float, dtype: torch.dtype) -> Tensor:
        return torch.full(shape, 1 - share, dtype=dtype)

    monkeypatch.setattr("torch.nn.functional.dropout", dropout)
    monkeypatch.setattr("graft.models.dropout.keep_factors", keep_factors)
    monkeypatch.setattr("graft.models.rectangle.keep_factors", keep_factors)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_head(tmp_path: Path, family: str, head: str) -> None:
    kind = getattr(transformers, family + head)
    config = kind.config_class(**{**SIZES, **FAMILIES[family], **HEADS[head]})
    oracle = build(kind, config).train()
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path).train()
    texts = make_texts()
    found, expected = run_ours(model, texts, config), run(oracle, texts, model.task)
    assert_answers_close(found, expected, attentions=False)
    fast = model(texts.batch).logits  # of first tokens alone, where these are enough
    torch.testing.assert_close(fast, expected.logits, atol=1e-4, rtol=0)
