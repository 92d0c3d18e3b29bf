"""How a `sentence-transformers` repository says what is made of a text's states.

`modules.json` lists what happens in turn: the transformer, the pooling, projections, the
normalisation. Each but the first has a folder with its settings.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from graft.errors import ModelError
from graft.files import read_settings
from graft.models.config import Activation, Config, Pooling, Projection, Sentence
from graft.models.families.family import Stored, TensorNames
from graft.models.saving import save_tensors
from graft.models.weights.file import JoinedFile, WeightsFile
from graft.models.weights.find import open_weights

MODULES = "modules.json"
PATTERNS = (
    MODULES,
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/*",
)
"""The files of such a repository beyond those of its transformer."""

_KEPT = ("sentence_bert_config.json", "config_sentence_transformers.json")
_POOLINGS: dict[str, Pooling] = {
    "cls": "first",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt",
    "weightedmean": "weighted",
    "lasttoken": "last",
}
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS: dict[str, Activation | None] = {
    "torch.nn.modules.linear.Identity": None,
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.SiLU": "silu",
}


class SentenceFiles:
    """What a folder's `modules.json` says.

    Args:
        folder: Of the repository.

    Raises:
        ModelError: It is malformed, or names a module that Graft does not have.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / MODULES
        modules = [self._module(entry) for entry in _read_list(self.path)]
        kinds = [kind for kind, _ in modules]
        asked = ["Transformer", "Pooling", *(kind for kind in kinds if kind == "Dense")]
        asked += ["Normalize"] * ("Normalize" in kinds)
        if kinds != asked:
            raise ModelError(
                f"{self.path} lists {', '.join(kinds)}. Sentences are embedded by a Transformer, "
                "Pooling, any number of Dense and then Normalize; other modules are not supported."
            )
        self.transformer = folder / modules[0][1]
        self.pooling = folder / modules[1][1]
        self.dense = [folder / path for kind, path in modules if kind == "Dense"]
        self.normalized = "Normalize" in kinds

    def read(self) -> Sentence:
        """The head that it describes.

        Raises:
            ModelError: A setting makes no sense, or means a head that Graft does not have.
        """
        kept = [name for name in _KEPT if (self.folder / name).is_file()]
        return Sentence(
            _poolings(self.pooling / "config.json"),
            tuple(_projection(folder / "config.json") for folder in self.dense),
            self.normalized,
            {name: read_settings(self.folder / name) for name in kept},
        )

    def weights(self) -> WeightsFile:
        """The transformer's weights, and those of the projections, by `_dense_name`."""
        dense = {_dense_name(i, ""): open_weights(each) for i, each in enumerate(self.dense)}
        return JoinedFile({"": open_weights(self.transformer), **dense})

    def _module(self, entry: Any) -> tuple[str, str]:
        """The last part of a module's type, and its folder."""
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ModelError(f"{self.path} has a module without a type.")
        path = PurePosixPath(str(entry.get("path") or ""))
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(f"{self.path} names the folder {path}, which is not below its own.")
        return entry["type"].rpartition(".")[2], str(path)


def find_sentence_files(folder: Path) -> SentenceFiles | None:
    """The files of a `sentence-transformers` repository; None where a folder is of something else.

    Raises:
        ModelError: It says how to embed sentences in a way that Graft does not have.
    """
    path = folder / MODULES
    if not path.is_file() or ".Pooling" not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    return SentenceFiles(folder)


def projection_names(config: Config) -> TensorNames:
    """How the weights of projections are kept."""
    return {
        f"head.projections.{i}.{kind}": Stored((_dense_name(i, f"linear.{kind}"),))
        for i, each in enumerate(config.sentence.projections)
        for kind in ("weight", "bias")
        if kind == "weight" or each.bias
    }


def write_sentence(folder: Path, config: Config, state: Mapping[str, Tensor]) -> None:
    """Writes `modules.json` and what it names, as `sentence-transformers` loads it.

    Args:
        folder: Has the transformer already.
        config: Of the model.
        state: Its tensors.

    Raises:
        OSError: A file cannot be written, as on a full disk.
    """
    shape = config.sentence
    width = config.hidden_size
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    _write(folder / "1_Pooling" / "config.json", _pooling_settings(shape, width))
    width *= len(shape.pooling)
    for i, each in enumerate(shape.projections):
        name = f"{len(modules)}_Dense"
        modules.append(("Dense", name))
        _write(folder / name / "config.json", _projection_settings(each, width))
        stored = {
            f"head.projections.{i}.{kind}": Stored((f"linear.{kind}",))
            for kind in ("weight", "bias")
        }
        save_tensors(state, stored, folder / name, 1 << 60)
        width = each.outputs
    if shape.normalized:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    _write(folder / MODULES, listed)
    for name, settings in shape.extra.items():
        _write(folder / name, settings)


def _dense_name(index: int, name: str) -> str:
    return f"sentence.dense.{index}.{name}"


def _read_list(path: Path) -> list[Any]:
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}. Fetch it again.") from error
    if not isinstance(modules, list):
        raise ModelError(f"{path} holds {type(modules).__name__}, not a list of modules.")
    return modules


def _poolings(path: Path) -> tuple[Pooling, ...]:
    settings = read_settings(path) if path.is_file() else {}
    flags = [mode for flag, mode in _FLAGS.items() if settings.get(flag) is True]
    modes = settings.get("pooling_mode", flags or ["mean"])
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not all(mode in _POOLINGS for mode in modes):
        raise ModelError(f"{path}: pooling_mode is {modes!r}; there is {', '.join(_POOLINGS)}.")
    return tuple(_POOLINGS[mode] for mode in modes)


def _pooling_settings(shape: Sentence, width: int) -> dict[str, Any]:
    theirs = {ours: mode for mode, ours in _POOLINGS.items()}
    modes = [theirs[how] for how in shape.pooling]
    flags = {flag: mode in modes for flag, mode in _FLAGS.items()}
    settings = {"word_embedding_dimension": width, **flags}
    in_order = [mode for mode in _FLAGS.values() if mode in modes] == modes
    return settings if in_order else settings | {"pooling_mode": modes}


def _projection(path: Path) -> Projection:
    settings = read_settings(path)
    name = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    if name not in _ACTIVATIONS:
        known = ", ".join(each.rpartition(".")[2] for each in _ACTIVATIONS)
        raise ModelError(f"{path}: activation_function {name!r} is not one of {known}.")
    reads = {settings.get(f"module_{way}_name") for way in ("input", "output")}
    if settings.get("use_residual") or not reads <= {None, "sentence_embedding"}:
        raise ModelError(
            f"{path} describes a projection with a residual, or of something other than the "
            "sentence's embedding, which is not supported."
        )
    outputs, bias = settings.get("out_features"), settings.get("bias", True)
    if type(outputs) is not int or outputs < 1 or not isinstance(bias, bool):
        raise ModelError(f"{path}: out_features is {outputs!r} and bias {bias!r}.")
    return Projection(outputs, bias, _ACTIVATIONS[name])


def _projection_settings(shape: Projection, width: int) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
    return {
        "in_features": width,
        "out_features": shape.outputs,
        "bias": shape.bias,
        "activation_function": names[shape.activation],
    }


def _write(path: Path, settings: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
