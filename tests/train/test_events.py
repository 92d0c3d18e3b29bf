"""What hooks into training: the order of events, and ways to cut it short."""

import math
from typing import Any

import pytest
import torch
from learners import Diary, NewLearner, at, weights_of

import graft
from graft.errors import TaskError
from graft.train.callbacks import EVENTS, CancelEpoch, CancelFit, CancelStep
from graft.train.checkpoints import KeepBest, StopEarly
from graft.train.loop import Fit


def cancel(event: str, error: type[Exception], step: int) -> graft.Callback:
    """A callback that cancels at an event of one step."""

    def do(fit: Fit) -> None:
        if fit.step == step:
            raise error

    return at(event, do)


def count(events: list[str], name: str) -> int:
    return events.count(name)


class TestOrder:
    def test_of_all_events(self, new_learner: NewLearner) -> None:
        diary = Diary()
        learn = new_learner(batch_size=108)
        learn.fit(2, callbacks=[diary])
        step = ["before_step", "after_loss", "after_backward", "after_update", "after_step"]
        epoch = ["before_epoch", *step, "before_validate", "after_validate", "after_epoch"]
        assert diary.events == ["before_fit", *epoch * 2, "after_fit"]
        assert set(diary.events) == set(EVENTS)

    def test_updates_follow_the_batches_they_sum(self, new_learner: NewLearner) -> None:
        """Three batches, two for an update: the last has one alone."""
        diary = Diary()
        new_learner(batch_size=37).fit(1, accumulate=2, callbacks=[diary])
        assert [e for e in diary.events if e in ("after_step", "after_update")] == [
            "after_step",
            "after_update",
            "after_step",
            "after_step",
            "after_update",
        ]

    def test_the_learners_callbacks_are_called_at_every_fit(self, new_learner: NewLearner) -> None:
        diary = Diary()
        learn = new_learner(batch_size=60, callbacks=[diary])
        learn.fit(1)
        learn.fit(1)
        assert count(diary.events, "before_fit") == 2

    def test_what_a_callback_sees(self, new_learner: NewLearner) -> None:
        seen: list[tuple[int, int, float]] = []

        def note(fit: Fit) -> None:
            assert fit.batch is not None
            assert fit.output is not None
            assert fit.output.logits is not None
            assert fit.output.logits.shape == (len(fit.batch), 3)
            assert fit.loss is not None
            assert not fit.loss.requires_grad
            seen.append((fit.epoch, fit.step, float(fit.loss)))

        new_learner(batch_size=36).fit(2, callbacks=[at("after_loss", note)])
        assert [(epoch, step) for epoch, step, _ in seen] == [
            *((0, step) for step in range(1, len(seen) // 2 + 1)),
            *((1, step) for step in range(len(seen) // 2 + 1, len(seen) + 1)),
        ]
        assert all(math.isfinite(loss) for _, _, loss in seen)


class TestCancelling:
    @pytest.mark.parametrize("event", ["before_step", "after_loss", "after_backward"])
    def test_a_step_leaves_the_weights(self, new_learner: NewLearner, event: str) -> None:
        learn = new_learner(batch_size=200)
        before = weights_of(learn)
        diary = Diary()
        learn.fit(1, callbacks=[diary, cancel(event, CancelStep, 1)])
        for name, tensor in weights_of(learn).items():
            assert torch.equal(tensor, before[name]), name
        assert "after_update" not in diary.events
        assert "after_step" not in diary.events
        assert "after_validate" in diary.events

    def test_a_cancelled_step_leaves_nothing_to_the_next(self, new_learner: NewLearner) -> None:
        """The gradients of later steps are those of their own batches."""
        gradients: list[torch.Tensor] = []

        def keep(fit: Fit) -> None:
            weight = fit.model.get_parameter("head.classify.weight")
            assert weight.grad is not None
            gradients.append(weight.grad.clone())

        def poison(fit: Fit) -> None:
            if fit.step == 1:
                for parameter in fit.model.parameters():
                    if parameter.grad is not None:
                        parameter.grad.mul_(math.nan)
                raise CancelStep

        learn = new_learner(batch_size=54)
        learn.fit(1, callbacks=[at("after_backward", poison), at("after_backward", keep)])
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)

    def test_a_cancelled_batch_is_not_counted_in_a_sum(self, new_learner: NewLearner) -> None:
        diary = Diary()
        cancelled = cancel("before_step", CancelStep, 1)
        new_learner(batch_size=37).fit(1, accumulate=2, callbacks=[cancelled, diary])
        assert count(diary.events, "after_step") == 2
        assert count(diary.events, "after_update") == 1

    @pytest.mark.parametrize(
        ("event", "updates"),
        [("before_step", 1), ("after_loss", 1), ("after_backward", 2), ("after_step", 2)],
    )
    def test_an_epoch_is_validated_and_the_next_one_begins(
        self, new_learner: NewLearner, event: str, updates: int
    ) -> None:
        diary = Diary()
        learn = new_learner(batch_size=27)
        learn.fit(2, callbacks=[diary, cancel(event, CancelEpoch, 2)])
        assert count(diary.events, "after_validate") == 2
        assert count(diary.events, "before_epoch") == 2
        second = diary.events.index("before_epoch", diary.events.index("before_epoch") + 1)
        assert count(diary.events[:second], "after_update") == updates

    def test_an_epoch_before_its_first_step(self, new_learner: NewLearner) -> None:
        diary = Diary()
        learn = new_learner(batch_size=54)
        learn.fit(1, callbacks=[diary, cancel("before_epoch", CancelEpoch, 0)])
        assert "before_step" not in diary.events
        assert diary.events[-1] == "after_fit"

    @pytest.mark.parametrize("event", ["before_step", "after_backward", "after_update"])
    def test_a_fit_ends_with_after_fit(self, new_learner: NewLearner, event: str) -> None:
        diary = Diary()
        learn = new_learner(batch_size=27)
        learn.fit(3, callbacks=[diary, cancel(event, CancelFit, 2)])
        assert count(diary.events, "before_step") == 2
        assert diary.events[-1] == "after_fit"
        assert not learn.model.training

    def test_a_fit_leaves_no_gradients_to_the_next(self, new_learner: NewLearner) -> None:
        """The second fit does what it would have done alone."""
        cut, whole = new_learner(batch_size=54), new_learner(batch_size=54)

        def poison(fit: Fit) -> None:
            for parameter in fit.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(math.nan)
            raise CancelFit

        cut.fit(1, callbacks=[at("after_backward", poison)])
        for learn in (cut, whole):
            torch.manual_seed(5)
            learn.fit(1, 1e-3)
        for name, tensor in weights_of(whole).items():
            torch.testing.assert_close(weights_of(cut)[name], tensor)

    def test_an_error_ends_the_fit_properly(self, new_learner: NewLearner) -> None:
        diary = Diary()

        def fail(fit: Fit) -> None:
            raise RuntimeError("of one's own")

        learn = new_learner(batch_size=54)
        with pytest.raises(RuntimeError, match="of one's own"):
            learn.fit(1, callbacks=[diary, at("after_loss", fail)])
        assert diary.events[-1] == "after_fit"
        assert not learn.model.training


class Scripted(graft.Callback):
    """Gives each epoch's evaluation an accuracy from a list, and moves the weights by one."""

    def __init__(self, *accuracies: float) -> None:
        self.accuracies = accuracies

    def before_validate(self, fit: Fit) -> None:
        with torch.no_grad():
            fit.model.get_parameter("head.classify.bias").fill_(float(fit.epoch))

    def after_validate(self, fit: Fit) -> None:
        assert fit.evaluation is not None
        fit.evaluation.metrics["accuracy"] = self.accuracies[fit.epoch]


class TestTheBestEpoch:
    def run(self, learn: graft.Learner, *accuracies: float, **settings: Any) -> float:
        """The epoch whose weights are there after training, as the bias tells it."""
        best = KeepBest("accuracy")
        learn.fit(
            len(accuracies), callbacks=[Scripted(*accuracies), best], keep_best=False, **settings
        )
        return float(learn.model.get_parameter("head.classify.bias").detach()[0])

    @pytest.mark.parametrize(
        ("accuracies", "epoch"), [((0.1, 0.9, 0.3), 1), ((0.1, 0.2, 0.3), 2), ((0.5, 0.5, 0.5), 0)]
    )
    def test_its_weights_are_put_back(
        self, new_learner: NewLearner, accuracies: tuple[float, ...], epoch: int
    ) -> None:
        assert self.run(new_learner(batch_size=108), *accuracies) == epoch

    def test_and_its_figures(self, new_learner: NewLearner) -> None:
        learn = new_learner(batch_size=108)
        self.run(learn, 0.1, 0.9, 0.3)
        assert learn.evaluations["validation"]["accuracy"] == 0.9

    def test_a_learner_keeps_it_unless_told_otherwise(self, new_learner: NewLearner) -> None:
        """Training first learns, then is wrecked by a rate that grows a thousand times."""

        def wreck(done: float) -> float:
            return 1.0 if done < 0.75 else 3000.0

        kept, last = new_learner(), new_learner()
        kept.fit(8, 5e-3, schedule=wreck, clip=0)
        last.fit(8, 5e-3, schedule=wreck, clip=0, keep_best=False)
        assert kept.evaluate()["accuracy"] == pytest.approx(
            max(epoch["validation_accuracy"] for epoch in kept.record.epochs)
        )
        assert kept.evaluate()["accuracy"] > last.evaluate()["accuracy"]

    def test_stopping_early(self, new_learner: NewLearner) -> None:
        learn = new_learner(batch_size=108)
        scripted = Scripted(0.5, 0.6, 0.6, 0.55, 0.9)
        learn.fit(5, callbacks=[scripted, StopEarly("accuracy", patience=2)])
        assert len(learn.record.epochs) == 4

    def test_the_record_tells_the_epochs_run_and_the_one_kept(
        self, new_learner: NewLearner
    ) -> None:
        learn = new_learner()
        stop = StopEarly("accuracy", patience=2)
        learn.fit(9, slice(1e-5, 1e-3), callbacks=[stop])
        (fit,) = learn.record.fits
        assert fit["epochs"] == len(learn.record.epochs) < 9
        figures = [epoch["validation_accuracy"] for epoch in learn.record.epochs]
        assert fit["epoch kept"] == figures.index(max(figures)) + 1
        assert fit["keep best"] is True
        assert fit["learning rate"] == "1e-05 to 0.001"
        learn.fit(1, keep_best=False)
        assert learn.record.fits[1]["keep best"] is False
        assert "epoch kept" not in learn.record.fits[1]

    def test_not_stopping_while_it_gets_better(self, new_learner: NewLearner) -> None:
        learn = new_learner(batch_size=108)
        scripted = Scripted(0.1, 0.05, 0.2, 0.15, 0.3)
        learn.fit(5, callbacks=[scripted, StopEarly("accuracy", patience=2)])
        assert len(learn.record.epochs) == 5


class TestDivergence:
    def test_it_is_said_where_and_what_to_do(self, new_learner: NewLearner) -> None:
        learn = new_learner(loss=lambda logits, _: logits.sum(-1) * math.nan)
        with pytest.raises(TaskError, match=r"step 1 of epoch 1: training has diverged.*lr_find"):
            learn.fit(1)

    def test_an_absurd_rate(self, new_learner: NewLearner) -> None:
        with pytest.raises(TaskError, match=r"training has diverged.*lower learning rate"):
            new_learner().fit(3, 1e30, schedule="constant")
