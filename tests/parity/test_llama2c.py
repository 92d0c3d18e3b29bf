"""Models of llama2.c answer as the Llama that they were exported from."""

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import build
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

import graft
from graft.errors import ModelError
from small import random_ids

SIZES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 97,
    "max_position_embeddings": 64,
}
TEXT = "Once upon a time, there was a little girl named Lily."


def make_llama(**changes: Any) -> Any:
    return build(LlamaForCausalLM, LlamaConfig(**SIZES, rms_norm_eps=1e-5, **changes))


def neighbours(weight: Tensor, head_size: int) -> Tensor:
    """Rows of queries or keys so that the two that are rotated together are neighbours."""
    halves = weight.view(-1, 2, head_size // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)


def tensors(llama: Any, version: int) -> list[Tensor]:
    """The weights in the order of the file."""
    layers, model = llama.model.layers, llama.model
    half = llama.config.head_dim // 2
    attention_norms = [layer.input_layernorm.weight for layer in layers]
    feed_forward_norms = [layer.post_attention_layernorm.weight for layer in layers]
    query, key = (
        [neighbours(getattr(layer.self_attn, name).weight, 2 * half) for layer in layers]
        for name in ("q_proj", "k_proj")
    )
    value, output = (
        [getattr(layer.self_attn, name).weight for layer in layers] for name in ("v_proj", "o_proj")
    )
    first, second, third = (
        [getattr(layer.mlp, name).weight for layer in layers]
        for name in ("gate_proj", "down_proj", "up_proj")
    )
    attention, feed_forward = [*query, *key, *value, *output], [*first, *second, *third]
    embedding = model.embed_tokens.weight
    shared = llama.config.tie_word_embeddings
    own = [] if shared else [llama.lm_head.weight]
    if version == 0:
        tables = torch.zeros(2 * llama.config.max_position_embeddings * half)
        norms = [*feed_forward_norms, *feed_forward]
        body = [embedding, *attention_norms, *attention, *norms, model.norm.weight]
        return [*body, tables, *own]
    norms = [*attention_norms, *feed_forward_norms, model.norm.weight]
    return [*norms, embedding, *attention, *feed_forward, *own]


def export(llama: Any, path: Path, version: int = 0) -> None:
    """Writes a model as llama2.c reads it."""
    names = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
        "max_position_embeddings",
    )
    sizes = [getattr(llama.config, name) for name in names]
    shared = llama.config.tie_word_embeddings
    if version == 0:
        sizes[5] *= 1 if shared else -1
        header = struct.pack("<7i", *sizes)
    else:
        header = struct.pack("<Ii7iB", 0x616B3432, version, *sizes, shared).ljust(256, b"\0")
    content = [t.detach().contiguous().numpy().tobytes() for t in tensors(llama, version)]
    path.write_bytes(header + b"".join(content))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("shared", [False, True])
@torch.inference_mode()
def test_it_answers_as_the_llama(tmp_path: Path, version: int, shared: bool) -> None:
    llama = make_llama(tie_word_embeddings=shared)
    export(llama, tmp_path / "model.bin", version)
    model = graft.Model.from_pretrained(tmp_path / "model.bin")
    (ids,) = random_ids([30])
    expected = llama(torch.tensor([ids])).logits[0]
    found = model(graft.Batch.from_sequences([ids])).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert model.report is not None
    assert not model.report.left_over
    model.save_pretrained(tmp_path / "saved")
    theirs = LlamaForCausalLM.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(theirs(torch.tensor([ids])).logits[0], expected)


class TestWhatIsRefused:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        export(make_llama(), tmp_path / "model.bin")
        return tmp_path / "model.bin"

    def test_truncated(self, path: Path) -> None:
        content = path.read_bytes()
        for kept in (len(content) - 1, len(content) // 2, 100):
            path.write_bytes(content[:kept])
            with pytest.raises(ModelError, match=r"model\.bin is truncated or damaged: it has"):
                graft.Model.from_pretrained(path)

    @pytest.mark.parametrize("number", range(7))
    @pytest.mark.parametrize("size", [0, -3, 2**31 - 1])
    def test_sizes_that_cannot_be(self, path: Path, number: int, size: int) -> None:
        content = bytearray(path.read_bytes())
        struct.pack_into("<i", content, 4 * number, size)
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.bin (does not begin|is truncated)"):
            graft.Model.from_pretrained(path)

    def test_rounded_numbers(self, path: Path) -> None:
        export(make_llama(), path, version=1)
        content = bytearray(path.read_bytes())
        struct.pack_into("<i", content, 4, 2)
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"version 2, which keeps rounded numbers"):
            graft.Model.from_pretrained(path)

    def test_several_in_a_folder(self, path: Path) -> None:
        (path.parent / "other.bin").write_bytes(path.read_bytes())
        with pytest.raises(ModelError, match=r"several models: model\.bin, other\.bin. Give"):
            graft.Model.from_pretrained(path.parent)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(100), b"text" * 100])
    def test_files_of_something_else(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(ModelError, match="does not begin as a model of llama2"):
            graft.Model.from_pretrained(path)
        with pytest.raises(ModelError, match=r"has no config\.json"):
            graft.Model.from_pretrained(path.parent)


@pytest.mark.data
def test_it_tells_the_documented_story(shared_data: Path) -> None:
    folder = shared_data / "stories260K"
    story = (folder / "stories260K.md").read_text().split("-t 0.0\n")[1].split("\n```")[0]
    assert story.startswith(TEXT)
    model = graft.Model.from_pretrained(folder)
    tokenizer = graft.Tokenizer.from_pretrained(folder)
    (written,) = model.generate([[1]], max_new_tokens=256)
    assert tokenizer.decode(written.ids).strip() == story
