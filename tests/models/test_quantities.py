"""Heads whose labels are quantities: loaded, kept apart from classes, saved."""

import json
from pathlib import Path
from typing import Any

import pytest

import graft
from graft.errors import TaskError
from graft.tasks.text_classification import TextClassification
from small import make_classifier


def saved(folder: Path, labels: tuple[str, ...], **settings: Any) -> Path:
    """A saved classifier whose `config.json` says something else of its answers."""
    make_classifier(labels).save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text()) | settings
    path.write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )
    return folder


@pytest.mark.parametrize(
    ("labels", "problem", "measures"),
    [
        (("score",), "regression", True),
        (("warmth", "length"), "regression", True),
        (("score",), None, True),
        (("yes", "no"), None, False),
        (("yes", "no"), "single_label_classification", False),
        (("yes",), "multi_label_classification", False),
    ],
)
def test_what_a_file_says(
    tmp_path: Path, labels: tuple[str, ...], problem: str | None, measures: bool
) -> None:
    model = graft.Model.from_pretrained(saved(tmp_path, labels, problem_type=problem))
    assert model.config.measures is measures
    assert model.labels == labels


def test_they_stay_what_they_are(tmp_path: Path) -> None:
    model = graft.Model.from_pretrained(saved(tmp_path / "a", ("score",), problem_type=None))
    model.save_pretrained(tmp_path / "b")
    assert json.loads((tmp_path / "b/config.json").read_text())["problem_type"] == "regression"
    assert graft.Model.from_pretrained(tmp_path / "b").config.measures


@pytest.mark.parametrize(
    "asked",
    [
        {"labels": ["good", "bad"]},
        {"labels": ["warmth", "length"], "several_labels": True},
        {"labels": ["length", "warmth"], "several_labels": False},
        {"task": "token-classification", "labels": ["warmth", "length"]},
    ],
    ids=str,
)
def test_labels_that_are_asked_for_are_classes(tmp_path: Path, asked: dict[str, Any]) -> None:
    folder = saved(tmp_path, ("warmth", "length"), problem_type="regression")
    assert not graft.Model.from_pretrained(folder, **asked).config.measures


def test_they_are_no_classes(tmp_path: Path) -> None:
    model = graft.Model.from_pretrained(saved(tmp_path, ("score",), problem_type="regression"))
    with pytest.raises(
        TaskError, match=r"predicts quantities \(score\), which text-classification"
    ):
        TextClassification.from_model(model)
