"""DeBERTa-v2 and v3 against the oracle: every way to attend to positions, and every head."""

import json
from pathlib import Path
from typing import Any

import pytest
from half import assert_same_in_bf16
from oracle import assert_same, build
from texts import make_texts
from transformers import (
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)

import graft
from graft.errors import ModelError
from small import VOCABULARY

V3: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
}
BODIES: dict[str, dict[str, Any]] = {
    "v3": V3,
    "v3 with text beyond the last bucket": {**V3, "max_relative_positions": 20},
    "odd buckets": {**V3, "position_buckets": 9},
    "three heads": {**V3, "hidden_size": 24, "num_attention_heads": 3},
    "one distance each": {**V3, "position_buckets": -1},
    "distances beyond the last one": {**V3, "position_buckets": -1, "max_relative_positions": 12},
    "weights of its own for positions": {**V3, "share_att_key": False},
    "content to position": {**V3, "pos_att_type": ["c2p"]},
    "position to content": {**V3, "pos_att_type": ["p2c"], "share_att_key": False},
    "neither": {**V3, "pos_att_type": []},
    "no norm of positions": {**V3, "norm_rel_ebd": "none"},
    "no relative attention": {"pos_att_type": []},
    "no relative attention, but its scale": {"pos_att_type": ["p2c", "c2p"]},
    "positions in the embeddings too": {**V3, "position_biased_input": True},
    "segments": {**V3, "type_vocab_size": 2},
    "narrow embeddings": {**V3, "embedding_size": 12, "type_vocab_size": 2},
    "convolution": {**V3, "conv_kernel_size": 3, "conv_act": "gelu"},
    "wide convolution in groups": {**V3, "conv_kernel_size": 5, "conv_groups": 4},
    "one layer, with a convolution": {**V3, "num_hidden_layers": 1, "conv_kernel_size": 3},
    "relu": {**V3, "hidden_act": "relu", "layer_norm_eps": 1e-3},
}


def make_config(**changes: Any) -> DebertaV2Config:
    usual = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
    }
    return DebertaV2Config(**{**usual, **changes})


@pytest.mark.parametrize("shape", BODIES)
def test_body(tmp_path: Path, shape: str) -> None:
    config = make_config(**BODIES[shape])
    texts = make_texts(segments=config.type_vocab_size)
    assert_same(DebertaV2Model, config, tmp_path, texts)


@pytest.mark.parametrize("span", [{"position_buckets": 32}, {"position_buckets": -1}])
def test_long_texts(tmp_path: Path, span: dict[str, int]) -> None:
    """Longer than what is looked at in one go, and beyond `max_position_embeddings` too."""
    config = make_config(**V3 | span | {"max_position_embeddings": 200, "num_hidden_layers": 1})
    texts = make_texts([270, 3, 129, 270, 128])
    assert_same(DebertaV2ForTokenClassification, config, tmp_path, texts)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (DebertaV2ForSequenceClassification, {"num_labels": 3}),
        (DebertaV2ForSequenceClassification, {"num_labels": 2, "pooler_hidden_act": "tanh"}),
        (
            DebertaV2ForSequenceClassification,
            {"num_labels": 4, "num_hidden_layers": 1, "conv_kernel_size": 3},
        ),
        (DebertaV2ForTokenClassification, {"num_labels": 5}),
        (DebertaV2ForQuestionAnswering, {}),
        (DebertaV2ForMaskedLM, {}),
        (DebertaV2ForMaskedLM, {"legacy": False}),
        (DebertaV2ForMaskedLM, {"embedding_size": 12}),
    ],
)
def test_heads(tmp_path: Path, kind: Any, changes: dict[str, Any]) -> None:
    assert_same(kind, make_config(**V3, **changes), tmp_path)


def test_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    """The oracle then keeps a second bias, and does not read it."""
    config = make_config(**V3, tie_word_embeddings=False)
    assert_same(DebertaV2ForMaskedLM, config, tmp_path, missing=["cls.predictions.bias"])


@pytest.mark.parametrize("legacy", [True, False])
def test_either_name_of_the_head_for_masked_tokens(tmp_path: Path, legacy: bool) -> None:
    """Published files name the head one way, and their configuration often the other."""
    oracle = build(DebertaV2ForMaskedLM, make_config(**V3, legacy=legacy))
    oracle.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"legacy": not legacy}))
    model = graft.Model.from_pretrained(tmp_path)
    assert model.report is not None
    assert not model.report.made_anew
    assert not model.report.left_over


@pytest.mark.parametrize("changes", [{}, {"conv_kernel_size": 3}])
def test_in_bf16(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert_same_in_bf16(DebertaV2Model, make_config(**V3, **changes), tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pos_att_type": ["c2p", "p2p"]}, "p2p"),
        ({"conv_kernel_size": 4}, "conv_kernel_size is 4"),
        ({"conv_kernel_size": 3, "conv_groups": 5}, "conv_groups 5"),
        ({"attention_head_size": 4}, "attention_head_size 4"),
        ({"pooler_hidden_size": 8}, "pooler_hidden_size 8"),
        ({"position_buckets": 2}, "position_buckets 2"),
        ({"position_buckets": 300}, "position_buckets 300"),
        ({"position_buckets": "many"}, "position_buckets is 'many'"),
        ({"max_relative_positions": None, "position_buckets": 1.5}, "position_buckets is 1.5"),
        ({"norm_rel_ebd": 3}, "norm_rel_ebd"),
        ({"pos_att_type": 3}, "pos_att_type"),
        ({"hidden_size": 30}, "not a multiple of num_attention_heads"),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    raw = make_config(**V3).to_dict() | {"architectures": ["DebertaV2Model"]} | changes
    (tmp_path / "config.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=named):
        graft.Model.from_pretrained(tmp_path)
