"""What is known of how a model was trained: kept while it trains, written into its card."""

import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

from graft.errors import ModelError
from graft.train.callbacks import Callback
from graft.train.checkpoints import KeepBest
from graft.train.loop import Fit
from graft.train.optim import Rate

Settings = dict[str, str | int | float | bool]


@dataclass
class TrainingRecord:
    """The settings of the fits a model went through, and the figures of each epoch.

    Attributes:
        settings: What stayed the same: batch size, seed, precision and the like.
        fits: The settings of each fit and what became of it: epochs run, learning rate, schedule,
            epoch kept, steps, seconds.
        epochs: The loss and the validation figures after each epoch of all fits.
    """

    settings: Settings = field(default_factory=dict)
    fits: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file that `Learner.save` wrote.

        Raises:
            ModelError: The file is damaged.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(dict(found["settings"]), list(found["fits"]), list(found["epochs"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is not a record of training: {error}. Remove it.") from error

    def training(self) -> Settings:
        """All settings by name, in the order to show them."""
        shown: Settings = {}
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


def shown_rate(rate: Rate) -> str | float:
    """A learning rate as a reader understands it."""
    if not isinstance(rate, slice):
        return rate
    return f"up to {rate.stop:g}" if rate.start is None else f"{rate.start:g} to {rate.stop:g}"


class Recorder(Callback):
    """Writes each epoch's figures, and what became of the fit, into a record.

    Args:
        record: What to write into.
        settings: Of the fit.
        best: What knows which epoch is kept; None where that is the last.
    """

    def __init__(
        self, record: TrainingRecord, settings: dict[str, Any], best: KeepBest | None = None
    ) -> None:
        self.record = record
        self.settings = settings
        self.best = best
        self.epochs = 0

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
        self.epochs += 1
        figures = {"train_loss": round(self.loss / max(1, self.steps), 6)}
        if fit.evaluation is not None:
            figures |= {f"{fit.evaluation.split}_{k}": v for k, v in fit.evaluation.metrics.items()}
        self.record.epochs.append(figures)
        self.loss, self.steps = 0.0, 0

    def after_fit(self, fit: Fit) -> None:
        """Closes the fit's entry."""
        kept = None if self.best is None else self.best.epoch
        self.record.fits.append(
            {
                **self.settings,
                "epochs": self.epochs,
                **({} if kept is None else {"epoch kept": kept + 1}),
                "steps": fit.updates,
                "tokens": fit.tokens,
                "seconds": round(fit.seconds, 1),
            }
        )
