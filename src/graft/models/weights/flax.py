"""Parameters that Flax saved, read without JAX.

`flax.serialization` writes nested maps in MessagePack; arrays are its extension 1: shape, type and
bytes. Those above a gigabyte are cut into chunks.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch

from graft.errors import ModelError
from graft.models.weights.file import damaged
from graft.models.weights.msgpack import Bytes, Reader
from graft.models.weights.raw import Place, RawFile

_ARRAY = 1
_CHUNKED = "__msgpack_chunked_array__"
_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight"}


def open_flax(path: Path) -> RawFile:
    """A `flax_model.msgpack`, its tensors under PyTorch's names.

    A dense layer's `kernel` is our weight with its dimensions swapped; the `scale` of a
    normalisation and an `embedding` are weights as they are.

    Raises:
        ModelError: It is truncated or damaged, or holds something other than arrays.
    """
    try:
        with path.open("rb") as file:
            tree = Reader(file, path.stat().st_size).value()
            if not isinstance(tree, dict):
                raise ValueError("it holds no table of parameters")
            tree = tree.get("params", tree)
            places = dict(_renamed(name, place) for name, place in _arrays(tree, file, ()))
    except (ValueError, OSError) as error:
        raise damaged(path, error) from error
    if not places:
        raise ModelError(f"{path} holds no arrays: it is not a file of Flax parameters.")
    return RawFile(path, places)


def _renamed(name: tuple[str, ...], place: Place) -> tuple[str, Place]:
    """A parameter as PyTorch has it."""
    leaf = name[-1]
    swapped = leaf == "kernel" and len(place.shape) == 2
    return ".".join((*name[:-1], _LEAVES.get(leaf, leaf))), replace(place, swapped=swapped)


def _arrays(
    tree: Any, file: BinaryIO, name: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Place]]:
    if isinstance(tree, Bytes) and tree.kind == _ARRAY:
        yield name, _array(tree, file)
    elif isinstance(tree, dict) and _CHUNKED in tree:
        yield name, _joined(tree, file)
    elif isinstance(tree, dict):
        for key, below in tree.items():
            yield from _arrays(below, file, (*name, str(key)))
    else:
        raise ValueError(f"{'.'.join(name) or 'it'} holds {type(tree).__name__}, not an array")


def _array(stored: Bytes, file: BinaryIO) -> Place:
    """An array: its shape, the name of its type, its bytes."""
    file.seek(stored.offset)
    parts = Reader(file, stored.offset + stored.size).value()
    if not isinstance(parts, list) or len(parts) != 3 or not isinstance(parts[2], Bytes):
        raise ValueError("an array is not stored as shape, type and bytes")
    shape, dtype = _sizes(parts[0]), getattr(torch, str(parts[1]), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"an array has numbers of type {parts[1]!r}")
    if prod(shape) * dtype.itemsize != parts[2].size:
        raise ValueError(f"an array of shape {list(shape)} has {parts[2].size} bytes")
    return Place(((parts[2].offset, parts[2].size),), shape, dtype)


def _joined(tree: dict[str, Any], file: BinaryIO) -> Place:
    """An array that was cut into flat chunks."""
    try:
        shape = _sizes([tree["shape"][str(i)] for i in range(len(tree["shape"]))])
        chunks = [tree["chunks"][str(i)] for i in range(len(tree["chunks"]))]
    except (KeyError, TypeError) as error:
        raise ValueError("an array in chunks has no shape or lacks a chunk") from error
    if not chunks or not all(isinstance(chunk, Bytes) for chunk in chunks):
        raise ValueError("an array in chunks has none")
    places = [_array(chunk, file) for chunk in chunks]
    if sum(prod(place.shape) for place in places) != prod(shape):
        raise ValueError(f"the chunks of an array are not of its shape {list(shape)}")
    if len({place.dtype for place in places}) > 1:
        raise ValueError("the chunks of an array are of several types")
    return Place(tuple(span for p in places for span in p.spans), shape, places[0].dtype)


def _sizes(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{shape!r} is not a shape")
    return tuple(shape)
