"""What is known of how a model was trained: kept while it trains, written into its card."""

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from graft.train.callbacks import Callback
from graft.train.loop import Fit


@dataclass
class TrainingRecord:
    """The settings of the fits a model went through, and the figures of each epoch.

    Attributes:
        settings: What stayed the same: batch size, seed, precision and the like.
        fits: The settings of each fit: epochs, learning rate, schedule, steps, seconds.
        epochs: The loss and the validation figures after each epoch of all fits.
    """

    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    fits: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)

    def training(self) -> dict[str, str | int | float | bool]:
        """All settings by name, in the order to show them."""
        shown: dict[str, str | int | float | bool] = {}
        for index, fit in enumerate(self.fits):
            suffix = f" (fit {index + 1})" if len(self.fits) > 1 else ""
            shown |= {name + suffix: value for name, value in fit.items()}
        return shown | self.settings

    @staticmethod
    def environment() -> dict[str, str]:
        """The versions that may matter to someone who repeats the training."""
        return {
            "graft-nlp": version("graft-nlp"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }


class Recorder(Callback):
    """Writes each epoch's figures and the fit's duration into a record."""

    def __init__(self, record: TrainingRecord, settings: dict[str, Any]) -> None:
        self.record = record
        self.settings = settings

    def before_fit(self, fit: Fit) -> None:
        """Opens the fit's entry."""
        self.loss = 0.0
        self.steps = 0

    def after_step(self, fit: Fit) -> None:
        """Sums the loss."""
        self.loss += 0.0 if fit.loss is None else float(fit.loss)
        self.steps += 1

    def after_epoch(self, fit: Fit) -> None:
        """Notes the epoch."""
        figures = {"train_loss": self.loss / max(1, self.steps)}
        if fit.evaluation is not None:
            figures |= {f"{fit.evaluation.split}_{k}": v for k, v in fit.evaluation.metrics.items()}
        self.record.epochs.append(figures)
        self.loss, self.steps = 0.0, 0

    def after_fit(self, fit: Fit) -> None:
        """Closes the fit's entry."""
        self.record.fits.append(
            {
                **self.settings,
                "steps": fit.updates,
                "tokens": fit.tokens,
                "seconds": round(fit.seconds, 1),
            }
        )
