"""Running a model over encoded rows: answers in their order, and figures."""

import time

import torch
from torch import Tensor

from graft.data.batches import EncodedDataset, evaluation_batches
from graft.errors import TaskError
from graft.models.model import Model
from graft.models.precision import autocast
from graft.tasks.task import Evaluation, Task

_TOKENS = {"cpu": 4096, "cuda": 131_072}  # in a batch: what fits the cache, what fills the GPU


def predict_logits(
    model: Model, data: EncodedDataset, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The logits of every row, in the order of the rows.

    Args:
        model: A model with a head; it is put in evaluation mode while it runs.
        data: The rows.
        dtype: The format of matrix products.

    Returns:
        `float32[rows, labels]`, on the CPU.
    """
    device = model.device
    budget = _TOKENS.get(device.type, _TOKENS["cuda"])
    logits = torch.empty(len(data), len(model.labels))
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(dtype, device):
            for batch in evaluation_batches(data, budget):
                answers = model(batch.to(device)).logits
                if answers is None or batch.rows is None:
                    raise TaskError("The model has no head: load it with task=... and labels=...")
                logits[batch.rows] = answers.float().cpu()
    finally:
        model.train(training)
    return logits


def evaluate(
    task: Task,
    model: Model,
    data: EncodedDataset,
    *,
    split: str,
    dtype: torch.dtype = torch.float32,
) -> Evaluation:
    """The figures of a model on the rows of a split.

    Raises:
        TaskError: The split has no rows, or no labels.
    """
    if not len(data) or data.targets is None:
        raise TaskError(f"The split {split!r} has no labelled rows to evaluate on.")
    started = time.perf_counter()
    logits = predict_logits(model, data, dtype=dtype)
    seconds = time.perf_counter() - started
    loss = float(task.loss(logits, data.targets).mean())
    metrics, per_label = task.figures(logits, data.targets)
    return Evaluation(split, len(data), {"loss": loss, **metrics}, per_label, seconds)
