"""From a model's files to a model: what the files say, and weights put into place."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graft.errors import ModelError
from graft.files import read_settings
from graft.models.checkpoint import Checkpoint, plain_stored
from graft.models.config import Config
from graft.models.families import FAMILIES, Family
from graft.models.families.family import Stored, TensorNames
from graft.models.heads import HEADS, VocabularyHead
from graft.models.labels import (
    answers,
    label_dimensions,
    label_order,
    saved_labels,
    spell,
    without_labels,
)
from graft.models.report import LoadReport, WrongShape
from graft.models.sentence_files import PATTERNS, SentenceFiles, find_sentence_files
from graft.models.weights.file import WeightsFile
from graft.models.weights.find import fetch, open_weights
from graft.models.weights.llama2c import Llama2cFile, read_header

log = logging.getLogger(__name__)

SENTENCE = "sentence-similarity"
_OTHERS = ("config.json", "generation_config.json", *PATTERNS)


class UnknownFamilyError(ModelError):
    """A model of an architecture that Graft does not have.

    Attributes:
        folder: Its files.
        settings: What its `config.json` says.
        embeds: Whether it is one for sentences.
    """

    def __init__(self, source: str, folder: Path, settings: dict[str, Any], embeds: bool) -> None:
        super().__init__(
            f"{source} is a model of type {settings.get('model_type')!r}, which Graft does not "
            f"have. It has: {', '.join(FAMILIES)}."
        )
        self.folder, self.settings, self.embeds = folder, settings, embeds


@dataclass(frozen=True)
class Files:
    """A model's files.

    Attributes:
        source: What the user called them.
        path: The `config.json`, or what says the same.
        settings: What it says.
        family: The architecture.
        task: The task of the saved head; None where there is none.
        labels: The names of its labels.
        open: Opens the weights.
        sentence: How texts are embedded, where a `modules.json` tells.
    """

    source: str
    path: Path
    settings: dict[str, Any]
    family: Family
    task: str | None
    labels: tuple[str, ...]
    open: Callable[[], WeightsFile]
    sentence: SentenceFiles | None = None

    def weights(self, task: str | None) -> WeightsFile:
        """The weights of a model for a task.

        Raises:
            ModelError: There are none, or their file is damaged or wants to run code.
        """
        if task == SENTENCE and self.sentence is not None:
            return self.sentence.weights()
        return self.open()

    def config(
        self, task: str | None, labels: Sequence[str] | None, several_labels: bool | None
    ) -> Config:
        """The shape of a model for a task.

        Raises:
            ModelError: A setting makes no sense, or means a model that Graft does not have, or
                models of its family have no head for the task.
        """
        try:
            shape = self.family.read_config(without_labels(self.settings))
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None
        shape = self._for_task(shape, task)
        names = tuple(labels or self.labels) if task else ()
        said = answers(self.settings, self.labels)
        # Labels of one's own are classes, whatever the saved head gives.
        saved = task == self.task and names == self.labels != () and several_labels is None
        return replace(
            shape,
            labels=names,
            several_labels=said["several_labels"] if several_labels is None else several_labels,
            measures=said["measures"] and saved,
        )

    def _for_task(self, shape: Config, task: str | None) -> Config:
        if task != SENTENCE:
            shape = self.family.for_task(shape, task, self.settings.get("architectures") or ())
            self.family.architecture(task, shape)
            return shape
        shape = replace(shape, decoder=None) if self.family.encoders else shape
        return shape if self.sentence is None else replace(shape, sentence=self.sentence.read())


def find_files(source: str | Path, revision: str | None = None) -> Files:
    """The files of a folder or a repository, or a model of llama2.c, which is a file alone.

    Raises:
        HubError: `source` is neither a folder nor a repository that can be fetched.
        ModelError: There is no model in it, or none of an architecture that Graft has.
    """
    given = Path(source).expanduser()
    if given.suffix == ".bin" and given.is_file():
        return _of_llama2c(Llama2cFile(given))
    folder = fetch(source, _OTHERS, revision)
    sentence = find_sentence_files(folder)
    if sentence is not None:
        folder = sentence.transformer
    path = folder / "config.json"
    if not path.is_file():
        alone = [file for file in sorted(folder.glob("*.bin")) if read_header(file) is not None]
        if len(alone) > 1:
            names = ", ".join(file.name for file in alone)
            raise ModelError(f"{source} has several models: {names}. Give the path of one.")
        if alone:
            return _of_llama2c(Llama2cFile(alone[0]))
        raise ModelError(f"{source} is not a model: it has no config.json.")
    settings = read_settings(path)
    return _files(str(source), path, settings, lambda: open_weights(folder), sentence)


def _files(
    source: str,
    path: Path,
    settings: dict[str, Any],
    opener: Callable[[], WeightsFile],
    sentence: SentenceFiles | None = None,
) -> Files:
    family = FAMILIES.get(str(settings.get("model_type")))
    if family is None:
        raise UnknownFamilyError(source, path.parent, settings, sentence is not None)
    if settings.get("quantization_config"):
        raise ModelError(
            f"{path}: quantization_config says that the weights were quantised, which is not "
            "supported. Load the original."
        )
    task = _saved_task(settings, family) if sentence is None else SENTENCE
    try:
        labels = saved_labels(settings) if task is not None and HEADS[task].named else ()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return Files(source, path, settings, family, task, labels, opener, sentence)


def _of_llama2c(file: Llama2cFile) -> Files:
    return _files(str(file.path), file.path, file.header.settings(), lambda: file)


def _saved_task(settings: dict[str, Any], family: Family) -> str | None:
    saved = settings.get("architectures") or []
    known = (*family.architectures.items(), *family.encoders.items())
    return next((task for task, name in known if name in saved), None)


def as_dtype(dtype: torch.dtype | str, checkpoint: Checkpoint) -> torch.dtype:
    """The format of numbers that is asked for; "auto" is the file's own.

    Raises:
        ModelError: It is none, or one that cannot be computed in.
    """
    if dtype == "auto":
        dtype = checkpoint.dtype()
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if found not in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        raise ModelError(
            f"dtype is {dtype!r}; it may be 'float32', 'bfloat16', 'float16', 'float64' or 'auto'."
        )
    return found


@contextmanager
def without_weights() -> Iterator[None]:
    """Modules that are made in this context have no memory, and nothing is drawn for them."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves out what draws weights.

    PyTorch has these draws on its meta device, but to do nothing there it first imports packages
    that take longer, and more memory, than many a model.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        draws = getattr(func, "__module__", None) == nn.init.__name__
        if draws or func in (Tensor.normal_, Tensor.uniform_):
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


class Loader:
    """Puts the weights of files into a model made on the meta device.

    Args:
        model: The model.
        names: How files keep its tensors.
        files: The files.
        checkpoint: Their weights.
    """

    def __init__(
        self, model: Any, names: TensorNames, files: Files, checkpoint: Checkpoint
    ) -> None:
        self.model, self.files, self.checkpoint = model, files, checkpoint
        self.names = {ours: plain_stored(s, files.family) for ours, s in names.items()}

    def load(self, dtype: torch.dtype, device: torch.device) -> LoadReport:
        """Fills the model.

        Raises:
            ModelError: The files lack a tensor of the body, have it in another shape, or with
                values that are not finite.
        """
        self._untie()
        old = self.files.labels if self.model.task == self.files.task else ()
        order = label_order(old, self.model.labels)
        unfit = bool(self.model.labels) and order is None
        shapes = {name: tuple(tensor.shape) for name, tensor in _tensors(self.model).items()}
        self._places = _places(self.model)
        found = {name: self.names[name] for name in shapes if self._found(name)}
        found = {ours: s for ours, s in found.items() if not (unfit and label_dimensions(ours))}
        wrong = self._wrong(found, shapes)
        missing = tuple(name for name in shapes if name not in found or name in wrong)
        self._check_body(missing, wrong)
        moved = order is not None and order != sorted(order)
        for ours, stored in found.items():
            if ours in wrong:
                continue
            tensor = self.checkpoint.tensor(stored, dtype, device)
            for dimension in label_dimensions(ours) if moved else ():
                tensor = tensor.index_select(dimension, torch.tensor(order, device=device))
            self._put(ours, tensor)
        self._make_anew(missing, dtype, device)
        self._tell(old, unfit, list(wrong.values()))
        loaded = tuple(ours for ours in found if ours not in wrong)
        return LoadReport(
            loaded, missing, self._left_over(found), tuple(wrong.values()), self.checkpoint.path
        )

    def _found(self, name: str) -> bool:
        return name in self.names and self.checkpoint.has(self.names[name])

    def _untie(self) -> None:
        """Gives the head weights of its own where the file's are not those of the embedding.

        Files tell more than `config.json`, which says of some models that they are tied while they
        are not.
        """
        model, stored = self.model, self.names.get("head.weight")
        if not isinstance(model.head, VocabularyHead) or model.head.weight is not None:
            return
        shared = model.body.vocabulary
        embedding = next(name for name, p in model.named_parameters() if p is shared)
        if stored is None or not self._found("head.weight") or not self._found(embedding):
            return
        if not self.checkpoint.same(stored, self.names[embedding]):
            model.config = model.config.untied()
            with without_weights():
                model.head = model.make_head()

    def _wrong(
        self, found: dict[str, Stored], shapes: dict[str, tuple[int, ...]]
    ) -> dict[str, WrongShape]:
        """What the file has in another shape."""
        return {
            ours: WrongShape(ours, self.checkpoint.shape(stored), shapes[ours])
            for ours, stored in found.items()
            if not self.checkpoint.fits(stored, shapes[ours])
        }

    def _check_body(self, missing: Sequence[str], wrong: dict[str, WrongShape]) -> None:
        """Refuses a file that has not all of the body."""
        path = self.checkpoint.path
        for ours, shapes in wrong.items():
            if not ours.startswith("head."):
                raise ModelError(
                    f"{path}: {' + '.join(self.names[ours].names)} has shape {list(shapes.found)}, "
                    f"but {self.files.path.name} asks for {list(shapes.wanted)}. They are not of "
                    "one model."
                )
        broken = [name for name in missing if not name.startswith("head.")]
        absent = [
            name
            for ours in broken
            for name in self.names[ours].names
            if name not in self.checkpoint.names
        ]
        if absent:
            raise ModelError(
                f"{path} lacks {len(absent)} tensors of a {self.files.family.name} model, such as "
                f"{', '.join(absent[:3])}. It is of another model than {self.files.path.name}, or "
                "not whole."
            )

    def _put(self, name: str, tensor: Tensor) -> None:
        """Makes a tensor a parameter, or a buffer, in each place that has this one."""
        places = self._places[name]
        module, leaf = places[0]
        new = nn.Parameter(tensor) if leaf in module._parameters else tensor
        for module, leaf in places:
            setattr(module, leaf, new)

    def _make_anew(self, missing: Sequence[str], dtype: torch.dtype, device: torch.device) -> None:
        """Draws the tensors of the head that the file lacks, the same for a seed on any device."""
        if not missing:
            return
        with torch.device("cpu"):
            drawn = self.model.make_head().state_dict()
        for name in missing:
            self._put(name, drawn[name.removeprefix("head.")].to(device, dtype))

    def _left_over(self, found: dict[str, Stored]) -> tuple[str, ...]:
        used = {name for s in found.values() for name in (*s.names, *s.copies)}
        ignored = self.files.family.ignored or ("\0",)
        names = self.checkpoint.names
        return tuple(name for name in names if name not in used and not name.endswith(ignored))

    def _tell(self, old: tuple[str, ...], unfit: bool, wrong: list[WrongShape]) -> None:
        """Warns that a saved head was not taken."""
        source = self.files.source
        if old and unfit:
            log.warning(
                "%s: its head answers %s; yours answers %s. The body is kept, a new head is made.",
                source,
                spell(old),
                spell(self.model.labels),
            )
        elif wrong:
            log.warning(
                "%s: tensors of its head have other shapes (%s), and are made anew.",
                source,
                ", ".join(str(entry) for entry in wrong[:3]),
            )


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _places(model: nn.Module) -> dict[str, list[tuple[nn.Module, str]]]:
    """Where each of these is: in several modules where they share it."""
    of_tensor: dict[Tensor, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        for leaf, tensor in own:
            of_tensor.setdefault(tensor, []).append((module, leaf))
    return {name: of_tensor[tensor] for name, tensor in _tensors(model).items()}
