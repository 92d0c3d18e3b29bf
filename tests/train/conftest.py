"""Learners of tiny models that learn their data in a second."""

import random
from pathlib import Path
from typing import Any

import pytest
from learners import NewLearner

from graft.train.learner import Learner
from small import TOPICS, topic_text, write_json_lines


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


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts about any number of topics."""
    folder, source = tmp_path_factory.mktemp("several"), random.Random(0)
    for split, count in (("train", 200), ("test", 40)):
        rows = []
        for _ in range(count):
            named = [topic for topic in TOPICS if source.random() < 0.4]
            rows.append({"text": topic_text(named, source), "labels": named})
        write_json_lines(folder / f"{split}.jsonl", rows)
    return folder
