"""The learning-rate range test: it suggests a rate, and changes nothing."""

import math
from pathlib import Path

import pytest
import torch
from learners import NewLearner, changed, weights_of
from torch.nn import functional as F

from graft.errors import TaskError
from graft.train.lr_find import RangeTest


def test_a_rate_in_range_that_trains(
    new_learner: NewLearner, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = new_learner()
    before = weights_of(learn)
    found = learn.lr_find(1e-5, 1e-1, steps=60)
    assert not changed(learn, before)
    assert 1e-5 < found.suggestion < 1e-1
    assert found.suggestion in found.rates
    assert len(found.rates) == len(found.losses) <= 60
    assert found.rates == sorted(found.rates)
    assert found.rates[0] == pytest.approx(1e-5)
    shown = capsys.readouterr().out
    assert f"Suggested rate: {found.suggestion:.1e}" in shown
    assert "█" in shown
    assert "Suggested rate" in found._repr_html_()


def test_the_rates_grow_by_a_constant_factor(new_learner: NewLearner) -> None:
    rates = new_learner().lr_find(1e-5, 1e-2, steps=4).rates
    assert rates == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2])


def test_it_leaves_no_trace(new_learner: NewLearner) -> None:
    learn = new_learner()
    learn.fit(1, 1e-3)
    epochs, evaluations = list(learn.record.epochs), dict(learn.evaluations)
    learn.lr_find(steps=5)
    assert learn.record.epochs == epochs
    assert len(learn.record.fits) == 1
    assert learn.evaluations == evaluations
    assert not learn.model.training


def test_it_ends_when_the_loss_explodes(new_learner: NewLearner) -> None:
    learn = new_learner(loss=lambda *both: F.cross_entropy(*both, reduction="none").square() * 50)
    before = weights_of(learn)
    found = learn.lr_find(1e-6, 1e4, steps=80)
    assert len(found.rates) < 80
    assert all(math.isfinite(loss) for loss in found.losses)
    assert not changed(learn, before)


def test_frozen_layers_stay_so(new_learner: NewLearner) -> None:
    learn = new_learner()
    learn.freeze()
    learn.lr_find(steps=5)
    assert [p.requires_grad for p in learn.model.parameters()].count(True) == 4


@pytest.mark.parametrize("settings", [(0, 1, 10), (1e-2, 1e-3, 10), (1e-5, 1e-1, 1)])
def test_rates_that_cannot_be_tried(
    new_learner: NewLearner, settings: tuple[float, float, int]
) -> None:
    with pytest.raises(TaskError, match=r"lr_find needs 0 < lowest < highest and 2 steps"):
        new_learner().lr_find(*settings)


def test_a_loss_that_is_never_a_number(new_learner: NewLearner) -> None:
    learn = new_learner(loss=lambda logits, _: logits.sum(-1) * math.nan)
    before = weights_of(learn)
    with pytest.raises(TaskError, match="loss is not finite, even at the lowest rate"):
        learn.lr_find(steps=5)
    assert not changed(learn, before)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    test = RangeTest(1e-4, 1.0, 5)
    test.rates, test.losses = [1e-4, 1e-3, 1e-2, 1e-1, 1.0], [3.0, 2.9, 1.0, 0.9, 4.0]
    assert test.result().suggestion == 1e-3


def test_data_smaller_than_the_test_is_read_again(new_learner: NewLearner, tmp_path: Path) -> None:
    found = new_learner(batch_size=60).lr_find(1e-6, 1e-3, steps=25)
    assert len(found.rates) == 25
    assert torch.tensor(found.losses).isfinite().all()
