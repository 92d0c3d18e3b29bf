"""Models of llama2.c (github.com/karpathy/llama2.c): a header of numbers, then the weights."""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.weights.raw import Place, RawFile

_MAGIC = 0x616B3432
_LEGACY = struct.Struct("<7i")
_VERSIONED = struct.Struct("<Ii7iB")
_START = 256  # where tensors begin behind a header that has a version
_LARGEST = 1 << 24  # no size of a real model is above this
_MOST_LAYERS = 1024


@dataclass(frozen=True)
class Header:
    """The shape of a model.

    Attributes:
        version: Of the layout: 0 has no magic number, and norms between the matrices.
        start: The offset of the first tensor.
    """

    version: int
    start: int
    dim: int
    hidden_dim: int
    layers: int
    heads: int
    key_heads: int
    vocab_size: int
    context: int
    shared: bool

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.dim // self.heads

    def settings(self) -> dict[str, Any]:
        """The same as the `config.json` of a Llama."""
        return {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": self.vocab_size,
            "hidden_size": self.dim,
            "intermediate_size": self.hidden_dim,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
            "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
            "tie_word_embeddings": self.shared,
            "bos_token_id": 1,
            "eos_token_id": [1, 2],  # a text ends where the next one begins
        }

    def places(self) -> dict[str, Place]:
        """Where each tensor is, by the names of a Llama."""
        layered: dict[str, tuple[int, ...]] = {
            "self_attn.q_proj": (self.heads * self.head_size, self.dim),
            "self_attn.k_proj": (self.key_heads * self.head_size, self.dim),
            "self_attn.v_proj": (self.key_heads * self.head_size, self.dim),
            "self_attn.o_proj": (self.dim, self.heads * self.head_size),
            "mlp.gate_proj": (self.hidden_dim, self.dim),
            "mlp.down_proj": (self.dim, self.hidden_dim),
            "mlp.up_proj": (self.hidden_dim, self.dim),
        }
        attention, feed_forward = list(layered)[:4], list(layered)[4:]
        norms = ["input_layernorm", "post_attention_layernorm"]
        shapes = layered | dict.fromkeys(norms, (self.dim,))
        embedding = ("embed_tokens.weight", (self.vocab_size, self.dim))
        last = ("norm.weight", (self.dim,))
        walk = _Walk(self.start)
        if self.version == 0:
            walk.one(*embedding)
            order = [norms[0], *attention, norms[1], *feed_forward]
            walk.stacked(order, shapes, self.layers)
            walk.one(*last)
            walk.offset += 4 * self.context * self.head_size  # tables of rotations
        else:
            walk.stacked(norms, shapes, self.layers)
            walk.one(*last)
            walk.one(*embedding)
            walk.stacked([*attention, *feed_forward], shapes, self.layers)
        if not self.shared:
            walk.one("lm_head.weight", embedding[1])
        return walk.places


class _Walk:
    """Goes through a file, tensor by tensor."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.places: dict[str, Place] = {}

    def one(self, name: str, shape: tuple[int, ...]) -> None:
        """The tensor that comes next."""
        size = 4 * prod(shape)
        prefix = "" if name.startswith("lm_head") else "model."
        self.places[prefix + name] = Place(((self.offset, size),), shape, torch.float32)
        self.offset += size

    def stacked(self, names: list[str], shapes: dict[str, tuple[int, ...]], layers: int) -> None:
        """Tensors that come for all layers at once."""
        for name in names:
            for layer in range(layers):
                self.one(f"layers.{layer}.{name}.weight", shapes[name])


class Llama2cFile(RawFile):
    """The weights of llama2.c, by the names and in the layout of a Llama.

    Raises:
        ModelError: The file is of no such model, or truncated.
    """

    def __init__(self, path: Path) -> None:
        header = read_header(path)
        if header is None:
            raise ModelError(f"{path} does not begin as a model of llama2.c does.")
        self.header = header
        super().__init__(path, header.places())

    def read(self, name: str) -> Tensor:
        """The tensor; queries and keys as halves are rotated, not neighbours (Su et al., 2021)."""
        tensor = super().read(name)
        if not name.endswith(("q_proj.weight", "k_proj.weight")):
            return tensor
        pairs = tensor.view(-1, self.header.head_size // 2, 2, self.header.dim)
        return pairs.transpose(1, 2).reshape(tensor.shape)


def read_header(path: Path) -> Header | None:
    """The header of a model of llama2.c; None where the file is something else.

    Raises:
        ModelError: It is of a version that is not read here, or truncated.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_VERSIONED.size)
    if len(start) < _VERSIONED.size:
        return None
    if int.from_bytes(start[:4], "little") == _MAGIC:
        _, version, *sizes, shared = _VERSIONED.unpack(start)
        if version != 1:
            raise ModelError(
                f"{path} is a llama2.c model of version {version}, which keeps rounded numbers. "
                "Export it as version 0 or 1."
            )
        header = _header(1, _START, sizes, bool(shared))
    else:
        sizes = list(_LEGACY.unpack(start[: _LEGACY.size]))
        shared = sizes[5] > 0  # a vocabulary below zero has an output of its own
        header = _header(0, _LEGACY.size, sizes, shared)
    if not _possible(header):
        return None
    return _whole(header, path, size)


def _header(version: int, start: int, sizes: list[int], shared: bool) -> Header:
    dim, hidden_dim, layers, heads, key_heads, vocab_size, context = sizes
    return Header(
        version,
        start,
        dim,
        hidden_dim,
        layers,
        heads,
        key_heads,
        abs(vocab_size),
        context,
        shared,
    )


def _possible(header: Header) -> bool:
    sizes = (
        header.dim,
        header.hidden_dim,
        header.layers,
        header.heads,
        header.key_heads,
        header.vocab_size,
        header.context,
    )
    if not all(0 < size <= _LARGEST for size in sizes) or header.layers > _MOST_LAYERS:
        return False
    return (
        header.dim % header.heads == 0
        and header.head_size % 2 == 0
        and header.heads % header.key_heads == 0
    )


def _whole(header: Header, path: Path, size: int) -> Header | None:
    """The header of a file that is long enough.

    A number of bytes that is far off means another kind of file.
    """
    end = max(offset + length for p in header.places().values() for offset, length in p.spans)
    if size >= end:
        return header if size <= end + 4 * header.context * header.head_size + _START else None
    raise ModelError(
        f"{path} is truncated or damaged: it has {size:,} bytes, and its header asks for {end:,}. "
        "Fetch or copy the file again."
    )
