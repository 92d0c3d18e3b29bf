"""Weights in several files, and the index that says which tensor is in which."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from torch import Tensor

from graft.errors import ModelError
from graft.files import read_settings
from graft.models.weights.file import WeightsFile


class ShardedFile(WeightsFile):
    """The shards that an index names (`model.safetensors.index.json`), as one file.

    Args:
        path: The index.
        open_file: Opens a shard.
        renamed: Whether the index calls tensors as another framework does: it then tells the shards
            alone.

    Raises:
        ModelError: The index is malformed, a shard is missing or damaged, or lacks a tensor.
    """

    def __init__(
        self, path: Path, open_file: Callable[[Path], WeightsFile], *, renamed: bool = False
    ) -> None:
        self.path = path
        places = _read_index(path)
        shards = sorted(set(places.values()))
        missing = [shard for shard in shards if not (path.parent / shard).is_file()]
        if missing:
            raise ModelError(
                f"{path} names {len(shards)} shards, and {len(missing)} of them are missing: "
                f"{', '.join(missing[:4])}. Fetch them into the same folder."
            )
        opened = {shard: open_file(path.parent / shard) for shard in shards}
        if renamed:
            places = {name: shard for shard, file in opened.items() for name in file.entries}
        for name, shard in places.items():
            if name not in opened[shard].entries:
                raise ModelError(
                    f"{path} says that {shard} has {name}, which it lacks. They are not of one "
                    "model: fetch all files again."
                )
        self._files = {name: opened[shard] for name, shard in places.items()}
        self.entries = {name: file.entries[name] for name, file in self._files.items()}

    def read(self, name: str) -> Tensor:
        """The tensor from its shard."""
        return self._files[name].read(name)

    def pieces(self, name: str) -> Iterator[Tensor]:
        """The tensor's rows from its shard."""
        return self._files[name].pieces(name)


def _read_index(path: Path) -> dict[str, str]:
    """The shard of each tensor."""
    places = read_settings(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError(f"{path} has no weight_map: a table of tensors and their files.")
    for name, shard in places.items():
        if not isinstance(shard, str) or shard != PurePath(shard).name or shard in ("", ".."):
            raise ModelError(
                f"{path} puts {name} into {shard!r}, which is not the name of a file beside it."
            )
    return places
