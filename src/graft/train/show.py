"""Looking at what goes into a model, what comes out, and where it is most wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from graft.display import Table, show
from graft.errors import TaskError
from graft.tasks.predict import predict_logits, row_losses

if TYPE_CHECKING:
    from graft.train.learner import Learner


def show_batch(learn: Learner, rows: int) -> None:
    """Shows the first rows of the first epoch, in its order, decoded from their tokens."""
    data, split = learn.encoded("train"), learn.data["train"]
    plan = learn.batches().plan(0)
    steps = [plan.rows(step) for step in range(min(rows, len(plan)))]
    chosen = np.concatenate(steps)[:rows]
    cells = []
    for row in chosen.tolist():
        ids = data.tokens[row].tolist()
        text = learn.tokenizer.decode(ids, skip_special=False)
        cells.append((text, _label(split, row), str(len(ids))))
    total, cut = len(data.tokens.ids), data.tokens.truncated
    title = f"{len(data):,} training rows, {total:,} tokens, {cut:,} cut to {learn.max_length}"
    show(Table(title, ("text", "label", "tokens "), cells))


def show_results(learn: Learner, split: str, rows: int) -> None:
    """Shows texts drawn at random, their labels and the model's answers."""
    dataset = learn.data[split]
    chosen = np.random.default_rng(learn.seed).permutation(len(dataset))[:rows]
    logits = predict_logits(learn.model, learn.encoded(split), dtype=learn.dtype)[chosen]
    cells = []
    for row, answer in zip(chosen.tolist(), learn.task.decode(logits), strict=True):
        truth = _labels(dataset, row)
        mark = "" if truth is None else "yes" if set(truth) == set(answer.labels) else "no"
        given = ", ".join(answer.labels)
        score = f"{answer.score:.2f}"
        cells.append((_text(dataset, row), _label(dataset, row), given, score, mark))
    show(Table(f"Results on {split}", ("text", "label", "answer", "score ", "right"), cells))


def show_top_losses(learn: Learner, split: str, rows: int) -> None:
    """Shows the rows with the largest loss."""
    dataset, data = learn.data[split], learn.encoded(split)
    if data.targets is None:
        raise TaskError(f"The split {split!r} has no labels to be wrong about.")
    logits = predict_logits(learn.model, data, dtype=learn.dtype)
    losses = row_losses(learn.loss_of, logits, data.targets, learn.model.device)
    worst = torch.topk(losses, min(rows, len(losses)))
    answers = learn.task.decode(logits[worst.indices])
    cells = []
    for row, loss, answer in zip(
        worst.indices.tolist(), worst.values.tolist(), answers, strict=True
    ):
        given = ", ".join(answer.labels)
        cells.append((str(row), _text(dataset, row), _label(dataset, row), given, f"{loss:.2f}"))
    show(Table(f"Largest losses on {split}", ("row ", "text", "label", "answer", "loss "), cells))


def _text(dataset: Any, row: int) -> str:
    roles = dataset.roles
    parts = [dataset[row][name] for name in (roles.text, roles.text_pair) if name is not None]
    return " | ".join(" ".join(part) if isinstance(part, list) else str(part) for part in parts)


def _label(dataset: Any, row: int) -> str:
    if dataset.roles.label is None:
        return ""
    labels = _labels(dataset, row)
    return "-" if labels is None else ", ".join(labels)


def _labels(dataset: Any, row: int) -> list[str] | None:
    """The names of a row's labels; None where they are not known."""
    column, names = dataset.roles.label, dataset.label_names
    value = None if column is None else dataset[row][column]
    if value is None:
        return None
    return [names[index] for index in (value if isinstance(value, list) else [value])]
