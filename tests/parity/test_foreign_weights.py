"""Weights that other frameworks saved are the ones that PyTorch's file has."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from foreign import flax_shards, flax_tree, keras_shards, save_flax, save_keras
from oracle import build

import graft
from graft.errors import ModelError

SMALL: dict[str, Any] = {"vocab_size": 97, "pad_token_id": 0}
BERT: dict[str, Any] = SMALL | {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 50,
}
DISTIL = SMALL | {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40}
GPT2 = {"vocab_size": 97, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 50}
T5 = SMALL | {"d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3}
BART = SMALL | {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 36,
    "max_position_embeddings": 50,
}
MODELS: list[tuple[str, str, dict[str, Any]]] = [
    ("Bert", "Model", BERT),
    ("Bert", "ForSequenceClassification", BERT | {"num_labels": 3}),
    ("Bert", "ForMaskedLM", BERT),
    ("Bert", "ForQuestionAnswering", BERT),
    ("Roberta", "ForSequenceClassification", BERT),
    ("Roberta", "ForMaskedLM", BERT),
    ("DistilBert", "ForTokenClassification", DISTIL),
    ("Electra", "ForSequenceClassification", BERT | {"embedding_size": 16}),
    ("Albert", "ForSequenceClassification", BERT | {"embedding_size": 16}),
    ("MPNet", "Model", BERT),
    ("GPT2", "LMHeadModel", GPT2),
    ("T5", "ForConditionalGeneration", T5),
    ("Bart", "ForConditionalGeneration", BART),
]


def saved(folder: Path, family: str, kind: str, settings: dict[str, Any]) -> Any:
    """A model of the oracle, saved with PyTorch's weights."""
    config = getattr(transformers, f"{family}Config")(**settings)
    oracle = build(getattr(transformers, family + kind), config)
    oracle.save_pretrained(folder)
    return oracle


def assert_equal(found: graft.Model, expected: graft.Model) -> None:
    weights, theirs = found.state_dict(), expected.state_dict()
    assert weights.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert torch.equal(weights[name], weight), name
    assert found.report is not None
    assert expected.report is not None
    assert found.report.made_anew == expected.report.made_anew


@pytest.mark.parametrize("framework", ["keras", "flax"])
@pytest.mark.parametrize(
    ("family", "kind", "settings"), MODELS, ids=[family + kind for family, kind, _ in MODELS]
)
def test_weights_of_other_frameworks(
    tmp_path: Path, framework: str, family: str, kind: str, settings: dict[str, Any]
) -> None:
    oracle = saved(tmp_path, family, kind, settings)
    expected = graft.Model.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    if framework == "keras":
        save_keras(oracle, tmp_path / "tf_model.h5")
    else:
        save_flax(flax_tree(oracle), tmp_path / "flax_model.msgpack")
    assert_equal(graft.Model.from_pretrained(tmp_path), expected)


class TestShards:
    @pytest.mark.parametrize("save", [keras_shards, flax_shards])
    @pytest.mark.parametrize(
        ("family", "kind", "settings"),
        [
            ("Bert", "ForMaskedLM", BERT),
            ("Bert", "ForSequenceClassification", BERT | {"num_labels": 3}),
            ("GPT2", "LMHeadModel", GPT2),
            ("T5", "ForConditionalGeneration", T5),
        ],
    )
    def test_they_load_as_one_file_does(
        self, tmp_path: Path, save: Any, family: str, kind: str, settings: dict[str, Any]
    ) -> None:
        oracle = saved(tmp_path, family, kind, settings)
        expected = graft.Model.from_pretrained(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        save(oracle, tmp_path)
        assert_equal(graft.Model.from_pretrained(tmp_path), expected)

    @pytest.mark.parametrize("save", [keras_shards, flax_shards])
    def test_one_is_missing(self, tmp_path: Path, save: Any) -> None:
        oracle = saved(tmp_path, "Bert", "Model", BERT)
        (tmp_path / "model.safetensors").unlink()
        save(oracle, tmp_path)
        next(tmp_path.glob("*-00002-of-*")).unlink()
        with pytest.raises(ModelError, match=r"index\.json names 3 shards, and 1 of them.*-00002-"):
            graft.Model.from_pretrained(tmp_path)


class TestKeras:
    def test_names_that_do_not_fit_into_one_attribute(self, tmp_path: Path) -> None:
        oracle = saved(tmp_path, "Bert", "Model", BERT)
        expected = graft.Model.from_pretrained(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        save_keras(oracle, tmp_path / "tf_model.h5", split=4)
        assert_equal(graft.Model.from_pretrained(tmp_path), expected)


class TestFlax:
    def test_large_arrays_in_chunks_below_params(self, tmp_path: Path) -> None:
        oracle = saved(tmp_path, "Bert", "Model", BERT)
        expected = graft.Model.from_pretrained(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        tree = {"params": flax_tree(oracle)}
        save_flax(tree, tmp_path / "flax_model.msgpack", chunks=100)
        assert_equal(graft.Model.from_pretrained(tmp_path), expected)

    def test_numbers_of_another_format(self, tmp_path: Path) -> None:
        oracle = saved(tmp_path, "Bert", "Model", BERT).bfloat16()
        (tmp_path / "model.safetensors").unlink()
        save_flax(flax_tree(oracle), tmp_path / "flax_model.msgpack")
        model = graft.Model.from_pretrained(tmp_path, dtype="auto")
        assert model.dtype == torch.bfloat16
        words = oracle.embeddings.word_embeddings.weight
        assert torch.equal(model.get_parameter("body.embeddings.tokens.weight"), words)
