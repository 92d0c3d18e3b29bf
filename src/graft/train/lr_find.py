"""The learning-rate range test (Smith, 2017): where does the loss fall fastest?"""

import math
from dataclasses import dataclass
from itertools import pairwise

from rich.table import Table as RichTable

from graft.display import Table
from graft.errors import TaskError
from graft.train.callbacks import Callback, CancelFit
from graft.train.loop import Fit

_SMOOTHING = 0.9
_LINES = 25  # of the chart
_WIDTH = 40  # of its bars, in characters


@dataclass(frozen=True)
class LearningRates:
    """What a range test saw.

    Attributes:
        rates: The rates tried, rising.
        losses: The smoothed loss at each.
        suggestion: A rate to train with: where the loss fell fastest.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float

    def _table(self) -> Table:
        lowest, highest = min(self.losses), max(self.losses)
        cells = []
        for index in range(0, len(self.rates), max(1, len(self.rates) // _LINES)):
            rate, loss = self.rates[index], self.losses[index]
            bar = "█" * round(_WIDTH * (loss - lowest) / max(highest - lowest, 1e-12))
            cells.append((f"{rate:.1e}", f"{loss:.3f}", bar))
        return Table(f"Suggested rate: {self.suggestion:.1e}", ("rate ", "loss ", ""), cells)

    def __rich__(self) -> RichTable:
        return self._table().__rich__()

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()


class RangeTest(Callback):
    """Raises the rate by a constant factor at each step, and ends when the loss explodes.

    Args:
        lowest: The first rate.
        highest: The last rate.
        steps: How many steps to take between them.

    Raises:
        TaskError: The rates do not rise, or there are fewer than 2 steps.
    """

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        if not 0 < lowest < highest or steps < 2:
            raise TaskError(
                f"lr_find needs 0 < lowest < highest and 2 steps or more: got {lowest}, {highest} "
                f"and {steps} steps."
            )
        self.lowest = lowest
        self.highest = highest
        self.steps = steps
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._average = 0.0

    def before_step(self, fit: Fit) -> None:
        """Sets the rate of the step."""
        if len(self.rates) == self.steps:
            raise CancelFit
        share = len(self.rates) / max(1, self.steps - 1)
        self.rate = self.lowest * (self.highest / self.lowest) ** share
        for group in fit.optimizer.param_groups:
            group["peak"] = self.rate

    def after_loss(self, fit: Fit) -> None:
        """Notes the loss, before an exploding one can do harm."""
        loss = math.nan if fit.loss is None else float(fit.loss)
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * loss
        smoothed = self._average / (1 - _SMOOTHING ** (len(self.losses) + 1))
        if not math.isfinite(smoothed) or (self.losses and smoothed > 4 * min(self.losses)):
            raise CancelFit
        self.rates.append(self.rate)
        self.losses.append(smoothed)

    def result(self) -> LearningRates:
        """The rates and losses, and the rate at the steepest fall.

        Raises:
            TaskError: The loss was not finite from the start.
        """
        if not self.rates:
            raise TaskError(
                f"The loss is not finite, even at the lowest rate ({self.lowest}). Look at the "
                "loss and the data, or try precision='fp32'."
            )
        falls = [after - before for before, after in pairwise(self.losses)]
        start = min(len(falls) // 10, 10)  # the first averages are of a few batches only
        steepest = min(range(start, len(falls)), key=falls.__getitem__, default=0)
        return LearningRates(self.rates, self.losses, self.rates[steepest])
