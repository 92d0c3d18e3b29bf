"""What the tests of training share."""

from collections.abc import Callable
from typing import Any

import torch

import graft
from graft.train.callbacks import EVENTS
from graft.train.loop import Fit

NewLearner = Callable[..., graft.Learner]


def weights_of(learn: graft.Learner) -> dict[str, torch.Tensor]:
    """A copy of all weights, by name."""
    return {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}


def changed(learn: graft.Learner, before: dict[str, torch.Tensor]) -> set[str]:
    """The names of the weights that are not what they were."""
    now = learn.model.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, now[name])}


class Diary(graft.Callback):
    """Notes every event, with the step it came at."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in EVENTS:
            return lambda _: self.events.append(name)
        return super().__getattribute__(name)


def at(event: str, do: Callable[[Fit], None]) -> graft.Callback:
    """A callback that does one thing at one event."""

    def method(self: graft.Callback, fit: Fit) -> None:
        do(fit)

    return type("At", (graft.Callback,), {event: method})()
