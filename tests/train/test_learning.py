"""The Learner learns: every kind of label, repeatably, in as many updates as it says."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from learners import NewLearner, at, changed, weights_of
from torch.nn import functional as F

import graft
from graft.train.loop import Fit
from small import (
    TOPICS,
    make_classifier,
    save_model,
    topic_rows,
    topic_text,
    write_csv,
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two texts, of which the second is about food or not."""
    folder, source = tmp_path_factory.mktemp("pairs"), random.Random(0)
    for split, count in (("train", 160), ("test", 40)):
        rows = []
        for index in range(count):
            food = "food" if index % 2 else source.choice(["sport", "weather"])
            first = topic_text([source.choice(list(TOPICS))], source)
            rows.append((first, topic_text([food], source), "yes" if index % 2 else "no"))
        write_csv(folder / f"{split}.csv", ("premise", "hypothesis", "label"), rows)
    return folder


class TestLearning:
    @pytest.mark.parametrize("schedule", ["one-cycle", "linear", "constant"])
    def test_one_label(self, new_learner: NewLearner, schedule: str) -> None:
        learn = new_learner()
        learn.fit(10, 3e-3, schedule=schedule)
        found = learn.evaluate("test")
        assert found["accuracy"] >= 0.9
        assert found["macro_f1"] >= 0.9
        texts, labels = zip(*topic_rows(30, seed=9), strict=True)
        answers = learn.predict(list(texts))
        right = sum(a.label == label for a, label in zip(answers, labels, strict=True))
        assert right >= 26

    def test_one_cycle_by_its_own_name(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        learn.fit_one_cycle(8, 5e-3)
        assert learn.record.fits[0]["schedule"] == "one-cycle"
        assert learn.evaluate("test")["accuracy"] >= 0.95

    def test_several_labels(self, new_learner: NewLearner, several: Path) -> None:
        learn = new_learner(several)
        learn.fit(20, 5e-3)
        assert learn.evaluate("test")["macro_f1"] >= 0.9
        both, none = learn.predict(["bread cheese rain snow", "we had some"])
        assert set(both.labels) == {"food", "weather"}
        assert none.labels == ()

    def test_pairs(self, new_learner: NewLearner, pairs: Path) -> None:
        learn = new_learner(pairs)
        learn.fit(16, 3e-3)
        assert learn.evaluate("test")["accuracy"] >= 0.9
        answers = learn.predict([("rain storm", "bread soup"), ("bread soup", "rain storm")])
        assert [answer.label for answer in answers] == ["yes", "no"]

    def test_in_bfloat16(self, new_learner: NewLearner) -> None:
        learn = new_learner(precision="bf16")
        learn.fit(8, 5e-3)
        assert learn.record.settings["precision"] == "bf16"
        assert {p.dtype for p in learn.model.parameters()} == {torch.float32}
        assert learn.evaluate("test")["accuracy"] >= 0.9

    def test_layers_at_rates_of_their_own(self, new_learner: NewLearner) -> None:
        learn = new_learner(batch_size=108)
        before = weights_of(learn)
        learn.fit(1, slice(1e-6, 1e-2), schedule="constant", clip=0, weight_decay=0)
        after = learn.model.state_dict()

        def moved(name: str) -> float:
            return float((after[name] - before[name]).abs().max())

        first = moved("body.blocks.0.attention.output.weight")
        second = moved("body.blocks.1.attention.output.weight")
        head = moved("head.pool.weight")
        # The first update of AdamW is by the rate itself, whatever the gradient.
        assert moved("body.embeddings.norm.bias") == pytest.approx(1e-6, rel=0.3)
        assert first == pytest.approx(1e-6 * 10 ** (4 / 3), rel=0.1)
        assert second == pytest.approx(1e-6 * 10 ** (8 / 3), rel=0.1)
        assert head == pytest.approx(1e-2, rel=0.1)

    def test_even_one_step_trains(self, new_learner: NewLearner) -> None:
        for schedule in ("linear", "one-cycle"):
            learn = new_learner(batch_size=108)
            before = weights_of(learn)
            learn.fit(1, 1e-2, schedule=schedule)
            assert "head.classify.weight" in changed(learn, before)

    @pytest.mark.minilm
    def test_a_real_model(self, minilm: Path, topics: Path) -> None:
        learn = graft.Learner("text-classification", topics, minilm, progress=False)
        learn.fit(1, 3e-4)
        assert learn.evaluate("test")["accuracy"] >= 0.9


class TestRepeating:
    def run(self, new_learner: NewLearner, **settings: Any) -> dict[str, torch.Tensor]:
        torch.rand(3)  # what was drawn before does not matter
        learn = new_learner(**settings)
        learn.fit(2, 1e-3)
        return weights_of(learn)

    def test_a_seed_gives_the_same_weights(self, new_learner: NewLearner) -> None:
        first, second = self.run(new_learner, seed=3), self.run(new_learner, seed=3)
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())

    def test_another_seed_gives_others(self, new_learner: NewLearner) -> None:
        first, second = self.run(new_learner, seed=3), self.run(new_learner, seed=4)
        assert not torch.equal(first["head.classify.weight"], second["head.classify.weight"])

    def test_a_seed_holds_out_the_same_rows(self, new_learner: NewLearner) -> None:
        held = [new_learner(seed=seed).data["validation"]["text"] for seed in (1, 1, 2)]
        assert held[0] == held[1]
        assert held[0] != held[2]


class TestAccumulating:
    def test_two_halves_are_one_batch(self, tmp_path: Path) -> None:
        """Where a batch is all there is, two batches of half the size give the same updates."""
        rows = [("rain sun", "weather"), ("ball team", "sport")] * 8
        for split in ("train", "validation"):
            write_csv(tmp_path / "data" / f"{split}.csv", ("text", "label"), rows)
        base = save_model(
            tmp_path / "base",
            make_classifier(("sport", "weather"), dropout=0.0, attention_dropout=0.0),
        )

        def train(batch_size: int, accumulate: int) -> graft.Learner:
            learn = graft.Learner(
                "text-classification",
                tmp_path / "data",
                base,
                batch_size=batch_size,
                progress=False,
                precision="fp32",
            )
            learn.fit(4, 1e-3, schedule="constant", accumulate=accumulate, keep_best=False)
            return learn

        whole, halves = train(16, 1), train(8, 2)
        assert whole.record.fits[0]["steps"] == halves.record.fits[0]["steps"] == 4
        for name, tensor in weights_of(whole).items():
            if name.endswith("qkv.bias"):
                continue  # the keys' part has no gradient but rounding errors, which Adam scales up
            torch.testing.assert_close(weights_of(halves)[name], tensor, atol=1e-5, rtol=1e-4)

    def test_updates_are_as_many_fewer(self, new_learner: NewLearner) -> None:
        learn = new_learner()
        learn.fit(1)
        learn.fit(1, accumulate=4)
        once, fourth = (fit["steps"] for fit in learn.record.fits)
        assert fourth == math.ceil(once / 4)


class TestClipping:
    def norms(self, new_learner: NewLearner, clip: float) -> list[float]:
        found: list[float] = []

        def note(fit: Fit) -> None:
            gradients = [p.grad.to_dense() for p in fit.model.parameters() if p.grad is not None]
            found.append(float(torch.cat([g.flatten() for g in gradients]).norm()))

        learn = new_learner(
            batch_size=36, loss=lambda *both: 100 * F.cross_entropy(*both, reduction="none")
        )

        def look(fit: Fit) -> None:
            fit.optimizer.register_step_pre_hook(lambda *_: note(fit))

        learn.fit(1, 1e-4, clip=clip, callbacks=[at("before_fit", look)])
        return found

    def test_the_norm_stays_below(self, new_learner: NewLearner) -> None:
        assert max(self.norms(new_learner, clip=0.25)) == pytest.approx(0.25, rel=1e-3)

    def test_no_limit(self, new_learner: NewLearner) -> None:
        assert min(self.norms(new_learner, clip=0)) > 1
