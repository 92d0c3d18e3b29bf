"""What users are told of a decoder's `config.json` that makes no sense, or asks for too much."""

from typing import Any

import pytest
import torch

import graft
from graft.errors import ModelError
from graft.models.families import FAMILIES

DECODERS = (
    "gpt2",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "smollm3",
)
SMALL: dict[str, Any] = {
    "vocab_size": 20,
    "hidden_size": 16,
    "n_embd": 16,
    "num_hidden_layers": 2,
    "n_layer": 2,
    "num_attention_heads": 4,
    "n_head": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "n_positions": 32,
    "sliding_window": 8,
    "pad_token_id": 0,
}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [2.0, 3.0]}
YARN = {"rope_type": "yarn", "factor": 2.0}
LLAMA3 = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def read(family: str, **changes: Any) -> graft.models.config.Config:
    return FAMILIES[family].read_config({"model_type": family, **SMALL, **changes})


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"num_key_value_heads": 3}, "num_attention_heads 4 is not a multiple .* 3"),
    ("llama", {"head_dim": None, "hidden_size": 18}, "hidden_size 18 is not a multiple"),
    ("llama", {"head_dim": 5}, "pairs of features, but head_dim is 5"),
    ("llama", {"hidden_act": "step"}, "hidden_act 'step' is not one of gelu, "),
    ("llama", {"attention_bias": "yes"}, "attention_bias is 'yes'"),
    ("llama", {"classifier_dropout": 2}, "classifier_dropout is 2, not a number from 0"),
    ("llama", {"rope_theta": -1.0}, "rope_theta is -1.0, not a number above zero"),
    ("llama", {"rope_scaling": "linear"}, "rotations are 'linear', not names with values"),
    ("llama", {"rope_scaling": {"type": "mrope"}}, "'mrope' is not one of default, linear, dyn"),
    ("llama", {"rope_scaling": {"type": "linear"}}, "factor is None, not a number above zero"),
    ("llama", {"rope_parameters": {"full_attention": {}}}, "full_attention of the rotations"),
    ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5 of llama"),
    ("llama", {"rope_scaling": {**YARN, "beta_fast": "x"}}, "beta_fast is 'x'"),
    ("llama", {"rope_scaling": YARN, "rope_theta": 1.0}, "rope_theta is 1.0, not .* above 1"),
    ("llama", {"rope_scaling": {**LLAMA3, "high_freq_factor": 1.0}}, "must be above low_freq"),
    ("llama", {"rope_scaling": {**LLAMA3, "low_freq_factor": None}}, "low_freq_factor is None"),
    ("llama", {"rope_scaling": {**LONGROPE, "long_factor": [1.0]}}, "1 numbers; there must be 2"),
    ("llama", {"rope_scaling": {"rope_type": "longrope"}}, "short_factor is None; .* must be 2"),
    (
        "llama",
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "head_dim": 2},
        "needs heads of more than one pair",
    ),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention True of gpt2 is not supported"),
    ("gpt2", {"n_head": 3}, "n_embd 16 is not a multiple of n_head 3"),
    ("qwen2", {"use_sliding_window": True, "layer_types": ["full_attention"]}, "name 2 layers"),
    ("qwen3", {"layer_types": ["sliding_attention"] * 2}, "use_sliding_window is not true"),
    ("gemma2", {"layer_types": ["linear_attention"] * 2}, "layer_types has 'linear_attention'"),
    ("gemma2", {"sliding_window": None}, "sliding_window does not say how far"),
    ("gemma2", {"use_bidirectional_attention": True}, "use_bidirectional_attention True of gemma2"),
    ("gemma3_text", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping 50.0 of gemma3_text"),
    ("gemma3_text", {"rope_parameters": [1]}, "rope_parameters is .1., not names with values"),
    ("llama", {"eos_token_id": 1.5}, "eos_token_id is 1.5, not the number of a token"),
    ("llama", {"eos_token_id": [1, "x"]}, "eos_token_id is .1, .x.., not the number"),
    ("smollm3", {"no_rope_layers": [1]}, "no_rope_layers must be 2 numbers, each 0 or 1"),
]


@pytest.mark.parametrize(("family", "changes", "message"), REFUSED)
def test_what_is_refused(family: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(family, **changes)


JUNK = (
    "x",
    "",
    -1,
    0,
    1,
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    [1],
    ["x"],
    {},
    {"a": 1},
)


@pytest.mark.parametrize("family", DECODERS)
def test_junk_is_refused_or_makes_a_model(family: str) -> None:
    """Any value of any setting: never an error that says nothing of the file."""
    names = [*FAMILIES[family].write_config(read(family)), "rope_scaling", "classifier_dropout"]
    refused = 0
    for name in names:
        for value in JUNK:
            try:
                config = read(family, **{name: value})
            except ModelError:
                refused += 1
                continue
            with torch.device("meta"):
                graft.Model(config, "text-generation")
    assert refused > 5 * len(names)


@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn", "llama3", "longrope"])
def test_junk_in_rotations(kind: str) -> None:
    """The same of rotations, which are computed when texts are read."""
    base = {**YARN, **LLAMA3, **LONGROPE, "rope_type": kind}
    names = (*base, "rope_theta", "original_max_position_embeddings", "attention_factor", "mscale")
    names = (*names, "beta_fast", "beta_slow", "mscale_all_dim")
    batch = graft.Batch.from_sequences([[1, 2, 3], [4] * 40])
    for name in names:
        for value in JUNK:
            try:
                config = read("llama", rope_scaling={**base, name: value})
            except ModelError:
                continue
            hidden = graft.Model(config)(batch).hidden
            assert hidden is not None
            assert hidden.isfinite().all(), (name, value)


@pytest.mark.parametrize("family", DECODERS)
def test_settings_are_read_as_they_are_written(family: str) -> None:
    config = read(family)
    raw = FAMILIES[family].write_config(config)
    assert FAMILIES[family].write_config(FAMILIES[family].read_config(raw)) == raw


def test_what_is_not_known_is_written_back() -> None:
    raw = FAMILIES["llama"].write_config(read("llama", my_setting={"a": 1}, hidden_act="swish"))
    assert raw["my_setting"] == {"a": 1}
    assert raw["hidden_act"] == "swish"
