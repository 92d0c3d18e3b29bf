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

READERS = ("bart", "mbart", "t5", "mt5")
"""Those that have other heads than that which writes."""

SINES = (
    "model.encoder.embed_positions.",
    "model.decoder.embed_positions.",
    *(f"{stack}.embed_positions." for stack in ("encoder", "decoder")),
)
"""Tables that ours computes."""


def check(folder: Path, family: str, head: str, texts: Texts | None = None, **changes: Any) -> None:
    stem, sizes = STEMS[family]
    kind = getattr(transformers, stem + head)
    config = kind.config_class(**{**sizes, **changes})
    texts = texts or make_texts(SOURCES, decoder=TARGETS)
    assert_same(kind, config, folder, texts, missing=SINES)


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
    check(tmp_path, family, "MTModel" if family == "marian" else "ForConditionalGeneration")


@pytest.mark.parametrize("family", READERS)
def test_classes_of_texts(tmp_path: Path, family: str) -> None:
    end = STEMS[family][1].get("eos_token_id", 1)
    check(tmp_path, family, "ForSequenceClassification", ended(0, end), num_labels=5)


@pytest.mark.parametrize("family", READERS)
def test_spans(tmp_path: Path, family: str) -> None:
    check(tmp_path, family, "ForQuestionAnswering")
