"""Writing a PyTorch model's weights as TensorFlow's and Flax's side of the ecosystem keeps them.

Neither is installed. The names and layouts follow from the kind of each layer, not from the names
that our readers look at.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

Array = np.ndarray[Any, Any]


def layers(model: nn.Module) -> Iterator[tuple[list[str], nn.Module, str, Tensor]]:
    """Each weight that is saved: the path of its layer, the layer, its name there, and itself."""
    seen = set()
    saved = model.state_dict().keys()
    for path, module in model.named_modules():
        buffers = module.named_buffers(recurse=False)
        kept = [each for each in buffers if f"{path}.{each[0]}".lstrip(".") in saved]
        for name, weight in [*module.named_parameters(recurse=False), *kept]:
            if weight not in seen:
                seen.add(weight)
                yield path.split(".") if path else [], module, name, weight.detach()


def keras_weight(module: nn.Module, name: str, weight: Tensor) -> tuple[str, Tensor]:
    """The name and the layout of a weight in Keras."""
    if isinstance(module, nn.Linear) and name == "weight":
        return "kernel", weight.T
    if isinstance(module, nn.LayerNorm):
        return {"weight": "gamma", "bias": "beta"}[name], weight
    if isinstance(module, nn.Embedding):
        return "embeddings", weight
    if isinstance(module, Conv1D) and name == "bias":  # its weight is the other way round already
        return "bias", weight[None]
    return name, weight


def flax_weight(module: nn.Module, name: str, weight: Tensor) -> tuple[str, Tensor]:
    """The name and the layout of a weight in Flax."""
    if isinstance(module, nn.Linear | Conv1D) and name == "weight":
        return "kernel", weight.T
    if isinstance(module, nn.LayerNorm) and name == "weight":
        return "scale", weight
    if isinstance(module, nn.Embedding):
        return "embedding", weight
    return name, weight


def keras_path(path: list[str], model: nn.Module) -> str:
    """A layer's path: numbers of lists joined to their names, below the name of the class."""
    parts: list[str] = []
    for part in path:
        if part.isdigit():
            parts[-1] += f"_._{part}"
        else:
            parts.append(part)
    if parts[:1] == ["cls"]:
        parts[0] = "mlm___cls"
    return "/".join([f"tf_{type(model).__name__.lower()}", *parts])


def save_keras(model: nn.Module, path: Path, *, split: int = 0) -> None:
    """Writes a `tf_model.h5`: a group for each layer of the class, with the names of its weights.

    Args:
        model: Of PyTorch.
        path: The file.
        split: So many names an attribute holds, where they do not all fit into one; 0 for all.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for above, module, name, weight in layers(model):
        leaf, kept = keras_weight(module, name, weight)
        group = groups.setdefault(above[0] if above else name, {})
        group[f"{keras_path(above, model)}/{leaf}:0" if above else f"{leaf}:0"] = kept
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in groups]
        file.attrs["backend"] = b"tensorflow"
        for name, weights in groups.items():
            group = file.create_group(name)
            names = [each.encode() for each in weights]
            if split:
                for number in range(0, len(names), split):
                    group.attrs[f"weight_names{number // split}"] = names[number : number + split]
            else:
                group.attrs["weight_names"] = names
            for each, weight in weights.items():
                group.create_dataset(each, data=weight.numpy())


def keras_shards(model: nn.Module, folder: Path, count: int = 3) -> None:
    """Writes `tf_model-0000i-of-0000n.h5` and their index.

    Shards have no groups: each array is named whole, but for the class, and is a layer by itself.
    """
    weights: dict[str, Tensor] = {}
    for above, module, name, weight in layers(model):
        leaf, kept = keras_weight(module, name, weight)
        weights[f"{keras_path(above, model)}/{leaf}:0"] = kept
    files = [f"tf_model-{number + 1:05}-of-{count:05}.h5" for number in range(count)]
    places = {name: files[number % count] for number, name in enumerate(weights)}
    for shard in files:
        with h5py.File(folder / shard, "w") as file:
            names = [name for name in weights if places[name] == shard]
            kept_names = [name.partition("/")[2] for name in names]
            file.attrs["layer_names"] = [name.encode() for name in kept_names]
            for name, short in zip(names, kept_names, strict=True):
                file.create_dataset(short, data=weights[name].numpy())
    _write_index(folder / "tf_model.h5.index.json", places)


def flax_shards(model: nn.Module, folder: Path, count: int = 3) -> None:
    """Writes `flax_model-0000i-of-0000n.msgpack` and their index, whose names have slashes."""
    flat = dict(_flat(flax_tree(model), ()))
    files = [f"flax_model-{number + 1:05}-of-{count:05}.msgpack" for number in range(count)]
    places = {path: files[number % count] for number, path in enumerate(flat)}
    for shard in files:
        tree: dict[str, Any] = {}
        for path in (path for path in flat if places[path] == shard):
            below = tree
            for part in path[:-1]:
                below = below.setdefault(part, {})
            below[path[-1]] = flat[path]
        save_flax(tree, folder / shard)
    index = {"/".join(path): shard for path, shard in places.items()}
    _write_index(folder / "flax_model.msgpack.index.json", index)


def _flat(tree: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    for name, below in tree.items():
        if isinstance(below, Tensor):
            yield (*above, name), below
        else:
            yield from _flat(below, (*above, name))


def _write_index(path: Path, places: dict[str, str]) -> None:
    path.write_text(json.dumps({"metadata": {}, "weight_map": places}))


def flax_tree(model: nn.Module) -> dict[str, Any]:
    """Parameters as Flax nests them."""
    tree: dict[str, Any] = {}
    for above, module, name, weight in layers(model):
        below = tree
        for part in above:
            below = below.setdefault(part, {})
        leaf, kept = flax_weight(module, name, weight)
        below[leaf] = kept
    return tree


def flax_array(array: Tensor) -> msgpack.ExtType:
    """An array in Flax's extension of MessagePack: shape, type, bytes."""
    content = array.contiguous().view(torch.uint8).numpy().tobytes() if array.numel() else b""
    dtype = str(array.dtype).removeprefix("torch.")
    return msgpack.ExtType(1, msgpack.packb((tuple(array.shape), dtype, content)))


def in_chunks(array: Tensor, size: int) -> dict[str, Any]:
    """A large array as Flax cuts it: flat, so many numbers a chunk."""
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(i): n for i, n in enumerate(array.shape)},
        "chunks": {
            str(i): flax_array(chunk) for i, chunk in enumerate(array.flatten().split(size))
        },
    }


def save_flax(tree: dict[str, Any], path: Path, *, chunks: int = 0) -> None:
    """Writes a `flax_model.msgpack`; arrays of more than `chunks` numbers are cut."""

    def packed(value: Any) -> Any:
        if isinstance(value, Tensor):
            cut = chunks and value.numel() > chunks
            return in_chunks(value.contiguous(), chunks) if cut else flax_array(value)
        return {key: packed(below) for key, below in value.items()}

    path.write_bytes(msgpack.packb(packed(tree), strict_types=True))
