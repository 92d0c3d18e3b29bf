"""Arrays that lie in a file as plain bytes, at places that are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graft.models.weights.file import Entry, WeightsFile, damaged


@dataclass(frozen=True)
class Place:
    """Where an array is.

    Attributes:
        spans: The offset and the number of its bytes in the file; large arrays have several.
        shape: Its sizes, the last of which lies together.
        dtype: Of its numbers, the least significant byte first.
        swapped: Whether its two dimensions are the other way round than PyTorch has them.
    """

    spans: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    swapped: bool = False

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(size for _, size in self.spans)


class RawFile(WeightsFile):
    """A file of arrays.

    Args:
        path: The file.
        places: The arrays, by names.
    """

    def __init__(self, path: Path, places: Mapping[str, Place]) -> None:
        self.path = path
        self.places = places
        self.entries = {
            name: Entry(place.shape[::-1] if place.swapped else place.shape, place.dtype)
            for name, place in places.items()
        }

    def read(self, name: str) -> Tensor:
        """The tensor, in memory of its own.

        Raises:
            ModelError: The file ends before it.
        """
        place = self.places[name]
        content = bytearray(place.size)
        view, filled = memoryview(content), 0
        with self.path.open("rb") as file:
            for offset, size in place.spans:
                file.seek(offset)
                filled += file.readinto(view[filled : filled + size])
        if filled < len(content):
            raise damaged(self.path, f"it ends within {name}")
        if not content:
            return torch.empty(self.entries[name].shape, dtype=place.dtype)
        tensor = torch.frombuffer(content, dtype=place.dtype).view(place.shape)
        return tensor.T if place.swapped else tensor
