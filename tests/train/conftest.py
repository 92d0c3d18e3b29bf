"""Learners of tiny models that learn their data in a second."""

from pathlib import Path
from typing import Any

import pytest
from learners import NewLearner

from graft.train.learner import Learner


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
    learn = Learner("text-classification", topics, base, batch_size=8, progress=False)
    learn.fit(8, 5e-3)
    return learn
