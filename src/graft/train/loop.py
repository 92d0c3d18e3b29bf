"""The training loop: batches, loss, gradients, updates, with an event before and after each."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graft.data.loader import BatchLoader
from graft.errors import TaskError
from graft.models.batch import Batch
from graft.models.model import Model, Output
from graft.models.precision import autocast
from graft.tasks.task import Evaluation, Loss
from graft.train.callbacks import Callback, CancelEpoch, CancelFit, CancelStep
from graft.train.optim import clip_gradients, sparse_embeddings
from graft.train.schedule import Schedule


@dataclass
class Fit:
    """One run of training, and all a callback may want to see of it.

    Attributes:
        model: What is trained.
        batches: Where batches come from.
        optimizer: Its groups carry their peak rate as `peak`.
        schedule: From the share of steps done to a factor of the peak rates.
        loss_of: The loss of each sequence of a batch.
        validate: Evaluates the model after an epoch; None where there is nothing to validate on.
        epochs: How many passes over the data.
        callbacks: Called at each event, in this order.
        clip: The largest norm of the gradient; 0 for no limit.
        accumulate: Batches whose gradients are summed before the weights are updated.
        dtype: The format of matrix products.
        epoch: The epoch under way, from 0.
        step: Batches trained on so far, in all epochs.
        updates: Optimizer steps taken so far.
        total_steps: Batches in all epochs.
        tokens: Tokens trained on so far.
        started: When training began, by `time.perf_counter()`.
        batch: The batch under way.
        output: What the model answered for it.
        loss: The mean loss of its sequences, without gradient.
        evaluation: The last epoch's figures.
    """

    model: Model
    batches: BatchLoader
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    loss_of: Loss
    validate: Callable[[], Evaluation] | None
    epochs: int
    callbacks: Sequence[Callback] = ()
    clip: float = 1.0
    accumulate: int = 1
    dtype: torch.dtype = torch.float32
    epoch: int = 0
    step: int = 0
    updates: int = 0
    total_steps: int = 0
    tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    batch: Batch | None = None
    output: Output | None = None
    loss: Tensor | None = None
    evaluation: Evaluation | None = None

    @property
    def seconds(self) -> float:
        """How long training has taken so far."""
        return time.perf_counter() - self.started

    def run(self) -> None:
        """Trains for all epochs."""
        self.total_steps = sum(len(self.batches.plan(epoch)) for epoch in range(self.epochs))
        self._parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
        self.optimizer.zero_grad(set_to_none=True)  # an earlier fit may have been cut short
        self.started = time.perf_counter()
        self._call("before_fit")
        try:
            with sparse_embeddings(self.model):
                for epoch in range(self.epochs):
                    self.epoch = epoch
                    self._run_epoch()
        except CancelFit:
            pass
        finally:
            self._call("after_fit")
            self.model.eval()

    def _run_epoch(self) -> None:
        self.model.train()
        self._pending = 0
        with suppress(CancelEpoch):
            self._call("before_epoch")
            self.batches.set_epoch(self.epoch)
            for batch in self.batches:
                self._run_step(batch.to(self.model.device))
        with suppress(CancelEpoch):
            if self._pending:
                self._update()
        if self.validate is not None:
            self._call("before_validate")
            self.evaluation = self.validate()
            self._call("after_validate")
        self._call("after_epoch")

    def _run_step(self, batch: Batch) -> None:
        """Adds the gradients of one batch to the sum, and updates where that is complete."""
        self.step += 1
        self.batch = batch
        pending = self._pending
        try:
            self._call("before_step")
            with autocast(self.dtype, batch.ids.device):
                self.output = self.model(batch)
            if self.output.logits is None or batch.targets is None:
                raise TaskError("Training needs a model with a head, and rows with labels.")
            losses = self.loss_of(self.output.logits.float(), batch.targets)
            self.loss = losses.detach().mean()
            self._call("after_loss")
            # Divided by the usual batch and not by this one, so that every sequence weighs alike,
            # whether it came in a batch of many short ones or of a few long ones.
            (losses.sum() / (self.batches.batch_size * self.accumulate)).backward()
            self._pending += 1
            self.tokens += batch.tokens
            self._call("after_backward")
            if self._pending == self.accumulate:
                self._update()
            self._call("after_step")
        except CancelStep:
            if self._pending > pending:  # gradients are summed: one batch's cannot be taken out
                self._forget()

    def _update(self) -> None:
        # Half a step back, so that the last update of a falling schedule is not one by nothing.
        factor = self.schedule((self.step - 0.5) / self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        norm = clip_gradients(self._parameters, self.clip)
        if not math.isfinite(norm):
            raise TaskError(
                f"The gradient is {norm} at step {self.step} of epoch {self.epoch + 1}: "
                "training has diverged. Try a lower learning rate (learn.lr_find() suggests one), "
                "or precision='fp32'."
            )
        self.optimizer.step()
        self._forget()
        self.updates += 1
        self._call("after_update")

    def _forget(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self._pending = 0

    def _call(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)
