"""What a person sees while a model trains: a live bar, and a line for each epoch."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from graft.tasks.task import Evaluation
from graft.train.callbacks import Callback
from graft.train.loop import Fit

_SMOOTHING = 0.95  # of the loss shown, from step to step


class ShowProgress(Callback):
    """Shows the loss, tokens per second and time left, and after each epoch its figures.

    Where standard error is no terminal, only the lines of the epochs are printed.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.loss = 0.0

    def before_fit(self, fit: Fit) -> None:
        """Starts the bar."""
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} tokens/s"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            refresh_per_second=4,
            disable=not self.console.is_terminal,
        )
        self.progress.start()
        self.bar = self.progress.add_task(
            "train", total=fit.total_steps, epoch=f"1/{fit.epochs}", loss="-", speed="-"
        )

    def before_epoch(self, fit: Fit) -> None:
        """Notes when the epoch began."""
        self.epoch_loss = 0.0
        self.epoch_steps = 0
        self.epoch_tokens = fit.tokens
        self.epoch_started = time.perf_counter()

    def after_step(self, fit: Fit) -> None:
        """Moves the bar."""
        loss = 0.0 if fit.loss is None else float(fit.loss)
        self.epoch_loss += loss
        self.epoch_steps += 1
        self.loss = loss if fit.step == 1 else _SMOOTHING * self.loss + (1 - _SMOOTHING) * loss
        self.progress.update(
            self.bar,
            completed=fit.step,
            epoch=f"{fit.epoch + 1}/{fit.epochs}",
            loss=f"{self.loss:.3f}",
            speed=f"{self._speed(fit):,.0f}",
        )

    def before_validate(self, fit: Fit) -> None:
        """Notes how fast training was, before the time of validation adds to it."""
        self.epoch_speed = self._speed(fit)

    def after_epoch(self, fit: Fit) -> None:
        """Prints the epoch's line."""
        seconds = time.perf_counter() - self.epoch_started
        speed = self._speed(fit) if fit.evaluation is None else self.epoch_speed
        parts = [
            f"epoch {fit.epoch + 1}/{fit.epochs}",
            f"loss {self.epoch_loss / max(1, self.epoch_steps):.3f}",
            *_figures(fit.evaluation),
            f"{speed:,.0f} tokens/s",
            f"{seconds:.0f} s",
        ]
        self.progress.console.print("  ".join(parts), highlight=False, soft_wrap=True)

    def after_fit(self, fit: Fit) -> None:
        """Takes the bar away."""
        self.progress.stop()

    def _speed(self, fit: Fit) -> float:
        return (fit.tokens - self.epoch_tokens) / (time.perf_counter() - self.epoch_started)


def _figures(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return []
    shown = ", ".join(f"{name} {value:.3f}" for name, value in evaluation.metrics.items())
    return [f"{evaluation.split}: {shown}"]
