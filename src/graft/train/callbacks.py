"""What hooks into training: named events around each step, and ways to stop early.

A callback is a class with methods named after events. Each event is called with the `Fit` under
way; the callback may read and change it. Raising `CancelStep`, `CancelEpoch` or `CancelFit` skips
the rest of a step, of an epoch, or of the whole fit, and training goes on properly after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graft.train.loop import Fit

EVENTS = (
    "before_fit",
    "before_epoch",
    "before_step",
    "after_loss",
    "after_backward",
    "after_update",
    "after_step",
    "before_validate",
    "after_validate",
    "after_epoch",
    "after_fit",
)
"""The events, in the order in which they come; `after_update` follows each optimizer step."""


class CancelStep(Exception):
    """Raised by a callback to skip the rest of this step.

    After `backward`, that drops the gradients, and those of batches before that they were added to.
    """


class CancelEpoch(Exception):
    """Raised by a callback to skip the rest of this epoch's steps; it is still validated."""


class CancelFit(Exception):
    """Raised by a callback to end training; `after_fit` is still called."""


class Callback:
    """Does nothing at any event; override the ones that matter."""

    def before_fit(self, fit: Fit) -> None:
        """Before the first epoch."""

    def before_epoch(self, fit: Fit) -> None:
        """Before the first step of an epoch."""

    def before_step(self, fit: Fit) -> None:
        """With the batch in `fit.batch`."""

    def after_loss(self, fit: Fit) -> None:
        """With the output in `fit.output` and the loss in `fit.loss`."""

    def after_backward(self, fit: Fit) -> None:
        """With the gradients in the parameters."""

    def after_update(self, fit: Fit) -> None:
        """After an optimizer step."""

    def after_step(self, fit: Fit) -> None:
        """After each batch, whether or not the weights were updated; not after a cancelled one."""

    def before_validate(self, fit: Fit) -> None:
        """After an epoch's steps."""

    def after_validate(self, fit: Fit) -> None:
        """With the figures in `fit.evaluation`."""

    def after_epoch(self, fit: Fit) -> None:
        """At the end of an epoch."""

    def after_fit(self, fit: Fit) -> None:
        """At the end of training, also of a cancelled one."""
