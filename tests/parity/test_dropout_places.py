"""In training, shares are dropped where the oracle drops them, of what the settings say.

Which elements go is chance; here instead all are scaled by the share that stays, on both sides, so
that each place and each share shows in the answers.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_answers_close, assert_close, build, run, run_ours
from texts import Texts, make_texts
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
DEBERTA = {
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.2,
    "pooler_dropout": 0.3,
    "cls_dropout": 0.4,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
}
MODERNBERT = {
    "embedding_dropout": 0.1,
    "attention_dropout": 0.2,
    "mlp_dropout": 0.3,
    "classifier_dropout": 0.4,
    "local_attention": 6,
    **dict.fromkeys(("bos_token_id", "cls_token_id"), 1),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), 2),
}
ENCODERS: dict[str, dict[str, Any]] = {
    "Albert": ALBERT,
    "Bert": BERT,
    "DebertaV2": DEBERTA,
    "DistilBert": DISTILBERT,
    "Electra": BERT | {"embedding_size": 12},
    "ModernBert": MODERNBERT,
    "MPNet": BERT,
    "Roberta": BERT,
}
HEADS: dict[str, dict[str, Any]] = {
    "ForSequenceClassification": {"num_labels": 3},
    "ForTokenClassification": {"num_labels": 3},
    "ForQuestionAnswering": {},
    "ForMaskedLM": {},
}
GPT2 = {"embd_pdrop": 0.1, "resid_pdrop": 0.2, "attn_pdrop": 0.3, "classifier_dropout": 0.4}
OTHERS: dict[str, dict[str, Any]] = {
    "GPT2LMHeadModel": GPT2,
    "GPT2ForSequenceClassification": GPT2 | {"num_labels": 3},
    "GPT2ForTokenClassification": GPT2 | {"num_labels": 3},
    "LlamaForCausalLM": {"attention_dropout": 0.2},
    "T5EncoderModel": {"dropout_rate": 0.1, "d_kv": 8},
    "T5ForTokenClassification": {"dropout_rate": 0.1, "classifier_dropout": 0.3, "num_labels": 3},
}
WRITING = {
    "dropout": 0.1,
    "attention_dropout": 0.2,
    "activation_dropout": 0.3,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "decoder_start_token_id": 2,
}
PAIRS: dict[str, dict[str, Any]] = {
    "BartForConditionalGeneration": WRITING,
    "MarianMTModel": WRITING,
    "PegasusForConditionalGeneration": WRITING,
    "T5ForConditionalGeneration": {"dropout_rate": 0.1, "decoder_start_token_id": 0},
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
@pytest.mark.parametrize("family", ENCODERS)
def test_encoders(tmp_path: Path, family: str, head: str) -> None:
    name, settings = family + head, ENCODERS[family] | HEADS[head]
    model, logits = check(tmp_path, name, settings, make_texts())
    fast = model(make_texts().batch).logits  # of first tokens alone, where these are enough
    assert_close(fast, logits, "logits of first tokens")


@pytest.mark.parametrize("name", OTHERS)
def test_others(tmp_path: Path, name: str) -> None:
    check(tmp_path, name, OTHERS[name], make_texts())


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(tmp_path: Path, name: str) -> None:
    check(tmp_path, name, PAIRS[name], make_texts(decoder=[5, 7, 2, 3, 9, 1]))


def check(
    folder: Path, name: str, settings: dict[str, Any], texts: Texts
) -> tuple[graft.Model, Tensor | None]:
    """Compares a training model's answers with the oracle's; gives ours and the logits."""
    kind = getattr(transformers, name)
    config = kind.config_class(**SIZES | settings)
    oracle = build(kind, config).train()
    oracle.save_pretrained(folder)
    model = graft.Model.from_pretrained(folder).train()
    expected = run(oracle, texts, model.task)
    assert_answers_close(run_ours(model, texts, config), expected, attentions=False)
    still = run(oracle.eval(), texts, model.task)
    assert (still.loss - expected.loss).abs() > 1e-4  # that something was dropped shows
    return model, expected.logits
