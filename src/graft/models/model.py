"""The model: a pretrained body with a task's head, loaded, saved and shared by name."""

import json
import logging
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from graft.errors import ModelError
from graft.files import atomic_folder
from graft.hub.client import local_folder, push_folder
from graft.models.batch import Batch
from graft.models.checkpoint import (
    WEIGHTS,
    LoadReport,
    load_tensors,
    open_checkpoint,
    plain_name,
    read_config,
    save_tensors,
)
from graft.models.config import Config
from graft.models.families import FAMILIES, Family
from graft.models.families.family import TensorNames
from graft.models.heads import HEADS
from graft.models.transformer import Encoder

log = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class Output:
    """What a model answers.

    Attributes:
        logits: `[sequences, labels]` for sequence heads; None without a head.
        hidden: `[tokens, hidden]`, the last hidden states, where there is no head or they were
            asked for. A sequence head reads first tokens alone, so that the others' are not made.
    """

    logits: Tensor | None = None
    hidden: Tensor | None = None


class Model(nn.Module):
    """A transformer encoder on packed batches, with a head where a task is given.

    Args:
        config: The shape of the body and the labels of the head.
        task: The task whose head to add; None for the body alone.
    """

    def __init__(self, config: Config, task: str | None = None) -> None:
        super().__init__()
        if task is not None and task not in HEADS:
            raise ModelError(f"There is no head for task {task!r}; there is {', '.join(HEADS)}.")
        if task is not None and not config.labels:
            raise ModelError(f"A head for {task} needs the names of its labels: labels=[...].")
        if len(set(config.labels)) < len(config.labels):
            twice = next(label for label in config.labels if config.labels.count(label) > 1)
            raise ModelError(f"Two labels have the name {twice!r}. Give each its own.")
        self.config = config
        self.task = task
        self.body = Encoder(config)
        self.head = None if task is None else HEADS[task](config)
        self.report: LoadReport | None = None
        self.apply(self._initialize)

    def forward(self, batch: Batch, *, hidden: bool = False) -> Output:
        """Runs the model.

        Args:
            batch: The sequences.
            hidden: Whether to give the hidden states of all tokens, next to the head's logits.

        Returns:
            Logits where there is a head; hidden states where there is none, or they are asked for.
        """
        if self.head is None:
            return Output(hidden=self.body(batch))
        if not hidden:
            return Output(self.head(self.body.firsts(batch)))
        states = self.body(batch)
        return Output(self.head(states[batch.starts[:-1]]), states)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the head's labels, in the order of the logits."""
        return self.config.labels

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        task: str | None = None,
        labels: Sequence[str] | None = None,
        several_labels: bool | None = None,
        revision: str | None = None,
    ) -> Self:
        """Loads the model of a folder or of a repository on the hub.

        Args:
            source: A folder, or a repository id.
            task: The task to give it a head for; by default the one it was saved with.
            labels: The labels of that head; by default the ones it was saved with. Where they are
                others than the checkpoint's, the body is kept and a new head is made.
            several_labels: Whether a text may carry several labels; by default as it was saved.
            revision: A branch, tag or commit of the repository.

        Raises:
            HubError: `source` is neither a folder nor a repository that can be fetched.
            ModelError: Its files are missing, damaged, or of an architecture Graft does not have.
        """
        folder = local_folder(source, revision=revision, patterns=["config.json", *WEIGHTS])
        raw = read_config(folder, str(source))
        family = _family(raw, str(source))
        saved_task = _saved_task(raw, family)
        task = task or saved_task
        if labels and task is None:
            raise ModelError(f"{source} has no head for {_spell(labels)}: say which, task=...")
        several = raw.get("problem_type") == "multi_label_classification"
        try:
            shape = family.read_config(_without_head(raw))
            saved_labels = _saved_labels(raw) if saved_task else ()
        except ModelError as error:
            raise ModelError(f"{folder / 'config.json'}: {error}") from None
        config = replace(
            shape,
            labels=tuple(labels or saved_labels) if task else (),
            several_labels=several if several_labels is None else several_labels,
        )
        with torch.device("meta"):
            model = cls(config, task)
        model._load(folder, family, saved_labels if task == saved_task else (), str(source))
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes `config.json` and `model.safetensors`, as `transformers` loads them."""
        family = FAMILIES[self.config.family]
        with atomic_folder(Path(folder)) as temporary:
            path = temporary / "config.json"
            path.write_text(
                json.dumps(self._raw_config(family), indent=2, ensure_ascii=False) + "\n",
                encoding="utf-8",
            )
            save_tensors(self.state_dict(), self._names(family), temporary / WEIGHTS[0])

    def push_to_hub(self, repo_id: str, *, private: bool = False, message: str = "") -> str:
        """Uploads `config.json` and `model.safetensors` in one commit.

        Args:
            repo_id: `owner/name`; made if it is not there.
            private: Whether a new repository is private.
            message: Of the commit.

        Returns:
            The address of the repository's page.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(
                folder, repo_id, private=private, message=message or "Upload a model"
            )

    def _raw_config(self, family: Family) -> dict[str, Any]:
        raw = {
            **family.write_config(self.config),
            "model_type": family.name,
            "architectures": [family.architectures[self.task]],
            "dtype": "float32",
        }
        if self.task is None:
            return raw
        several = self.config.several_labels
        kind = "multi_label_classification" if several else "single_label_classification"
        return {
            **raw,
            "id2label": {str(index): label for index, label in enumerate(self.labels)},
            "label2id": {label: index for index, label in enumerate(self.labels)},
            "problem_type": kind,
        }

    def _names(self, family: Family) -> TensorNames:
        """Our tensor names to the family's, as they are saved."""
        prefix = "" if self.task is None else family.prefix
        body = {
            f"body.{ours}": tuple(prefix + name for name in theirs)
            for ours, theirs in family.body(self.config).items()
        }
        if self.task is None:
            return body
        return body | {f"head.{ours}": names for ours, names in family.heads[self.task].items()}

    def _load(
        self, folder: Path, family: Family, saved_labels: tuple[str, ...], source: str
    ) -> None:
        """Fills a model made on the meta device from a checkpoint."""
        names = {
            ours: tuple(plain_name(name, family) for name in theirs)
            for ours, theirs in self._names(family).items()
        }
        order = _label_order(saved_labels, self.labels)
        if self.head is not None and order is None:
            names = {ours: theirs for ours, theirs in names.items() if "head.classify" not in ours}
        shapes = {name: tensor.shape for name, tensor in self.state_dict().items()}
        with open_checkpoint(folder, family) as checkpoint:
            tensors = load_tensors(checkpoint, names, shapes)
            used = {name for ours in tensors for name in names[ours]}
            left_over = tuple(n for n in checkpoint.names if n not in used)
        missing = tuple(name for name in shapes if name not in tensors)
        broken = [name for name in missing if not name.startswith("head.")]
        if broken:
            wanted = [name for ours in broken for name in names[ours]]
            absent = [name for name in wanted if name not in checkpoint.names]
            raise ModelError(
                f"{checkpoint.path} lacks {len(absent)} tensors of a {family.name} model, such as "
                f"{', '.join(absent[:3])}. It is of another model than config.json, or not whole."
            )
        for name in tensors if order and order != list(range(len(order))) else ():
            if name.startswith("head.classify"):
                tensors[name] = tensors[name][order]
        self._fill(tensors, missing)
        self.report = LoadReport(tuple(tensors), missing, left_over)
        if saved_labels and order is None and self.head is not None:
            log.warning(
                "%s: its head answers %s; yours answers %s. The body is kept, a new head is made.",
                source,
                _spell(saved_labels),
                _spell(self.labels),
            )

    def resize_vocabulary(self, size: int) -> None:
        """Gives the token embeddings another number of rows, for a tokenizer with added tokens.

        Rows that stay keep their weights; new ones are drawn as at first. Optimizers made before
        know the old weights: make them anew.

        Args:
            size: Rows, at least 1.
        """
        if size < 1:
            raise ModelError(f"A vocabulary of {size} tokens is none; give 1 or more.")
        old = self.body.embeddings.tokens
        weight = old.weight.detach()
        new = nn.Embedding(size, old.embedding_dim, device=weight.device, dtype=weight.dtype)
        self._initialize(new)
        kept = min(size, len(weight))
        with torch.no_grad():
            new.weight[:kept] = weight[:kept]
        self.body.embeddings.tokens = new
        self.config = replace(self.config, vocab_size=size)

    def _fill(self, tensors: dict[str, Tensor], missing: Sequence[str]) -> None:
        fresh: dict[nn.Module, None] = {}  # in order, so that a seed gives the same weights
        for name in missing:
            owner, _, leaf = name.rpartition(".")
            module = self.get_submodule(owner)
            empty = torch.empty(module.get_parameter(leaf).shape, device="cpu")
            setattr(module, leaf, nn.Parameter(empty))
            fresh[module] = None
        self.load_state_dict(tensors, strict=False, assign=True)
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        for module in fresh:
            self._initialize(module)

    def _initialize(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding) and not module.weight.is_meta:
            nn.init.normal_(module.weight, std=self.config.init_std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


def _family(raw: dict[str, Any], source: str) -> Family:
    kind = raw.get("model_type")
    if kind not in FAMILIES:
        raise ModelError(
            f"{source} is a model of type {kind!r}, which Graft does not have. "
            f"It has: {', '.join(FAMILIES)}."
        )
    return FAMILIES[kind]


def _without_head(raw: dict[str, Any]) -> dict[str, Any]:
    head = {"id2label", "label2id", "problem_type", "num_labels", "dtype", "torch_dtype"}
    return {key: value for key, value in raw.items() if key not in head}


def _saved_task(raw: dict[str, Any], family: Family) -> str | None:
    saved = raw.get("architectures") or []
    return next((task for task, name in family.architectures.items() if name in saved), None)


def _saved_labels(raw: dict[str, Any]) -> tuple[str, ...]:
    """The labels of the saved head; a head saved without names has placeholders."""
    named = raw.get("id2label") or {f"{i}": f"LABEL_{i}" for i in range(raw.get("num_labels", 2))}
    if not isinstance(named, dict) or set(named) != {str(index) for index in range(len(named))}:
        raise ModelError('id2label does not name the labels by number: {"0": "...", "1": "..."}.')
    return tuple(str(named[str(index)]) for index in range(len(named)))


def _label_order(saved: tuple[str, ...], wanted: tuple[str, ...]) -> list[int] | None:
    """For each wanted label, its row in the saved head; None where the head does not fit."""
    if not saved or len(saved) != len(wanted):
        return None
    if all(_PLACEHOLDER.fullmatch(label) for label in saved):
        return list(range(len(saved)))
    if set(saved) == set(wanted):
        return [saved.index(label) for label in wanted]
    return None


def _spell(labels: Sequence[str], most: int = 4) -> str:
    names = ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
    return f"{len(labels)} labels ({names})"
