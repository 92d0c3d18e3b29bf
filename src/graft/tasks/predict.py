"""Running a model over encoded rows: answers in their order, and figures."""

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from graft.data.tokens.batches import EncodedDataset, evaluation_batches
from graft.errors import TaskError
from graft.models.model import Model
from graft.models.precision import autocast
from graft.tasks.task import Evaluation, Loss, Metric, Task

_GPU_TOKENS = 131_072  # in a batch: what fills a GPU
_CPU_BYTES = 16_384  # of one feature of a batch's tokens: more leaves the cache
_DIGITS = 6  # of a figure: a float32 has no more


def batch_tokens(device: torch.device, dtype: torch.dtype) -> int:
    """How many tokens at a time a device reads quickest, where products are made in `dtype`."""
    return _CPU_BYTES // dtype.itemsize if device.type == "cpu" else _GPU_TOKENS


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
    budget = batch_tokens(device, dtype)
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


def row_losses(loss: Loss, logits: Tensor, targets: Tensor, device: torch.device) -> Tensor:
    """The loss of each row, computed on a device: `float32[rows]`, on the CPU.

    Raises:
        TaskError: `loss` does not give one a row.
    """
    losses = loss(logits.to(device), targets.to(device))
    if losses.shape != (len(targets),):
        raise TaskError(
            f"loss= gives a tensor of shape {list(losses.shape)} for {len(targets)} rows: it "
            "must give one loss a row (in PyTorch: reduction='none')."
        )
    return losses.detach().float().cpu()


def evaluate(
    task: Task,
    model: Model,
    data: EncodedDataset,
    *,
    split: str,
    loss: Loss | None = None,
    metrics: Mapping[str, Metric] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Evaluation:
    """The figures of a model on the rows of a split, rounded to six digits.

    Args:
        task: What the model answers.
        model: A model with a head.
        data: The rows.
        split: What to call them in the result.
        loss: In place of the task's.
        metrics: More figures, by name, next to the task's own.
        dtype: The format of matrix products.

    Raises:
        TaskError: The split has no rows, or no labels, or `loss` does not give one loss a row.
    """
    if not len(data) or data.targets is None:
        raise TaskError(f"The split {split!r} has no labelled rows to evaluate on.")
    started = time.perf_counter()
    logits = predict_logits(model, data, dtype=dtype)
    seconds = time.perf_counter() - started
    losses = row_losses(loss or task.loss, logits, data.targets, model.device)
    figures, per_label = task.figures(logits, data.targets)
    own = {name: metric(logits, data.targets) for name, metric in (metrics or {}).items()}
    found = {"loss": float(losses.mean()), **figures, **own}
    rounded = {name: round(float(value), _DIGITS) for name, value in found.items()}
    return Evaluation(split, len(data), rounded, per_label, seconds)
