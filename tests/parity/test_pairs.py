"""Encoder-decoder models: both stacks, every head, losses, gradients and files."""

from pathlib import Path
from typing import Any

import pytest
import transformers
from oracle import Texts, assert_same, make_texts

from small import VOCABULARY, random_ids

SOURCES, TARGETS = [9, 1, 2, 9, 30, 23], [4, 6, 1, 12, 4, 3]
BART_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 28,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 3,
    "eos_token_id": 2,
    "forced_eos_token_id": 2,
    "decoder_start_token_id": 2,
    "init_std": 0.2,
}
T5_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
}
STEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "bart": ("Bart", BART_SIZES),
    "mbart": ("MBart", {**BART_SIZES, "scale_embedding": True}),
    "marian": ("Marian", {**BART_SIZES, "scale_embedding": True, "decoder_start_token_id": 0}),
    "pegasus": ("Pegasus", {**BART_SIZES, "activation_function": "relu"}),
    "t5": ("T5", T5_SIZES),
    "mt5": ("MT5", T5_SIZES),
}
"""How the oracle calls its classes of a family, and sizes."""

APART = {"share_encoder_decoder_embeddings": False}
READERS = ("bart", "mbart", "t5", "mt5")
"""Those that have other heads than that which writes."""

SINES = (
    "model.encoder.embed_positions.",
    "model.decoder.embed_positions.",
    *(f"{stack}.embed_positions." for stack in ("encoder", "decoder")),
)
"""Tables that ours computes."""

UNUSED = ("model.shared.", "shared.")
"""What the oracle keeps, and does not use, where its weights are not tied."""


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gated GELU": ("t5", {"feed_forward_proj": "gated-gelu"}),
    "gated SiLU": ("mt5", {"feed_forward_proj": "gated-silu"}),
    "GELU": ("t5", {"feed_forward_proj": "gelu"}),
    "unscaled": ("t5", {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}),
    "32 buckets": ("t5", {"relative_attention_num_buckets": 32}),
    "7 buckets": ("mt5", {"relative_attention_num_buckets": 7}),
    "one head": ("t5", {"num_heads": 1, "d_kv": 7}),
    "as deep": ("mt5", {"num_decoder_layers": None, "layer_norm_epsilon": 1e-2}),
    "shallow": ("t5", {"num_decoder_layers": 1, "vocab_size": 99}),
    "scaled embedding": ("bart", {"scale_embedding": True, "activation_function": "gelu_new"}),
    "unscaled embedding": ("mbart", {"scale_embedding": False, "activation_function": "relu"}),
    "no padding": ("bart", {"pad_token_id": None, "encoder_layers": 1, "decoder_layers": 1}),
    "untied": ("bart", {"tie_word_embeddings": False}),
    "untied, before": ("mbart", {"tie_word_embeddings": False}),
    "two vocabularies": ("marian", {**APART, "decoder_vocab_size": len(VOCABULARY) + 9}),
    "two of one size": ("marian", APART),
    "two, untied": (
        "marian",
        {**APART, "tie_word_embeddings": False, "decoder_vocab_size": len(VOCABULARY) + 9},
    ),
    "odd width": (
        "marian",
        {"d_model": 21, "encoder_attention_heads": 7, "decoder_attention_heads": 1},
    ),
    "far positions": ("pegasus", {"max_position_embeddings": 600, "scale_embedding": True}),
}
"""What differs from the usual shape, by name."""


def check(folder: Path, family: str, head: str, texts: Texts | None = None, **changes: Any) -> None:
    stem, sizes = STEMS[family]
    kind = getattr(transformers, stem + head)
    config = kind.config_class(**{**sizes, **changes})
    texts = texts or make_texts(SOURCES, decoder=TARGETS)
    assert_same(
        kind, config, folder, texts, missing=SINES + (() if config.tie_word_embeddings else UNUSED)
    )


def ended(start: int | None, end: int) -> Texts:
    """Texts that end as a classifier of pairs asks, read by the decoder too."""
    sequences = [[*ids[1:], end] for ids in random_ids(SOURCES)]
    decoder = [[ids[-1] if start is None else start, *ids[:-1]] for ids in sequences]
    return Texts(sequences, decoder=decoder)


@pytest.mark.parametrize("family", STEMS)
def test_a_body(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, "Model")


@pytest.mark.parametrize("family", STEMS)
def test_writing(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, writer_of(family))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_shape(tmp_path: Path, variant: str) -> None:
    family, changes = VARIANTS[variant]
    texts = None
    if changes.get("max_position_embeddings", 0) > 512:
        texts = make_texts([3, 590], decoder=[550, 2])
    check(tmp_path, family, writer_of(family), texts, **changes)


def writer_of(family: str) -> str:
    return "MTModel" if family == "marian" else "ForConditionalGeneration"


@pytest.mark.parametrize("family", READERS)
def test_classes_of_texts(tmp_path: Path, family: str) -> None:
    end = STEMS[family][1].get("eos_token_id", 1)
    check(tmp_path, family, "ForSequenceClassification", ended(0, end), num_labels=5)


@pytest.mark.parametrize("family", READERS)
def test_spans(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, "ForQuestionAnswering")


@pytest.mark.parametrize("family", ["t5", "mt5"])
@pytest.mark.parametrize(
    ("head", "changes"), [("EncoderModel", {}), ("ForTokenClassification", {"num_labels": 4})]
)
def test_an_encoder_alone(tmp_path: Path, family: str, head: str, changes: dict[str, int]) -> None:
    check(tmp_path, family, head, make_texts(SOURCES), **changes)
