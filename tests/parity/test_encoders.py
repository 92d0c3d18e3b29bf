"""BERT and the encoders after it: every head and shape, with losses, gradients and files."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import assert_same, build
from texts import make_texts

import graft
from graft.errors import ModelError
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
STEMS: dict[str, tuple[str, dict[str, Any]]] = {
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
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("bert", {"num_attention_heads": 1, "hidden_act": "relu"}),
    ("bert", {"num_hidden_layers": 1, "hidden_act": "gelu_new", "layer_norm_eps": 1e-3}),
    ("bert", {"type_vocab_size": 3, "hidden_act": "silu", "intermediate_size": 17}),
    ("roberta", {"pad_token_id": 0}),
    ("roberta", {"pad_token_id": 4, "hidden_act": "relu", "type_vocab_size": 2}),
    ("xlm-roberta", {"layer_norm_eps": 1e-3, "hidden_act": "gelu_pytorch_tanh"}),
    ("distilbert", {"sinusoidal_pos_embds": True, "activation": "relu"}),
    ("distilbert", {"n_heads": 4, "n_layers": 3, "activation": "gelu_new"}),
    ("electra", {"embedding_size": 24}),
    ("electra", {"embedding_size": 30, "hidden_act": "relu"}),
    ("albert", {"embedding_size": 24, "hidden_act": "gelu"}),
    ("albert", {"num_hidden_layers": 5, "num_hidden_groups": 2}),
    ("albert", {"num_hidden_layers": 3, "num_hidden_groups": 3}),
    ("albert", {"num_hidden_layers": 3, "num_hidden_groups": 2, "inner_group_num": 2}),
    ("mpnet", {"num_attention_heads": 4, "hidden_act": "relu"}),
    ("mpnet", {"pad_token_id": 4, "layer_norm_eps": 1e-3}),
]
QUESTIONS: dict[str, dict[str, Any]] = {
    "several": {"num_labels": 3, "problem_type": "multi_label_classification"},
    "a quantity": {"num_labels": 1, "problem_type": "regression"},
    "quantities": {"num_labels": 3, "problem_type": "regression"},
}


def config_of(family: str, head: str, **changes: Any) -> tuple[Any, Any]:
    """A class of the oracle, and a configuration of it."""
    stem, own = STEMS[family]
    kind = getattr(transformers, stem + head)
    return kind, kind.config_class(**{**SIZES, **own, **HEADS.get(head, {}), **changes})


def check(
    folder: Path, family: str, head: str, *missing: str, lengths: Any = None, **changes: Any
) -> graft.Model:
    kind, config = config_of(family, head, **changes)
    segments = getattr(config, "type_vocab_size", 0)
    texts = make_texts(**({"lengths": lengths} if lengths else {}), segments=segments)
    return assert_same(kind, config, folder, texts, missing=("pooler.", *missing))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", STEMS)
def test_every_head(tmp_path: Path, family: str, head: str) -> None:
    check(tmp_path, family, head)


@pytest.mark.parametrize(("family", "changes"), SHAPES, ids=str)
def test_every_shape(tmp_path: Path, family: str, changes: dict[str, Any]) -> None:
    check(tmp_path, family, "ForMaskedLM", **changes)


def test_distances_from_near_to_far(tmp_path: Path) -> None:
    """Beyond 8 tokens distances share a bucket, beyond 128 all do."""
    check(tmp_path, "mpnet", "Model", max_position_embeddings=200, lengths=[198, 5, 140])


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize("family", ["albert", "bert", "distilbert", "roberta"])
def test_what_is_asked(tmp_path: Path, family: str, kind: str) -> None:
    model = check(tmp_path, family, "ForSequenceClassification", **QUESTIONS[kind])
    assert model.config.several_labels == (kind == "several")
    assert model.config.measures == (kind != "several")


UNUSED_BIAS = {
    "albert": "predictions.bias",
    "bert": "cls.predictions.bias",
    "distilbert": "vocab_projector.bias",
    "electra": "generator_lm_head.bias",
    "mpnet": "lm_head.bias",
    "roberta": "lm_head.bias",
}
"""Where untied models of the oracle have a bias that they do not use."""


@pytest.mark.parametrize("family", UNUSED_BIAS)
def test_untied(tmp_path: Path, family: str) -> None:
    unused = UNUSED_BIAS[family]
    model = check(tmp_path, family, "ForMaskedLM", unused, tie_word_embeddings=False)
    weight, embedding = model.get_parameter("head.weight"), model.body.vocabulary
    assert not torch.equal(weight, embedding)
    kind = getattr(transformers, f"{STEMS[family][0]}ForMaskedLM")
    _, report = kind.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not report["missing_keys"]


@pytest.mark.parametrize("changes", [{}, {"hidden_act": "relu", "embedding_size": 24}])
def test_the_head_that_finds_replaced_tokens(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = check(tmp_path, "electra", "ForPreTraining", **changes)
    assert model.task == "replaced-token-detection"


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_what_pretraining_left(tmp_path: Path, family: str) -> None:
    """The classes that these are trained with first have heads of their own."""
    kind, config = config_of(family, "ForPreTraining")
    oracle = build(kind, config)
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    assert model.task is None
    assert model.report is not None
    assert model.report.left_over
    sequence = list(range(5, 15))
    body = getattr(oracle, oracle.base_model_prefix)
    with torch.inference_mode():
        found = model(graft.Batch.from_sequences([sequence])).hidden
        expected = body(torch.tensor([sequence])).last_hidden_state[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_masked_words_after_pretraining(tmp_path: Path, family: str) -> None:
    kind, config = config_of(family, "ForPreTraining")
    oracle = build(kind, config)
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path, task="fill-mask")
    assert model.report is not None
    assert not model.report.made_anew
    sequence = list(range(5, 15))
    with torch.inference_mode():
        found = model(graft.Batch.from_sequences([sequence])).logits
        expected = oracle(torch.tensor([sequence])).prediction_logits[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("family", "limit"), [("roberta", 38), ("mpnet", 38), ("bert", 40)])
def test_the_longest_text(tmp_path: Path, family: str, limit: int) -> None:
    """Positions that start later leave room for fewer."""
    model = check(tmp_path, family, "Model", lengths=[limit, 2])
    with pytest.raises(ModelError, match=f"{limit + 1} tokens, but this model reads up to {limit}"):
        model(graft.Batch.from_sequences([[5] * (limit + 1)]))


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("bert", {"is_decoder": True}, "is_decoder True of bert is not supported"),
        (
            "roberta",
            {"position_embedding_type": "relative_key"},
            "position_embedding_type 'relative_key' of roberta",
        ),
        ("roberta", {"max_position_embeddings": 2}, "max_position_embeddings 2 leaves no room"),
        (
            "mpnet",
            {"relative_attention_num_buckets": 64},
            "relative_attention_num_buckets 64 of mpnet is not supported",
        ),
        ("distilbert", {"dim": 25}, "dim 25 is not a multiple of n_heads 3"),
        ("electra", {"embedding_size": 0}, "embedding_size is 0"),
        ("albert", {"inner_group_num": 0}, "inner_group_num is 0"),
        ("albert", {"hidden_act": "selu"}, "hidden_act 'selu' is not one of"),
    ],
    ids=str,
)
def test_what_is_refused(family: str, changes: dict[str, Any], message: str) -> None:
    raw = config_of(family, "Model")[1].to_dict() | changes
    with pytest.raises(ModelError, match=message):
        graft.models.families.FAMILIES[family].read_config(raw)


@pytest.mark.parametrize("family", STEMS)
def test_settings_left_out_are_the_oracles(family: str) -> None:
    """Old files leave out what was usual; both sides then mean the same."""
    kind = getattr(transformers, f"{STEMS[family][0]}Model")
    ours = graft.models.families.FAMILIES[family]
    written = ours.write_config(ours.read_config({"model_type": family}))
    expected = kind.config_class().to_dict()
    given = {name: value for name, value in written.items() if name in expected}
    assert given == {name: expected[name] for name in given}
    assert {"vocab_size", "max_position_embeddings", "initializer_range"} <= set(given)
