"""Saving and loading what a Learner has made: all of it, or nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from learners import NewLearner, changed, weights_of

import graft
from full_disk import full_disk
from graft.errors import ModelError, TaskError
from small import make_classifier, save_model, topic_rows, write_csv

TEXTS = [text for text, _ in topic_rows(12, seed=5)]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def scores(answers: list[Any]) -> list[dict[str, float]]:
    return [dict(sorted(answer.scores.items())) for answer in answers]


def test_a_pipeline_answers_the_same(trained: graft.Learner, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    pipe = graft.pipeline(tmp_path / "model", precision="fp32")
    assert pipe.task.labels == ("food", "sport", "weather")
    for ours, theirs in zip(scores(trained.predict(TEXTS)), scores(pipe(TEXTS)), strict=True):
        assert ours == pytest.approx(theirs, abs=0.02)  # the Learner may compute in bfloat16


def test_what_is_written(trained: graft.Learner, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    assert names(tmp_path / "model") == {
        "README.md",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }
    assert names(tmp_path) == {"model"}


def test_the_training_record(trained: graft.Learner, tmp_path: Path) -> None:
    trained.evaluate("test")
    trained.save(tmp_path)
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["task"] == "text-classification"
    assert record["fits"] == trained.record.fits
    assert record["epochs"] == trained.record.epochs
    assert record["settings"]["seed"] == 0
    assert record["evaluations"]["test"] == trained.evaluations["test"].metrics
    assert set(record["environment"]) == {"graft-nlp", "torch", "python"}


def test_loading_puts_the_weights_back(
    trained: graft.Learner, new_learner: NewLearner, tmp_path: Path
) -> None:
    trained.save(tmp_path / "model")
    learn = new_learner()
    learn.evaluate("test")
    learn.load(tmp_path / "model")
    assert not changed(learn, weights_of(trained))
    assert learn.evaluations == {}, "figures of other weights are gone"
    learn.fit(1, 1e-4)


def test_loading_takes_the_record_of_the_weights(
    trained: graft.Learner, new_learner: NewLearner, tmp_path: Path
) -> None:
    trained.save(tmp_path / "model")
    learn = new_learner(seed=3)
    learn.fit(1, 1e-4)
    learn.load(tmp_path / "model")
    assert learn.record == trained.record
    (tmp_path / "model" / "training.json").unlink()
    learn.load(tmp_path / "model")
    assert (learn.record.settings["seed"], learn.record.fits, learn.record.epochs) == (3, [], [])


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"settings": 1, "fits": 2, "epochs": 3}'])
def test_a_damaged_record_leaves_the_learner(
    trained: graft.Learner, new_learner: NewLearner, tmp_path: Path, content: str
) -> None:
    trained.save(tmp_path)
    (tmp_path / "training.json").write_text(content)
    learn = new_learner()
    before = weights_of(learn)
    with pytest.raises(ModelError, match=r"training\.json is not a record of training"):
        learn.load(tmp_path)
    assert not changed(learn, before)


def test_texts_are_cut_after_saving_as_in_training(new_learner: NewLearner, tmp_path: Path) -> None:
    learn = new_learner(max_length=7)
    learn.save(tmp_path)
    assert learn.pipeline().max_length == 7
    assert graft.pipeline(tmp_path).max_length == 7
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["model_max_length"] == 7
    assert learn.tokenizer.max_length == 64, "the Learner's own tokenizer is as it was"


def test_training_goes_on_from_what_was_saved(
    trained: graft.Learner, new_learner: NewLearner, tmp_path: Path
) -> None:
    trained.save(tmp_path / "model")
    learn = new_learner(base=tmp_path / "model")
    assert not changed(learn, weights_of(trained))


def test_other_labels_are_refused(new_learner: NewLearner, tmp_path: Path) -> None:
    save_model(tmp_path, make_classifier(("food", "sport", "music")))
    learn = new_learner()
    before = weights_of(learn)
    with pytest.raises(ModelError, match=r"answers food, sport, music; .* food, sport, weather"):
        learn.load(tmp_path)
    assert not changed(learn, before)


def test_another_size_is_refused(new_learner: NewLearner, tmp_path: Path) -> None:
    save_model(tmp_path, make_classifier(hidden_size=16))
    with pytest.raises(ModelError, match="of another size"):
        new_learner().load(tmp_path)


def test_a_damaged_file_leaves_the_weights(
    trained: graft.Learner, new_learner: NewLearner, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    learn = new_learner()
    before = weights_of(learn)
    with pytest.raises(ModelError, match="truncated"):
        learn.load(tmp_path)
    assert not changed(learn, before)


class TestNothingHalfWritten:
    def test_a_new_folder(self, new_learner: NewLearner, tmp_path: Path) -> None:
        learn = new_learner()
        with full_disk(20_000), pytest.raises(OSError, match=r"too large.*model\.safetensors"):
            learn.save(tmp_path / "model")
        assert names(tmp_path) == set()

    def test_an_older_model_stays_whole(
        self, trained: graft.Learner, new_learner: NewLearner, tmp_path: Path
    ) -> None:
        trained.save(tmp_path / "model")
        kept = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
        learn = new_learner()
        with full_disk(20_000), pytest.raises(OSError, match="File too large"):
            learn.save(tmp_path / "model")
        assert {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()} == kept
        assert names(tmp_path) == {"model"}

    def test_a_file_in_the_way(self, trained: graft.Learner, tmp_path: Path) -> None:
        (tmp_path / "model").write_text("something of the user's")
        with pytest.raises(TaskError, match=r"model is a file\. Give a folder"):
            trained.save(tmp_path / "model")
        assert (tmp_path / "model").read_text() == "something of the user's"
        assert names(tmp_path) == {"model"}

    def test_files_that_were_there_stay(self, trained: graft.Learner, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        trained.save(tmp_path)
        assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_folder_one_is_in(
    trained: graft.Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    trained.save(".")
    assert "# here\n" in (tmp_path / "here" / "README.md").read_text()


def test_a_test_split_without_labels_is_not_reported(
    new_learner: NewLearner, tmp_path: Path
) -> None:
    """As benchmarks publish them: the answers are kept from those who compete."""
    from graft.train.validation import split_to_report

    write_csv(tmp_path / "train.csv", ("text", "label"), topic_rows(30))
    assert split_to_report(new_learner(tmp_path).data) == "validation"
    write_csv(tmp_path / "test.csv", ("text", "label"), [(text, "") for text in TEXTS])
    assert split_to_report(new_learner(tmp_path).data) == "validation"
    write_csv(tmp_path / "test.csv", ("text", "label"), topic_rows(9))
    assert split_to_report(new_learner(tmp_path).data) == "test"
