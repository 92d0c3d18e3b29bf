"""Weights put into place: a model made without memory, filled from its files."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graft.errors import ModelError
from graft.models.checkpoint import Checkpoint, plain_stored
from graft.models.families.family import Stored, TensorNames
from graft.models.heads import HEADS, VocabularyHead
from graft.models.labels import label_dimensions, label_order, spell
from graft.models.model_files import Files
from graft.models.report import LoadReport, WrongShape

log = logging.getLogger(__name__)


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


def as_device(device: torch.device | str) -> torch.device:
    """The device that is asked for.

    Raises:
        ModelError: This machine has none of that name.
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise ModelError(f"device is {str(device)!r}, which is not there: {why}") from error
    return found


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
        self._tell(old, unfit, missing, list(wrong.values()))
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
                stored = self.names[ours]
                raise ModelError(
                    f"{path}: {' + '.join(stored.names)} has shape "
                    f"{self.checkpoint.spell_shape(stored)}, but {self.files.path.name} asks for "
                    f"{list(shapes.wanted)}. They are not of one model."
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

    def _tell(
        self,
        old: tuple[str, ...],
        unfit: bool,
        missing: Sequence[str],
        wrong: list[WrongShape],
    ) -> None:
        """Warns that a head is new, but for labels of one's own, which nothing can have learned."""
        source, task = self.files.source, self.model.task
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
        elif missing and (task == self.files.task or not HEADS[task].named):
            log.warning(
                "%s: its weights lack those of the head for %s (%s). They are made anew: train it "
                "before use.",
                source,
                task,
                ", ".join(missing[:3]),
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
