"""Learners of tiny models that learn their data in a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import graft
from graft.train.learner import Learner

NewLearner = Callable[..., Learner]


@pytest.fixture
def new_learner(base: Path, topics: Path) -> NewLearner:
    """Makes a Learner of the topics, or of other data, from the tiny model."""

    def make(data: Any = None, **settings: Any) -> Learner:
        settings = {"base": base, "batch_size": 8, "progress": False, **settings}
        return Learner("text-classification", topics if data is None else data, **settings)

    return make


@pytest.fixture(scope="module")
def trained(base: Path, topics: Path) -> Learner:
    """A Learner that has learned the topics; not to be changed."""
    learn = graft.Learner("text-classification", topics, base, batch_size=8, progress=False)
    learn.fit(8, 5e-3)
    return learn


def weights_of(learn: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
