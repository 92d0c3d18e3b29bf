"""What all files of weights have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from graft.errors import ModelError

_PIECE = 4 << 20  # bytes that are in memory at once while a tensor is copied from a mapped file,
_SHARE = 256  # or this part of the file: mapping it anew takes a moment


@dataclass(frozen=True)
class Entry:
    """What a file says of a tensor before it is read."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class WeightsFile(ABC):
    """The tensors of a file, each read when it is asked for.

    Attributes:
        path: The file.
        entries: What there is, by the names and in the layout that PyTorch has them.
    """

    path: Path
    entries: Mapping[str, Entry]

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """A tensor on the CPU, to keep: mapped from the file where its format allows that."""

    def pieces(self, name: str) -> Iterator[Tensor]:
        """A tensor's rows in turn, to be copied; each piece is forgotten when the next is read."""
        yield self.read(name)


class MappedFile(WeightsFile):
    """A file whose tensors are views of its pages, so that reading one costs no memory.

    Pages that were looked at count as the process's memory for as long as the mapping lives. What
    is only copied therefore comes from a mapping of its own, made anew every few megabytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = self._open()
        self._passing: Callable[[str], Tensor] | None = None
        self._passed = 0
        self._piece = max(_PIECE, path.stat().st_size // _SHARE)

    @abstractmethod
    def _open(self) -> Callable[[str], Tensor]:
        """Maps the file; from names to views."""

    def read(self, name: str) -> Tensor:
        """A view of the file: what is written to it stays in this process."""
        return self._kept(name)

    def pieces(self, name: str) -> Iterator[Tensor]:
        """A tensor's rows in turn, views of the file."""
        shape, dtype = self.entries[name].shape, self.entries[name].dtype
        rows = shape[0] if shape else 1
        row = max(1, prod(shape[1:]))
        step = max(1, self._piece // (row * dtype.itemsize))
        for start in range(0, rows, step):
            read = self._pass(min(step, rows - start) * row * dtype.itemsize)
            yield read(name)[start : start + step] if shape else read(name)
            del read

    def _pass(self, size: int) -> Callable[[str], Tensor]:
        """A mapping of which no more than a piece was looked at."""
        self._passed += size
        if self._passing is None or self._passed > self._piece:
            self._passing, self._passed = None, size
            self._passing = self._open()
        return self._passing


class JoinedFile(WeightsFile):
    """Several files as one.

    Args:
        files: From what is put before the names of a file's tensors to the file; the first is the
            one that errors name.
    """

    def __init__(self, files: Mapping[str, WeightsFile]) -> None:
        self.path = next(iter(files.values())).path
        self._places = {
            prefix + name: (file, name) for prefix, file in files.items() for name in file.entries
        }
        self.entries = {name: file.entries[n] for name, (file, n) in self._places.items()}

    def read(self, name: str) -> Tensor:
        """The tensor from its file."""
        file, inner = self._places[name]
        return file.read(inner)

    def pieces(self, name: str) -> Iterator[Tensor]:
        """The tensor's rows from its file."""
        file, inner = self._places[name]
        return file.pieces(inner)


def damaged(path: Path, error: Exception | str) -> ModelError:
    """The error of a file that cannot be read."""
    return ModelError(f"{path} is truncated or damaged ({error}). Fetch or copy the file again.")
