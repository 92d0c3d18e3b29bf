"""Weights on disk: reading what the ecosystem saved, writing what it loads."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from graft.errors import ModelError
from graft.files import read_settings
from graft.models.families.family import Family, Stored, TensorNames

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        loaded: Our names of the tensors that came from the file.
        made_anew: Our names of the tensors that the file lacks.
        left_over: The file's names of the tensors the model has no place for.
    """

    loaded: tuple[str, ...]
    made_anew: tuple[str, ...]
    left_over: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one weights file, under the names of its family's body (no prefix)."""

    path: Path
    names: Mapping[str, str]
    read: Callable[[str], Tensor]

    def has(self, stored: Stored) -> bool:
        """Whether all parts of a tensor are there."""
        return self.parts(stored) is not None

    def parts(self, stored: Stored) -> tuple[str, ...] | None:
        """The names of a tensor's parts; None where the file lacks one."""
        if all(name in self.names for name in stored.names):
            return stored.names
        return next(((name,) for name in stored.copies if name in self.names), None)

    def tensor(self, stored: Stored) -> Tensor:
        """One of our tensors, its parts stacked, as float32 on the CPU."""
        names = self.parts(stored) or ()
        parts = [self.read(self.names[name]).to(torch.float32) for name in names]
        if stored.transposed:
            parts = [part.T.contiguous() for part in parts]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return whole.flatten() if stored.shape else whole


@contextmanager
def open_checkpoint(folder: Path, family: Family) -> Iterator[Checkpoint]:
    """Opens the weights in a folder: safetensors (memory-mapped) or a pickled state dict.

    A pickle is read with PyTorch's weights-only unpickler, which runs no code from the file.

    Raises:
        ModelError: There is no weights file, or it is truncated or damaged, or wants to run code.
    """
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder} has no weights: expected {' or '.join(WEIGHTS)}.")
    if path.suffix == ".safetensors":
        try:
            opened = safetensors.safe_open(str(path), framework="pt")
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(
                f"{path} is truncated or damaged ({error}). Fetch or copy the file again."
            ) from error
        with opened as file:
            yield Checkpoint(path, _plain_names(file.keys(), family), file.get_tensor)
    else:
        state = _read_pickle(path)
        yield Checkpoint(path, _plain_names(state, family), state.__getitem__)


def load_tensors(
    checkpoint: Checkpoint, wanted: TensorNames, shapes: Mapping[str, torch.Size]
) -> dict[str, Tensor]:
    """Reads the wanted tensors that the checkpoint has, under our names.

    Raises:
        ModelError: A tensor has another shape than the configuration asks for.
    """
    found: dict[str, Tensor] = {}
    for ours, stored in wanted.items():
        if ours not in shapes or not checkpoint.has(stored):
            continue
        tensor = checkpoint.tensor(stored)
        if tensor.shape != shapes[ours]:
            raise ModelError(
                f"{checkpoint.path}: {' + '.join(stored.names)} has shape {list(tensor.shape)}, "
                f"but config.json asks for {list(shapes[ours])}. They are not of one model."
            )
        found[ours] = tensor
    return found


def save_tensors(state: Mapping[str, Tensor], names: TensorNames, path: Path) -> None:
    """Writes tensors under the family's names; stacked ones are taken apart again.

    Raises:
        OSError: The file cannot be written, as on a full disk.
    """
    tensors: dict[str, Tensor] = {}
    for ours, stored in names.items():
        if ours in state:
            tensors |= dict(_parts(state[ours].detach().cpu(), stored))
    try:
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        # The system's error comes as words alone; its number tells a full disk from a bug.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error


def _parts(tensor: Tensor, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    """A tensor as files keep it: taken apart, each part under its name."""
    if stored.shape:
        tensor = tensor.view(stored.shape)
    parts = tensor.split(stored.sizes) if stored.sizes else tensor.chunk(len(stored.names))
    for name, part in zip(stored.names, parts, strict=True):
        yield name, (part.T if stored.transposed else part).contiguous()


def read_config(folder: Path, source: str) -> dict[str, Any]:
    """The parsed `config.json` of a model's folder.

    Raises:
        ModelError: It is missing, or not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{source} is not a model: it has no config.json.")
    return read_settings(path)


def plain_stored(stored: Stored, family: Family) -> Stored:
    """The same tensor under its names without the family's prefix."""
    names, copies = (
        tuple(plain_name(name, family) for name in given) for given in (stored.names, stored.copies)
    )
    return replace(stored, names=names, copies=copies)


def plain_name(name: str, family: Family) -> str:
    """A file's tensor name without the family's prefix, by its present spelling."""
    for old, new in family.aliases.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    prefixes = (family.prefix, *family.prefixes.values())
    return name.removeprefix(next((p for p in prefixes if p and name.startswith(p)), ""))


def _plain_names(names: Any, family: Family) -> dict[str, str]:
    return {plain_name(name, family): name for name in names}


def _read_pickle(path: Path) -> dict[str, Tensor]:
    mapped = zipfile.is_zipfile(path)  # PyTorch before 1.6 wrote a format that cannot be mapped
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than weights, and reading it could run code: refused. Ask its "
            "author for model.safetensors."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise ModelError(f"{path} is truncated or damaged ({error}). Fetch it again.") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} is not a state dict: a table of names and tensors.")
    return state
