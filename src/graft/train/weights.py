"""Weights of the labels in the loss, for data in which some labels are rare."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from graft.data.dataset import Dataset
from graft.errors import TaskError

ClassWeights = Literal["balanced"] | Mapping[str, float] | None
"""None: all rows alike. "balanced": all labels alike, see `Dataset.class_weights`. Or by name."""


def label_weights(
    wanted: Literal["balanced"] | Mapping[str, float], labels: Sequence[str], train: Dataset
) -> Tensor:
    """The weight of each label: `float32[labels]`.

    Args:
        wanted: See `ClassWeights`; a label that the mapping lacks weighs 1.
        labels: The names of the labels, in the order of the logits.
        train: The training split, whose rows "balanced" counts.

    Raises:
        TaskError: A name is no label, or a weight is below zero.
    """
    if isinstance(wanted, str):
        if wanted != "balanced":
            raise TaskError(f"class_weights is {wanted!r}; it may be 'balanced' or a table.")
        wanted = dict(zip(train.label_names, train.class_weights().tolist(), strict=True))
    unknown = [name for name in wanted if name not in labels]
    if unknown:
        raise TaskError(
            f"class_weights names {', '.join(unknown)}, but the labels are {', '.join(labels)}."
        )
    if any(weight < 0 for weight in wanted.values()):
        raise TaskError(f"class_weights has a weight below zero: {dict(wanted)}.")
    return torch.tensor([float(wanted.get(label, 1.0)) for label in labels])
