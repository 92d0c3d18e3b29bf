"""safetensors: a header of JSON, then the tensors; mapped into memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor

from graft.models.weights.file import Entry, MappedFile, damaged


class SafeFile(MappedFile):
    """A `.safetensors` file.

    Raises:
        ModelError: It is truncated or damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        views = ((name, self._kept(name)) for name in self._names)
        self.entries = {name: Entry(tuple(view.shape), view.dtype) for name, view in views}

    def _open(self) -> Callable[[str], Tensor]:
        try:
            file: Any = safetensors.safe_open(str(self.path), framework="pt")
        except (safetensors.SafetensorError, OSError) as error:
            raise damaged(self.path, error) from error
        self._names = [str(name) for name in file.keys()]  # noqa: SIM118  it is no mapping
        read: Callable[[str], Tensor] = file.get_tensor
        return read
