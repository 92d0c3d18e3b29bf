"""The Learner does what its settings say, and refuses those that cannot be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from learners import NewLearner, at, changed, weights_of
from torch.nn import functional as F

import graft
from graft.errors import GraftError, HubError, ModelError, TaskError
from graft.tasks.text_classification import TextClassification
from graft.train.loop import Fit
from small import (
    TOPICS,
    make_classifier,
    topic_rows,
    write_csv,
)


class TestWeightsOfClasses:
    @pytest.fixture
    def rare(self, tmp_path: Path) -> Path:
        rows = [*topic_rows(90), *[("fog frost", "weather")] * 90]
        for split in ("train", "validation"):
            write_csv(tmp_path / f"{split}.csv", ("text", "label"), rows)
        return tmp_path

    def loss_ratio(self, new_learner: NewLearner, data: Path, weights: Any) -> dict[str, float]:
        """How many times the usual loss a row of each label has."""
        learn = new_learner(data, class_weights=weights)
        seen: dict[str, float] = {}

        def note(fit: Fit) -> None:
            assert fit.output is not None
            assert fit.output.logits is not None
            assert fit.batch is not None
            assert fit.batch.targets is not None
            logits, targets = fit.output.logits.detach(), fit.batch.targets
            plain = F.cross_entropy(logits.float(), targets, reduction="none")
            ratios = fit.loss_of(logits, targets) / plain
            names = [learn.task.labels[index] for index in targets.tolist()]
            seen.update(zip(names, ratios.tolist(), strict=True))

        learn.fit(1, callbacks=[at("after_loss", note)])
        return seen

    def test_balanced(self, new_learner: NewLearner, rare: Path) -> None:
        """180 rows of 3 classes: 30, 30 and 120."""
        found = self.loss_ratio(new_learner, rare, "balanced")
        expected = {"food": 2.0, "sport": 2.0, "weather": 0.5}
        assert found == {name: pytest.approx(value, rel=1e-3) for name, value in expected.items()}

    def test_the_validation_loss_counts_them(self, new_learner: NewLearner, rare: Path) -> None:
        plain = new_learner(rare).evaluate()["loss"]
        assert new_learner(rare, class_weights=dict.fromkeys(TOPICS, 3.0)).evaluate()[
            "loss"
        ] == pytest.approx(3 * plain, rel=1e-4)

    def test_by_name(self, new_learner: NewLearner, rare: Path) -> None:
        found = self.loss_ratio(new_learner, rare, {"sport": 5})
        expected = {"food": 1.0, "sport": 5.0, "weather": 1.0}
        assert found == {name: pytest.approx(value, rel=1e-3) for name, value in expected.items()}

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ({"sports": 2.0}, "class_weights names sports, but the labels are food, sport, weath"),
            ({"sport": -1.0}, "weight below zero"),
            ("even", "class_weights is 'even'; it may be 'balanced'"),
        ],
    )
    def test_what_they_cannot_be(self, new_learner: NewLearner, weights: Any, message: str) -> None:
        with pytest.raises(TaskError, match=message):
            new_learner(class_weights=weights)


class TestFreezing:
    def test_the_head_alone(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        before = weights_of(learn)
        learn.freeze()
        learn.fit(1, 1e-3)
        moved = changed(learn, before)
        assert moved
        assert all(name.startswith("head.") for name in moved)

    def test_block_by_block(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        before = weights_of(learn)
        learn.freeze_to(2)
        learn.fit(1, 1e-3)
        moved = changed(learn, before)
        assert {"head.pool.weight", "body.blocks.1.attention.qkv.weight"} <= moved
        assert all(name.startswith(("head.", "body.blocks.1.")) for name in moved)

    def test_unfrozen_all_learns_again(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        before = weights_of(learn)
        learn.freeze()
        learn.unfreeze()
        learn.fit(1, 1e-3)
        moved = changed(learn, before)
        assert {"head.pool.weight", "body.embeddings.tokens.weight"} <= moved
        assert {"body.blocks.0.attention.qkv.weight", "body.embeddings.norm.weight"} <= moved

    def test_fine_tuning_does_both(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        trainable: list[int] = []

        def note(fit: Fit) -> None:
            trainable.append(sum(p.requires_grad for p in fit.model.parameters()))

        learn.callbacks.append(at("before_fit", note))
        learn.fine_tune(10, 7e-3, frozen_epochs=2)
        assert trainable == [4, sum(1 for _ in learn.model.parameters())]
        assert [fit["epochs"] for fit in learn.record.fits] == [2, 10]
        assert learn.evaluate("test")["accuracy"] >= 0.8

    @pytest.mark.parametrize("groups", [0, 5, -1])
    def test_groups_there_are_not(self, new_learner: NewLearner, groups: int) -> None:
        with pytest.raises(TaskError, match=rf"groups is {groups}; this model has 1 to 4"):
            new_learner().freeze_to(groups)


class TestOnesOwn:
    def test_metrics(self, new_learner: NewLearner) -> None:
        def share_of_rain(logits: torch.Tensor, targets: torch.Tensor) -> float:
            assert logits.shape == (len(targets), 3)
            return float((logits.argmax(-1) == 2).float().mean())

        learn = new_learner(metrics={"rain": share_of_rain})
        learn.fit(1)
        assert 0 <= learn.evaluate("test")["rain"] <= 1
        assert "validation_rain" in learn.record.epochs[0]

    def test_a_metric_that_fails_does_so_before_training(self, new_learner: NewLearner) -> None:
        learn = new_learner(metrics={"broken": lambda logits, _: float(logits)})
        before = weights_of(learn)
        with pytest.raises(ValueError, match="only one element"):
            learn.fit(1)
        assert not changed(learn, before)

    def test_a_loss(self, new_learner: NewLearner) -> None:
        def hinge(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.multi_margin_loss(logits, targets, reduction="none")

        learn = new_learner(loss=hinge)
        learn.fit(8, 5e-3)
        assert learn.evaluate("test")["accuracy"] >= 0.9

    def test_a_loss_of_the_whole_batch_is_refused(self, new_learner: NewLearner) -> None:
        learn = new_learner(loss=F.cross_entropy)
        with pytest.raises(TaskError, match=r"one loss a row \(in PyTorch: reduction='none'\)"):
            learn.fit(1)

    def test_a_model_and_a_tokenizer(self, base: Path, topics: Path) -> None:
        model = make_classifier(tuple(TOPICS))
        learn = graft.Learner(
            "text-classification",
            topics,
            model=model,
            tokenizer=graft.Tokenizer.from_pretrained(base),
            progress=False,
            batch_size=8,
        )
        learn.fit(8, 5e-3)
        assert learn.model is model
        assert learn.evaluate("test")["accuracy"] >= 0.9

    def test_a_task(self, base: Path, topics: Path) -> None:
        task = TextClassification(["weather", "sport", "food", "else"])
        learn = graft.Learner(task, topics, base, progress=False)
        learn.fit(1)
        assert learn.model.labels == ("weather", "sport", "food", "else")
        assert learn.predict(["rain"])[0].scores.keys() == {"weather", "sport", "food", "else"}


class TestAnswering:
    def test_one_text_or_many(self, trained: graft.Learner) -> None:
        assert trained.predict("rain and snow").label == "weather"
        answers = trained.predict(["bread", "rain", "team race"])
        assert [answer.label for answer in answers] == ["food", "weather", "sport"]
        assert trained.predict([]) == []

    def test_a_pipeline_is_a_copy(self, new_learner: NewLearner) -> None:
        learn = new_learner(precision="bf16")
        pipe = learn.pipeline()
        kept = pipe("rain").scores
        assert {p.dtype for p in learn.model.parameters()} == {torch.float32}
        learn.fit(2, 1e-2)
        assert pipe("rain").scores == kept


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"base": None}, r"needs base=\.\.\., or both model"),
            ({"batch_size": 0}, "batch_size is 0"),
            ({"max_length": 2}, "max_length is 2; this model reads 3 to 64"),
            ({"max_length": 65}, "max_length is 65; this model reads 3 to 64"),
        ],
    )
    def test_settings(
        self, new_learner: NewLearner, settings: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(TaskError, match=message):
            new_learner(**settings)

    @pytest.mark.parametrize(
        "settings",
        [
            {"epochs": 0},
            {"epochs": 1, "accumulate": 0},
            {"epochs": 1, "rate": 0},
            {"epochs": 1, "schedule": "cosine"},
            {"epochs": 1, "clip": -1},
        ],
    )
    def test_of_a_fit(self, new_learner: NewLearner, settings: dict[str, Any]) -> None:
        learn = new_learner()
        with pytest.raises(TaskError):
            learn.fit(**settings)
        assert learn.record.fits == []

    def test_a_precision_that_is_none(self, new_learner: NewLearner) -> None:
        with pytest.raises(ModelError, match="precision is 'fp8'"):
            new_learner(precision="fp8")

    def test_a_base_that_is_nowhere(self, new_learner: NewLearner) -> None:
        with pytest.raises(HubError, match="neither a folder that exists nor"):
            new_learner(base="nowhere at all")

    def test_a_tokenizer_of_another_model(self, base: Path, topics: Path) -> None:
        with pytest.raises(ModelError, match=r"tokenizer has 94 tokens, but the model knows 40"):
            graft.Learner(
                "text-classification",
                topics,
                model=make_classifier(tuple(TOPICS), vocab_size=40),
                tokenizer=graft.Tokenizer.from_pretrained(base),
            )

    def test_a_task_there_is_not(self, topics: Path, base: Path) -> None:
        with pytest.raises(TaskError, match="no task 'juggling'"):
            graft.Learner("juggling", topics, base)

    def test_data_that_is_nowhere(self, new_learner: NewLearner) -> None:
        with pytest.raises(GraftError):
            new_learner("no/such/data.csv")


class TestRecord:
    def test_fits_and_epochs(self, new_learner: NewLearner) -> None:
        learn = new_learner(seed=5, max_length=12, class_weights="balanced")
        learn.fit(2, 1e-3, schedule="constant", weight_decay=0.1, clip=0.5, accumulate=2)
        learn.fit(1, slice(1e-5, 1e-3))
        assert learn.record.settings == {
            "batch size": 8,
            "maximum length": 12,
            "precision": learn.record.settings["precision"],
            "seed": 5,
            "class weights": "balanced",
            "training rows": 108,
        }
        first, second = learn.record.fits
        assert {
            "epochs": 2,
            "learning rate": 1e-3,
            "schedule": "constant",
            "weight decay": 0.1,
            "gradient clipping": 0.5,
            "accumulated batches": 2,
        }.items() <= first.items()
        assert first["tokens"] == 2 * int(learn.encoded("train").tokens.lengths.sum())
        assert second["learning rate"] == "1e-05 to 0.001"
        assert len(learn.record.epochs) == 3
        names = {"train_loss", "validation_loss", "validation_accuracy", "validation_macro_f1"}
        assert names <= learn.record.epochs[0].keys()

    def test_figures_are_of_the_weights_there_are(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        learn.fit(3, 5e-3)
        learn.evaluate("test")
        assert set(learn.evaluations) == {"validation", "test"}
        kept = learn.evaluations["validation"]
        assert kept.metrics == pytest.approx(learn.evaluate().metrics, abs=1e-6)
        learn.fit(1)
        assert set(learn.evaluations) == {"validation"}
