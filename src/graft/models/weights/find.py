"""Which files hold a model's weights, in a folder or on a hub."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.errors import ModelError
from graft.hub.client import local_folder
from graft.models.weights.file import WeightsFile
from graft.models.weights.flax import open_flax
from graft.models.weights.keras import KerasFile
from graft.models.weights.pickled import PickledFile
from graft.models.weights.safe import SafeFile
from graft.models.weights.sharded import ShardedFile


@dataclass(frozen=True)
class Format:
    """A way to keep weights.

    Attributes:
        file: The name of the file.
        open: Reads one.
        shards: What the names of parts are like, where a model is in several.
        renamed: Whether an index calls tensors as the other framework does, and not as PyTorch.
    """

    file: str
    open: Callable[[Path], WeightsFile]
    shards: str
    renamed: bool = False

    @property
    def index(self) -> str:
        """The name of the file that says which parts there are."""
        return f"{self.file}.index.json"


FORMATS = (
    Format("model.safetensors", SafeFile, "model-*.safetensors"),
    Format("pytorch_model.bin", PickledFile, "pytorch_model-*.bin"),
    Format("tf_model.h5", KerasFile, "tf_model-*.h5", renamed=True),
    Format("flax_model.msgpack", open_flax, "flax_model-*.msgpack", renamed=True),
)
"""Those that are looked for, the best first."""


def fetch(source: str | Path, others: Sequence[str], revision: str | None = None) -> Path:
    """The folder of a model, with its weights in the best format it has, and other files.

    Args:
        source: A folder, or a repository id.
        others: Patterns of other files that are wanted.
        revision: A branch, tag or commit of the repository.

    Raises:
        HubError: `source` is neither a folder nor a repository that can be fetched.
    """
    folder = None
    for kind in FORMATS:
        patterns = [*others, kind.file, kind.index, kind.shards]
        folder = local_folder(source, revision=revision, patterns=patterns)
        if find_weights(folder) is not None:
            return folder
    assert folder is not None
    return folder


def find_weights(folder: Path) -> tuple[Format, Path] | None:
    """The file of weights in a folder, or the index of several; None where there is none."""
    for kind in FORMATS:
        for name in (kind.file, kind.index):
            if (folder / name).is_file():
                return kind, folder / name
    return None


def open_weights(folder: Path) -> WeightsFile:
    """The weights in a folder.

    Raises:
        ModelError: There are none, or their file is damaged or wants to run code.
        MissingExtraError: Their format needs a package that is not installed.
    """
    found = find_weights(folder)
    if found is None:
        names = ", ".join(kind.file for kind in FORMATS[:-1])
        raise ModelError(f"{folder} has no weights: expected {names} or {FORMATS[-1].file}.")
    kind, path = found
    if path.name == kind.index:
        return ShardedFile(path, kind.open, renamed=kind.renamed)
    return kind.open(path)
