"""Keeping the best epoch, and stopping when it does not get better."""

from torch import Tensor

from graft.tasks.task import Evaluation
from graft.train.callbacks import Callback, CancelFit
from graft.train.loop import Fit


class KeepBest(Callback):
    """Puts the weights of the best epoch back at the end of training.

    Args:
        metric: The figure of the validation split to go by; larger is better.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.best: float | None = None
        self.epoch: int | None = None
        self.evaluation: Evaluation | None = None
        self._weights: dict[str, Tensor] = {}

    def after_validate(self, fit: Fit) -> None:
        """Keeps a copy of the weights where this epoch is the best so far."""
        if fit.evaluation is None:
            return
        value = fit.evaluation[self.metric]
        if self.best is None or value > self.best:
            self.best, self.epoch, self.evaluation = value, fit.epoch, fit.evaluation
            self._weights = {
                name: tensor.detach().cpu().clone()
                for name, tensor in fit.model.state_dict().items()
            }

    def after_fit(self, fit: Fit) -> None:
        """Puts the best weights back, and with them their figures."""
        if self._weights and self.epoch != fit.epoch:
            fit.model.load_state_dict(self._weights)
            fit.evaluation = self.evaluation
        self._weights = {}


class StopEarly(Callback):
    """Ends training when a figure of the validation split has not grown for some epochs.

    Args:
        metric: The figure to go by; larger is better.
        patience: How many epochs to wait for a better one.
    """

    def __init__(self, metric: str, patience: int = 2) -> None:
        self.metric = metric
        self.patience = patience
        self.best = float("-inf")
        self.waited = 0

    def after_epoch(self, fit: Fit) -> None:
        """Counts, and cancels the fit when the count is full."""
        if fit.evaluation is None:
            return
        value = fit.evaluation[self.metric]
        self.waited = 0 if value > self.best else self.waited + 1
        self.best = max(self.best, value)
        if self.waited >= self.patience:
            raise CancelFit
