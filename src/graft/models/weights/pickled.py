"""State dicts that PyTorch pickled, read without running any code of theirs."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.weights.file import Entry, MappedFile, damaged


class PickledFile(MappedFile):
    """A `pytorch_model.bin`, read with PyTorch's weights-only unpickler.

    Files of PyTorch before 1.6 are not zip archives; they cannot be mapped, and are read whole.

    Raises:
        ModelError: It is truncated, damaged, no state dict, or it wants to run code.
    """

    def __init__(self, path: Path) -> None:
        self._whole: dict[str, Tensor] | None = None
        self.entries = {}
        super().__init__(path)

    def _open(self) -> Callable[[str], Tensor]:
        if self._whole is not None:
            return self._whole.__getitem__
        mapped = _is_zip(self.path)
        state = _read(self.path, mapped)
        if not mapped:
            self._whole = state
        if not self.entries:
            self.entries = {name: Entry(tuple(t.shape), t.dtype) for name, t in state.items()}
        return state.__getitem__


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise damaged(path, error) from error


def _read(path: Path, mapped: bool) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than weights, and reading it could run code: refused. Ask its "
            "author for model.safetensors."
        ) from error
    except Exception as error:  # damaged bytes are opcodes too, which may fail in any way
        raise damaged(path, f"{type(error).__name__}: {error}".partition("\n")[0]) from error
    if not isinstance(state, dict) or not all(map(_is_entry, state, state.values())):
        raise ModelError(f"{path} is not a state dict: a table of names and dense tensors.")
    return {name: tensor.detach() for name, tensor in state.items()}


def _is_entry(name: Any, tensor: Any) -> bool:
    """Whether this is a name, and a tensor whose numbers are there, one after another."""
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        return False
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_nested
