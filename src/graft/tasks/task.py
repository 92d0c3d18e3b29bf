"""What a task is, and the registry of all there are."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from rich.console import Group
from torch import Tensor

import graft.tasks
from graft.data.dataset import Dataset
from graft.data.dataset_dict import DatasetDict
from graft.data.tokens.batches import EncodedDataset
from graft.display import Table
from graft.errors import TaskError
from graft.hub.card import LabelFigures
from graft.models.model import Model
from graft.text.tokenizer import Tokenizer

Loss = Callable[[Tensor, Tensor], Tensor]
"""From `float32` logits and targets to the loss of each sequence, `float32[sequences]`."""

Metric = Callable[[Tensor, Tensor], float]
"""From logits `[rows, labels]` and targets to a figure; larger is better."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on one split.

    Attributes:
        split: The split's name.
        rows: How many rows were evaluated.
        metrics: Each figure by its standard name, between 0 and 1; the loss too.
        per_label: The figures of each label.
        seconds: How long the evaluation took.
    """

    split: str
    rows: int
    metrics: dict[str, float]
    per_label: tuple[LabelFigures, ...] = field(repr=False, default=())
    seconds: float = 0.0

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric]

    def __rich__(self) -> Group:
        return Group(*(table.__rich__() for table in self._tables()))

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self._tables())

    def _tables(self) -> list[Table]:
        metrics = [(name, f"{value:.4f}") for name, value in self.metrics.items()]
        tables = [Table(f"{self.split}: {self.rows:,} rows", ("metric", "value "), metrics)]
        if self.per_label:
            columns = ("label", "precision ", "recall ", "F1 ", "support ")
            cells = [
                (f.label, f"{f.precision:.4f}", f"{f.recall:.4f}", f"{f.f1:.4f}", f"{f.support:,}")
                for f in self.per_label
            ]
            tables.append(Table("", columns, cells))
        return tables


class Task(ABC):
    """What is asked of a text: how rows become batches, and logits become answers.

    Attributes:
        name: The task's name, as hubs write it in `pipeline_tag`.
        inputs: What the web widget asks a visitor for, in the order the pipeline takes them.
        labels: The names of the answers, in the order of the logits.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    labels: tuple[str, ...]

    @classmethod
    @abstractmethod
    def from_data(cls, data: DatasetDict) -> Self:
        """The task that a data set poses.

        Raises:
            TaskError: The data set cannot pose it: no label column, or labels of one class only.
        """

    @classmethod
    @abstractmethod
    def from_model(cls, model: Model) -> Self:
        """The task that a trained model answers."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """The figure by which the best epoch is chosen; larger is better."""

    @abstractmethod
    def load_model(self, source: str, revision: str | None = None) -> Model:
        """A pretrained model with the head that this task needs."""

    @abstractmethod
    def encode(self, tokenizer: Tokenizer, dataset: Dataset, max_length: int) -> EncodedDataset:
        """Turns the rows of a split into tokens and targets."""

    @abstractmethod
    def encode_inputs(
        self, tokenizer: Tokenizer, inputs: Sequence[Any], max_length: int
    ) -> EncodedDataset:
        """Turns what a user asks into tokens."""

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss of each row, `float32[rows]`; `weights` are of the labels, `float32[labels]`."""

    @abstractmethod
    def figures(
        self, logits: Tensor, targets: Tensor
    ) -> tuple[dict[str, float], tuple[LabelFigures, ...]]:
        """The metrics of a split, and the figures of each label."""

    @abstractmethod
    def decode(self, logits: Tensor) -> list[Any]:
        """The answers for logits of `[sequences, labels]`, one a sequence."""


TASKS: dict[str, type[Task]] = {}
"""Every task there is, by name: `register_task` fills it."""


def register_task(task: type[Task]) -> type[Task]:
    """Adds a task to the registry, under its name."""
    TASKS[task.name] = task
    return task


def find_task(name: str) -> type[Task]:
    """The task of a name.

    Raises:
        TaskError: There is no such task.
    """
    for module in pkgutil.iter_modules(graft.tasks.__path__):
        importlib.import_module(f"{graft.tasks.__name__}.{module.name}")  # fills the registry
    if name not in TASKS:
        raise TaskError(f"There is no task {name!r}. There is: {', '.join(sorted(TASKS))}.")
    return TASKS[name]
