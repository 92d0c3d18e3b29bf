"""Pickled weights to safetensors, in a process of its own.

Only tensors are unpickled (`torch.load(weights_only=True)`), mapped from the file where its form
allows that. Tensors that share memory are written each for itself: which of two names a loader ties
to the other is for the architecture to know, so that none may be left out here.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from graft.server.conversion.names import INDEX, REFUSED, target_of
from graft.server.runtime.apart import within


class RefusedWeightsError(Exception):
    """Weights that are no plain tensors by name."""


def convert(source: Path, target: Path) -> None:
    """Writes a pickle's tensors to a safetensors file, and reads it to see that they are the same.

    Raises:
        RefusedWeightsError: something else than tensors.
    """
    tensors = _load(source)
    try:
        save_file(tensors, target, metadata={"format": "pt"})
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise RefusedWeightsError(f"{source.name} cannot be written: {error}") from error
    with safe_open(target, framework="pt") as written:
        for name, tensor in tensors.items():
            if not _same(written.get_tensor(name), tensor):
                raise RefusedWeightsError(f"{name} in {source.name} did not come out the same.")


def write_index(source: Path, folder: Path) -> None:
    """The index of sharded weights, with the names of the new files.

    Raises:
        RefusedWeightsError: it is no index.
    """
    try:
        index = json.loads(source.read_bytes())
        weight_map = {str(k): target_of(str(v)) for k, v in index["weight_map"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RefusedWeightsError(f"{source.name} is no index of weights.") from error
    written = {name for file in set(weight_map.values()) for name in _names(folder / file)}
    if written != weight_map.keys():
        raise RefusedWeightsError(f"{source.name} names other tensors than its files hold.")
    metadata = index.get("metadata") if isinstance(index.get("metadata"), dict) else {}
    made = {"metadata": metadata, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(made, indent=2) + "\n")


def _load(path: Path) -> dict[str, torch.Tensor]:
    loaded = None
    for mapped in (True, False):  # files of PyTorch before 1.6 cannot be mapped
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            break
        except (RuntimeError, ValueError) as error:
            if not mapped:
                raise RefusedWeightsError(f"{path.name} cannot be read: {error}") from error
        except (pickle.UnpicklingError, EOFError, OSError, AttributeError, KeyError) as error:
            first = str(error).partition("\n")[0]
            raise RefusedWeightsError(f"{path.name} holds more than tensors: {first}") from error
    return _tensors(loaded, path.name)


def _tensors(loaded: Any, name: str) -> dict[str, torch.Tensor]:
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise RefusedWeightsError(f"{name} is a {type(loaded).__name__}, not tensors by name.")
    for key, tensor in loaded.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise RefusedWeightsError(f"{key!r} in {name} is a {type(tensor).__name__}, no tensor.")
        if tensor.is_quantized or tensor.layout != torch.strided or tensor.is_complex():
            raise RefusedWeightsError(f"{key!r} in {name} is of a kind that safetensors lacks.")
    return _apart({key: tensor.detach() for key, tensor in loaded.items()})


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors, none of which shares its memory with another."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage().data_ptr()
        whole = tensor.is_contiguous() and tensor.nbytes == tensor.untyped_storage().nbytes()
        apart[name] = tensor if whole and memory not in seen else tensor.clone().contiguous()
        seen.add(memory)
    return apart


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    # By their bytes: what is not a number equals nothing, itself included.
    return torch.equal(_bytes(one), _bytes(other))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else tensor


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as opened:
        return list(opened.keys())


def main(arguments: list[str]) -> int:
    """Converts all weights in a folder to another: SOURCE TARGET MEMORY_BYTES SECONDS."""
    source, target = Path(arguments[0]), Path(arguments[1])
    memory, seconds = int(arguments[2]), int(arguments[3])
    within(memory, seconds)
    torch.set_num_threads(1)
    try:
        for path in sorted(source.glob("*.bin")):
            convert(path, target / target_of(path.name))
        if (source / INDEX).exists():
            write_index(source / INDEX, target)
    except RefusedWeightsError as error:
        print(error)
        return REFUSED
    except MemoryError:
        print(f"The weights need more memory than the {memory} bytes that this may take.")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
