"""Which rows a Learner trains on, and which it is validated on."""

import logging
from pathlib import Path

import pytest
from learners import NewLearner, changed, weights_of

from graft.errors import DataError, TaskError
from small import (
    topic_rows,
    write_csv,
)


class TestRowsToTrainAndValidateOn:
    def test_a_tenth_is_held_out_and_said(
        self, new_learner: NewLearner, topics: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            learn = new_learner()
        assert caplog.messages == [
            f"{topics} has no validation split: 12 of the 120 training rows are held out for it."
        ]
        assert learn.data["validation"].label_counts() == {"food": 4, "sport": 4, "weather": 4}
        assert len(learn.data["train"]) == 108
        both = {*learn.data["train"]["text"]} & {*learn.data["validation"]["text"]}
        assert len(both) < 12

    def test_several_labels_are_held_out_in_proportion(
        self, new_learner: NewLearner, several: Path
    ) -> None:
        learn = new_learner(several)
        assert len(learn.data["validation"]) == 20
        assert min(learn.data["validation"].label_counts().values()) >= 3

    def test_a_validation_split_is_used_as_it_is(
        self, new_learner: NewLearner, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_csv(tmp_path / "train.csv", ("text", "label"), topic_rows(30, 1))
        write_csv(tmp_path / "dev.csv", ("text", "label"), topic_rows(9, 2))
        learn = new_learner(tmp_path)
        assert (len(learn.data["train"]), len(learn.data["validation"])) == (30, 9)
        assert caplog.messages == []

    def test_too_few_rows_to_hold_any_out(self, new_learner: NewLearner, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "train.csv", ("text", "label"), topic_rows(4))
        with pytest.raises(TaskError, match=r"4 training rows are too few.*validation\.csv"):
            new_learner(path)

    def test_a_subset_keeps_every_class(self, new_learner: NewLearner, tmp_path: Path) -> None:
        rows = [*topic_rows(300), ("we had some", "other"), ("in the", "other")]
        write_csv(tmp_path / "train.csv", ("text", "label"), rows)
        write_csv(tmp_path / "validation.csv", ("text", "label"), rows)
        learn = new_learner(tmp_path, subset=0.1)
        counts = learn.data["train"].label_counts()
        assert counts == {"food": 10, "other": 1, "sport": 10, "weather": 10}
        assert learn.record.settings["training rows"] == 31
        assert len(learn.data["validation"]) == 302

    @pytest.mark.parametrize("share", [0, -0.5, 1.5])
    def test_a_subset_that_is_none(self, new_learner: NewLearner, share: float) -> None:
        with pytest.raises(DataError, match="is no share"):
            new_learner(subset=share)

    def test_no_training_split(self, new_learner: NewLearner, tmp_path: Path) -> None:
        write_csv(tmp_path / "test.csv", ("text", "label"), topic_rows(9))
        with pytest.raises(TaskError, match=r"no split named 'train'; it has test\. .*train\.csv"):
            new_learner(tmp_path)

    def test_null_labels_are_said_before_training(
        self, new_learner: NewLearner, tmp_path: Path
    ) -> None:
        write_csv(tmp_path / "train.csv", ("text", "label"), topic_rows(30))
        write_csv(tmp_path / "validation.csv", ("text", "label"), [("rain", "food"), ("sun", "")])
        learn = new_learner(tmp_path)
        before = weights_of(learn)
        with pytest.raises(TaskError, match=r"validation\.csv: 1 rows have no label.*row 1"):
            learn.fit(1)
        assert not changed(learn, before)

    def test_a_split_that_is_not_there(self, new_learner: NewLearner) -> None:
        with pytest.raises(TaskError, match="no split 'final'; there is train, test, validation"):
            new_learner().evaluate("final")
