"""Rotations turn as the oracle's do, by every scaling, however a file spells it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import TOLERANCE, assert_close, assert_same, build
from texts import make_texts
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

import graft
from graft.models.cache import Cache
from graft.models.context import Context
from graft.models.families.rotations import read_rotary
from graft.models.families.settings import Settings
from graft.models.rotary import rotation
from small import VOCABULARY, random_ids

READS = 16
"""The longest text of the training, in tokens."""

LONGROPE = {
    "rope_type": "longrope",
    "factor": 2.0,
    "short_factor": [1.0, 1.5, 2.0, 2.5],
    "long_factor": [2.0, 3.0, 5.0, 9.0],
    "original_max_position_embeddings": 8,
}
YARN = {"rope_type": "yarn", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SCALINGS: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default"},
    "another base": {"rope_type": "default", "rope_theta": 123.0},
    "linear": {"rope_type": "linear", "factor": 3.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.5},
    "yarn": YARN,
    "yarn by lengths": {**YARN, "original_max_position_embeddings": 8, "rope_theta": 200.0},
    "yarn with ramps": {**YARN, "beta_fast": 3.0, "beta_slow": 0.5, "truncate": False},
    "yarn with a step": {**YARN, "beta_fast": 1.0, "beta_slow": 1.0},
    "yarn with its factor": {**YARN, "attention_factor": 1.7},
    "yarn with scales": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.3},
    "yarn without a factor": {**YARN, "factor": None, "original_max_position_embeddings": 4},
    "llama3": {**LLAMA3, "rope_theta": 50.0},
    "llama3 by lengths": {**LLAMA3, "original_max_position_embeddings": 100},
    "longrope": LONGROPE,
    "longrope without a factor": {k: v for k, v in LONGROPE.items() if k != "factor"},
    "longrope with its factor": {**LONGROPE, "attention_factor": 0.8},
    "longrope of short texts": {**LONGROPE, "factor": 1.0},
}
BY_LENGTH = ("dynamic", "longrope")


def make_config(parameters: dict[str, Any] | None, **changes: Any) -> LlamaConfig:
    usual: dict[str, Any] = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": READS,
        "initializer_range": 0.1,
        "pad_token_id": 0,
    }
    given = {} if parameters is None else {"rope_parameters": dict(parameters)}
    return LlamaConfig(**{**usual, **given, **changes})


@pytest.mark.parametrize("length", [READS - 5, READS, READS + 1, 200])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_angles(scaling: str, length: int) -> None:
    config = make_config(SCALINGS[scaling])
    positions = torch.arange(length)
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), positions[None])
    settings = Settings(config.to_dict(), {})
    counts = torch.tensor([length])
    found = rotation(read_rotary(settings, 8), 8, positions, counts, counts)
    for ours, theirs in zip(found, (cos, sin), strict=True):
        torch.testing.assert_close(ours[:, 0], theirs[0, :, :4], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("scaling", [name for name in SCALINGS if " " not in name])
def test_models(tmp_path: Path, scaling: str) -> None:
    """Of texts that are all longer than the model was trained on, as the oracle's frequencies are
    those of the longest text of a batch."""
    texts = make_texts([3 * READS] * 3)
    assert_same(LlamaForCausalLM, make_config(SCALINGS[scaling]), tmp_path, texts)


@torch.inference_mode()
@pytest.mark.parametrize("scaling", BY_LENGTH)
def test_each_text_has_the_frequencies_of_its_own_length(tmp_path: Path, scaling: str) -> None:
    config = make_config(SCALINGS[scaling])
    build(LlamaModel, config).save_pretrained(tmp_path)
    sequences = random_ids([8, 40, 9, READS, 17, 40, 3])
    expected = []
    for ids in sequences:  # a model of the oracle remembers the longest text that it met
        oracle = LlamaModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
        expected.append(oracle(torch.tensor([ids])).last_hidden_state[0])
    found = graft.Model.from_pretrained(tmp_path)(graft.Batch.from_sequences(sequences)).hidden
    assert_close(found, torch.cat(expected), "hidden")


@torch.inference_mode()
@pytest.mark.parametrize("scaling", [name for name in SCALINGS if " " not in name])
def test_a_token_at_a_time(tmp_path: Path, scaling: str) -> None:
    """Keys keep the angles that they had when they were made, in generation."""
    build(LlamaModel, make_config(SCALINGS[scaling])).save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    sequences = random_ids([READS + 4, READS + 4, READS - 2, 6])
    prompts = [ids[:-3] for ids in sequences]
    cache = Cache(model.config, READS + 4)
    model.body(Context(graft.Batch.from_sequences(prompts), cache))
    steps = []
    for place in (-3, -2, -1):
        batch = graft.Batch.from_sequences([[ids[place]] for ids in sequences])
        steps.append(model.body(Context(batch, cache)))
    for row, ids in enumerate(sequences):
        oracle = LlamaModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
        kept = oracle(torch.tensor([ids[:-3]]), use_cache=True).past_key_values
        for place, found in zip((-3, -2, -1), steps, strict=True):
            output = oracle(torch.tensor([[ids[place]]]), past_key_values=kept, use_cache=True)
            assert_close(found[row], output.last_hidden_state[0, 0], f"row {row}, {place}")


SPELLINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a base beside": {"rope_theta": 300.0},
    "type": {"rope_theta": 300.0, "rope_scaling": {"type": "linear", "factor": 2.0}},
    "rope_type": {"rope_scaling": {"rope_type": "dynamic", "factor": 2}},
    "both": {"rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 2.0}},
    "none": {"rope_theta": 300.0, "rope_scaling": None},
    "new": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0}},
    "new, base beside": {"rope_parameters": {**YARN}, "rope_theta": 300.0},
    "old and new": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 70.0},
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "rope_theta": 300.0,
    },
    "length beside": {"original_max_position_embeddings": 4, "rope_scaling": LLAMA3},
    "length in both": {
        "original_max_position_embeddings": 4,
        "rope_scaling": {**LLAMA3, "original_max_position_embeddings": 8},
    },
}


@torch.inference_mode()
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings(tmp_path: Path, spelling: str) -> None:
    """What files of all ages say; and what is written, the oracle and ours read alike."""
    build(LlamaModel, make_config(None)).save_pretrained(tmp_path / "a")
    path = tmp_path / "a" / "config.json"
    raw = json.loads(path.read_text())
    del raw["rope_parameters"]
    path.write_text(json.dumps({**raw, **SPELLINGS[spelling]}))
    ids = random_ids([3 * READS])

    def theirs(folder: Path) -> Any:
        oracle = LlamaModel.from_pretrained(folder, attn_implementation="eager").eval()
        return oracle(torch.tensor(ids)).last_hidden_state[0]

    model = graft.Model.from_pretrained(tmp_path / "a")
    expected = theirs(tmp_path / "a")
    assert_close(model(graft.Batch.from_sequences(ids)).hidden, expected, "hidden")
    model.save_pretrained(tmp_path / "b")
    assert_close(theirs(tmp_path / "b"), expected, "hidden of what was saved")
    again = graft.Model.from_pretrained(tmp_path / "b")
    assert again.config.rotary == model.config.rotary
