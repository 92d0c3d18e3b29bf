"""Text classification: one label, several labels, or a label for a pair of texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn import functional as F

from graft.data.dataset import Dataset
from graft.data.dataset_dict import DatasetDict
from graft.data.features import ClassLabel, class_label_in
from graft.data.features import Sequence as ListOf
from graft.data.tokens.batches import EncodedDataset
from graft.errors import TaskError
from graft.hub.card import LabelFigures
from graft.models.model import Model
from graft.tasks.task import Task, register_task
from graft.text.tokenizer import Tokenizer

_THRESHOLD = 0.5  # a label of several is given where its probability is above this


@dataclass(frozen=True)
class Prediction:
    """What the model answers for one text.

    Attributes:
        label: The likeliest label.
        score: Its probability.
        scores: The probability of every label, likeliest first.
        labels: The labels given: the likeliest alone, or every one above one half where a text may
            carry several (none, if there is no such label).
    """

    label: str
    score: float
    scores: dict[str, float] = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)


@register_task
class TextClassification(Task):
    """Says which of some labels a text, or a pair of texts, carries.

    Args:
        labels: The names of the labels.
        several: Whether a text may carry several of them, or none.
    """

    name: ClassVar[str] = "text-classification"
    inputs: ClassVar[tuple[str, ...]] = ("text", "text_pair")

    def __init__(self, labels: Sequence[str], *, several: bool = False) -> None:
        self.labels = tuple(labels)
        self.several = several

    @property
    def metric(self) -> str:
        """The figure by which the best epoch is chosen."""
        return "macro_f1" if self.several else "accuracy"

    @classmethod
    def from_data(cls, data: DatasetDict) -> Self:
        """The labels of the training split; see `Task.from_data`."""
        dataset = data["train"] if "train" in data else next(iter(data.values()))
        column = dataset.roles.label
        if column is None:
            raise TaskError(
                f"{dataset.source} has no label column among {', '.join(dataset.column_names)}. "
                "Name it: load_dataset(..., label='column')."
            )
        feature = dataset.features[column]
        names = class_label_in(feature)
        if names is None:
            raise TaskError(f"{dataset.source}: column {column!r} holds {feature}, not labels.")
        used = pc.unique(_flat_labels(dataset.column(column))).drop_null()
        if len(used) < 2:
            found = names.names[used[0].as_py()] if len(used) else "none"
            raise TaskError(
                f"{dataset.source}: column {column!r} holds one class only ({found}). "
                "There is nothing to tell apart: add rows of another class."
            )
        return cls(names.names, several=isinstance(feature, ListOf))

    @classmethod
    def from_model(cls, model: Model) -> Self:
        """The labels of the model's head.

        Raises:
            TaskError: It gives quantities instead.
        """
        if model.config.measures:
            raise TaskError(
                f"This model predicts quantities ({', '.join(model.labels)}), which {cls.name} "
                "cannot name. Its logits are their values: model(batch).logits."
            )
        return cls(model.labels, several=model.config.several_labels)

    def load_model(self, source: str, revision: str | None = None) -> Model:
        """A pretrained body with a head for these labels."""
        return Model.from_pretrained(
            source,
            task=self.name,
            labels=self.labels,
            several_labels=self.several,
            revision=revision,
        )

    def encode(self, tokenizer: Tokenizer, dataset: Dataset, max_length: int) -> EncodedDataset:
        """Tokens and targets of a split; rows without a label are an error."""
        roles = dataset.roles
        pairs = None if roles.text_pair is None else _texts(dataset.column(roles.text_pair))
        tokens = tokenizer.encode_batch(
            _texts(dataset.column(dataset.text_column)), pairs, max_length=max_length
        )
        return EncodedDataset(tokens, self._targets(dataset))

    def encode_inputs(
        self, tokenizer: Tokenizer, inputs: Sequence[Any], max_length: int
    ) -> EncodedDataset:
        """Tokens of texts, or of pairs `(text, text)`.

        Raises:
            TaskError: An input is neither; the message says which.
        """
        pairs = bool(inputs) and not isinstance(inputs[0], str)
        for index, item in enumerate(inputs):
            if isinstance(item, str) is pairs or (pairs and not _is_pair(item)):
                raise TaskError(
                    f"Input {index} is {item!r}: expected a text, or a pair of texts, "
                    "as the inputs before it."
                )
        if not pairs:
            return EncodedDataset(tokenizer.encode_batch(inputs, max_length=max_length))
        first, second = [item[0] for item in inputs], [item[1] for item in inputs]
        return EncodedDataset(tokenizer.encode_batch(first, second, max_length=max_length))

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Cross entropy; with several labels, binary cross entropy averaged over them.

        Weights multiply the loss of a row by that of its label; with several labels, they multiply
        the loss of the labels that a row carries.
        """
        logits = logits.float()
        if self.several:
            each = F.binary_cross_entropy_with_logits(
                logits, targets, pos_weight=weights, reduction="none"
            )
            return each.mean(-1)
        return F.cross_entropy(logits, targets, weight=weights, reduction="none")

    def figures(
        self, logits: Tensor, targets: Tensor
    ) -> tuple[dict[str, float], tuple[LabelFigures, ...]]:
        """Accuracy (all labels right) and macro F1; precision, recall and F1 per label.

        With several labels micro F1 too; with one it would be the accuracy.
        """
        from torchmetrics.functional import classification as tm

        if self.several:
            answers, truth, count = (logits > 0).long(), targets.long(), len(self.labels)
            stats = tm.multilabel_stat_scores(answers, truth, count, average=None)
            metrics = {
                "accuracy": tm.multilabel_exact_match(answers, truth, count),
                "macro_f1": tm.multilabel_f1_score(answers, truth, count, average="macro"),
                "micro_f1": tm.multilabel_f1_score(answers, truth, count, average="micro"),
            }
        else:
            answers, truth, count = logits.argmax(-1), targets, max(2, len(self.labels))
            stats = tm.multiclass_stat_scores(answers, truth, count, average=None)
            metrics = {
                "accuracy": tm.multiclass_accuracy(answers, truth, count, average="micro"),
                "macro_f1": tm.multiclass_f1_score(answers, truth, count, average="macro"),
            }
        rows = zip(self.labels, stats.tolist(), strict=False)
        per_label = tuple(_label_figures(label, *row) for label, row in rows)
        return {name: float(value) for name, value in metrics.items()}, per_label

    def decode(self, logits: Tensor) -> list[Prediction]:
        """Named labels with their probabilities."""
        logits = logits.float()
        chances = torch.sigmoid(logits) if self.several else torch.softmax(logits, -1)
        ranked = chances.sort(-1, descending=True)
        return [
            self._prediction(scores, order)
            for scores, order in zip(ranked.values.tolist(), ranked.indices.tolist(), strict=True)
        ]

    def _prediction(self, scores: list[float], order: list[int]) -> Prediction:
        named = {self.labels[index]: score for index, score in zip(order, scores, strict=True)}
        best = self.labels[order[0]]
        given = tuple(label for label, score in named.items() if score > _THRESHOLD)
        return Prediction(best, scores[0], named, given if self.several else (best,))

    def _targets(self, dataset: Dataset) -> Tensor | None:
        column = dataset.roles.label
        if column is None:
            return None
        feature = dataset.features[column]
        names = class_label_in(feature)
        if names is None:
            raise TaskError(f"{dataset.source}: column {column!r} holds {feature}, not labels.")
        if isinstance(feature, ListOf) is not self.several:
            theirs, ours = ("one label", "several") if self.several else ("several labels", "one")
            raise TaskError(
                f"{dataset.source}: column {column!r} gives {theirs} for a row, but the model "
                f"answers {ours}. Use rows of the model's kind, or train a model on rows of this."
            )
        labels = dataset.column(column).combine_chunks()
        if labels.null_count:
            row = pc.index(labels.is_null(), True).as_py()
            raise TaskError(
                f"{dataset.source}: {labels.null_count} rows have no label in column {column!r}; "
                f"the first is row {row}. Remove them: dataset.filter(...)."
            )
        index = self._index(dataset, column, names)
        if not self.several:
            return index[torch.from_numpy(labels.to_numpy(zero_copy_only=False).copy())]
        rows = torch.from_numpy(pc.list_parent_indices(labels).to_numpy().copy())
        flat = torch.from_numpy(pc.list_flatten(labels).to_numpy(zero_copy_only=False).copy())
        targets = torch.zeros(len(labels), len(self.labels))
        targets[rows, index[flat]] = 1.0
        return targets

    def _index(self, dataset: Dataset, column: str, names: ClassLabel) -> Tensor:
        """For each label of the data set, its place among the labels of the task."""
        unknown = [name for name in names.names if name not in self.labels]
        if unknown:
            raise TaskError(
                f"{dataset.source}: column {column!r} has labels the model does not answer: "
                f"{', '.join(unknown[:5])}. It answers: {', '.join(self.labels[:20])}."
            )
        return torch.tensor([self.labels.index(name) for name in names.names])


def _label_figures(label: str, tp: int, fp: int, _tn: int, fn: int, support: int) -> LabelFigures:
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    return LabelFigures(label, precision, recall, f1, support)


def _is_pair(item: Any) -> bool:
    return (
        isinstance(item, tuple | list)
        and len(item) == 2
        and all(isinstance(part, str) for part in item)
    )


def _flat_labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.list_flatten(column) if pa.types.is_nested(column.type) else column


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A text column without nulls; words given one by one are joined by spaces."""
    if pa.types.is_nested(column.type):
        column = pc.binary_join(column, " ")
    return pc.fill_null(column, "")
