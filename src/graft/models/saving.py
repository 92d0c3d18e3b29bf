"""Writing weights as `transformers` loads them."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.families.family import Stored, TensorNames
from graft.models.weights.find import FORMATS

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def save_tensors(
    state: Mapping[str, Tensor], names: TensorNames, folder: Path, largest: int | str
) -> None:
    """Writes tensors under the family's names; stacked ones are taken apart again.

    Args:
        state: Our tensors.
        names: How files keep them.
        folder: Gets `model.safetensors`, or shards of it and their index.
        largest: Bytes of a file, as a number or with a unit ("5GB"); what is above is sharded.

    Raises:
        ModelError: `largest` is no size.
        OSError: A file cannot be written, as on a full disk.
    """
    stored = [(state[ours], kept) for ours, kept in names.items() if ours in state]
    shards = list(_shards(stored, _bytes(largest)))
    if len(shards) == 1:
        _write(shards[0], folder / FORMATS[0].file)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        places |= dict.fromkeys(_write(shard, folder / name), name)
    total = sum(tensor.nbytes for tensor, _ in stored)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    text = json.dumps(index, indent=2) + "\n"
    (folder / FORMATS[0].index).write_text(text, encoding="utf-8")


def remove_others(folder: Path, written: frozenset[str]) -> None:
    """Removes safetensors of an earlier save: weights in one file would come before new shards."""
    kind = FORMATS[0]
    old = [folder / kind.file, folder / kind.index, *folder.glob(kind.shards)]
    for path in old:
        if path.name not in written:
            path.unlink(missing_ok=True)


def _shards(
    stored: list[tuple[Tensor, Stored]], largest: int
) -> Iterator[list[tuple[Tensor, Stored]]]:
    """Tensors in their order, as many as a file may hold."""
    shard: list[tuple[Tensor, Stored]] = []
    size = 0
    for tensor, kept in stored:
        if shard and size + tensor.nbytes > largest:
            yield shard
            shard, size = [], 0
        shard.append((tensor, kept))
        size += tensor.nbytes
    yield shard


def _write(shard: list[tuple[Tensor, Stored]], path: Path) -> list[str]:
    """Writes a file, and gives the names of what is in it."""
    tensors: dict[str, Tensor] = {}
    for tensor, kept in shard:
        tensors |= dict(_parts(tensor.detach().cpu(), kept))
    try:
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        # The system's error comes as words alone; its number tells a full disk from a bug.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    return list(tensors)


def _parts(tensor: Tensor, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    """A tensor as files keep it: taken apart, each part under its name."""
    if stored.shape:
        tensor = tensor.view(stored.shape)
    parts = tensor.split(stored.sizes) if stored.sizes else tensor.chunk(len(stored.names))
    for name, part in zip(stored.names, parts, strict=True):
        yield name, (part.T if stored.transposed else part).contiguous()
    for name in stored.copies if stored.twice else ():
        yield name, tensor.clone()


def _bytes(size: int | str) -> int:
    """A number of bytes.

    Raises:
        ModelError: It is none, or not above zero.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?b)\s*", str(size), re.IGNORECASE)
    if found is not None:
        size = int(float(found[1]) * _UNITS[found[2].upper()])
    if not isinstance(size, int) or size < 1:
        raise ModelError(f'max_shard_size is {size!r}; give bytes, or a size such as "5GB".')
    return size
