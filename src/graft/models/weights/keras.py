"""Weights that Keras saved as HDF5, read without TensorFlow."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.errors import MissingExtraError, ModelError
from graft.models.weights.file import Entry, WeightsFile, damaged

_LEAVES = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}


class KerasFile(WeightsFile):
    """A `tf_model.h5`, its tensors under PyTorch's names.

    A dense layer's `kernel` is our weight with its dimensions swapped; `gamma` and `beta` of a
    normalisation, and `embeddings`, are weights and biases as they are.

    Raises:
        MissingExtraError: h5py is not installed.
        ModelError: The file is truncated or damaged, or of something other than Keras weights.
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError as error:
            raise MissingExtraError(f"Reading {path.name}", "keras") from error
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._arrays: dict[str, Any] = {}
        self._swapped: set[str] = set()
        try:
            self._file = h5py.File(path, "r")
            for parts, array in _weights(self._file):
                self._add(parts, array)
        except (OSError, KeyError, RuntimeError, ValueError, AttributeError) as error:
            raise damaged(path, error) from error
        if not self._arrays:
            raise ModelError(f"{path} names no layers: it is not a file of Keras weights.")

    def _add(self, parts: list[str], array: Any) -> None:
        """Notes an array under PyTorch's name of it."""
        *above, leaf = parts
        shape = tuple(array.shape)
        ours = ".".join((*above, _LEAVES.get(leaf, leaf)))
        if leaf == "kernel" and len(shape) == 2:
            self._swapped.add(ours)
            shape = shape[::-1]
        elif leaf == "bias" and len(shape) == 2 and shape[0] == 1:  # of a convolution of width 1
            shape = shape[1:]
        self._arrays[ours] = array
        self.entries[ours] = Entry(shape, _dtype(array))

    def read(self, name: str) -> Tensor:
        """The tensor, in memory of its own.

        Raises:
            ModelError: The file is damaged where it is.
        """
        try:
            tensor = torch.from_numpy(self._arrays[name][...])
        except (OSError, RuntimeError) as error:
            raise damaged(self.path, error) from error
        return tensor.T if name in self._swapped else tensor.view(self.entries[name].shape)


def _weights(file: Any) -> Iterator[tuple[list[str], Any]]:
    """Each array, and the parts of its name below the class of the model.

    Whole files have a group for each layer; shards have the arrays themselves, without the class.
    """
    for layer in _names(file, "layer_names"):
        if hasattr(file[layer], "shape"):
            yield _torch_parts(layer), file[layer]
            continue
        for weight in _names(file[layer], "weight_names"):
            parts = _torch_parts(weight)
            yield parts[1:] or parts, file[layer][weight]


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names; one that is too long for an attribute is cut into several."""
    parts = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]


def _torch_parts(name: str) -> list[str]:
    """The parts of PyTorch's name of a weight, its last still as Keras calls it.

    TensorFlow models of the ecosystem write "a___b" for a part that is b in PyTorch, and "_._" for
    the number of a layer in a list.
    """
    name = re.sub(r"(^|/)[^/]*___(?=[^/]*/)", r"\1", name.removesuffix(":0")).replace("_._", "/")
    return [piece for part in name.split("/") for piece in part.split(".") if piece]


def _dtype(array: Any) -> torch.dtype:
    dtype = getattr(torch, array.dtype.name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{array.name} has numbers of type {array.dtype}")
    return dtype
