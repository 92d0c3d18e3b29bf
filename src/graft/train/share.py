"""Saving what a Learner has made, and sharing it with a card that says how good it is."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import ModelError, TaskError
from graft.files import atomic_folder
from graft.hub.card import ModelCard, Results
from graft.hub.client import local_folder, push_folder
from graft.models.model import Model
from graft.tasks.task import Evaluation
from graft.train.record import TrainingRecord
from graft.train.validation import split_to_report

if TYPE_CHECKING:
    from graft.train.learner import Learner

_RECORD = "training.json"


def save(learn: Learner, folder: Path) -> None:
    """Writes model, tokenizer, card and training record into a folder, all or nothing."""
    if folder.exists() and not folder.is_dir():
        raise TaskError(f"{folder} is a file. Give a folder to save in.")
    _write(learn, folder, model_card(learn, title=folder.resolve().name))


def load(learn: Learner, folder: Path) -> None:
    """Puts the weights in a folder into a Learner's model, and their record into its record.

    Raises:
        ModelError: They are of another architecture or of other labels, or a file is damaged.
    """
    folder = local_folder(folder)
    saved = Model.from_pretrained(folder)
    ours = learn.model
    if saved.labels != ours.labels or saved.task != ours.task:
        raise ModelError(
            f"{folder} answers {', '.join(saved.labels) or 'nothing'}; the model of this Learner "
            f"answers {', '.join(ours.labels)}. Make the Learner from the same data set."
        )
    shapes = {name: tensor.shape for name, tensor in saved.state_dict().items()}
    if shapes != {name: tensor.shape for name, tensor in ours.state_dict().items()}:
        raise ModelError(f"{folder} holds a model of another size than this Learner's.")
    path = folder / _RECORD
    record = TrainingRecord.read(path) if path.is_file() else TrainingRecord(dict(learn.settings))
    ours.load_state_dict(saved.state_dict())
    learn.record = record
    learn.evaluations.clear()


def push(learn: Learner, repo_id: str, *, private: bool, card: dict[str, Any]) -> str:
    """Uploads what `save` writes in one commit; returns the address of the page.

    The figures in the card are of the test split where it has labels, else of the validation split;
    they are measured now if they have not been.
    """
    split = split_to_report(learn.data)
    if split not in learn.evaluations:
        learn.evaluate(split)
    title = repo_id.rpartition("/")[2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        _write(learn, folder, model_card(learn, title=title, repo_id=repo_id, **card))
        name = learn.task.name
        return push_folder(
            folder, repo_id, private=private, message=f"Upload a {name} model made with Graft"
        )


def model_card(learn: Learner, *, title: str, **stated: Any) -> ModelCard:
    """The card of a Learner's model: what is known of it, and what `stated` adds.

    Raises:
        TaskError: `stated` names a field that cards do not have.
    """
    unknown = set(stated) - set(ModelCard.__dataclass_fields__)
    if unknown:
        fields = ", ".join(sorted(ModelCard.__dataclass_fields__))
        raise TaskError(f"A card has no {', '.join(sorted(unknown))}. Its fields are: {fields}.")
    data = learn.data
    # The test split first: lists of models show the first figure.
    evaluations = sorted(learn.evaluations.values(), key=lambda found: found.split != "test")
    known: dict[str, Any] = {
        "title": title,
        "task": learn.task.name,
        "labels": learn.task.labels,
        "several_labels": learn.model.config.several_labels,
        "text_pair": data["train"].roles.text_pair is not None,
        "languages": _as_list(data.metadata.get("language")),
        "base_model": None if learn.base is None else str(learn.base),
        "datasets": [data.source],
        "results": [_results(data.source, found) for found in evaluations],
        "training": learn.record.training(),
        "sizes": {"parameters": sum(p.numel() for p in learn.model.parameters())},
        "environment": TrainingRecord.environment(),
    }
    return ModelCard(**{**known, **stated})


def _write(learn: Learner, folder: Path, card: ModelCard) -> None:
    with atomic_folder(folder) as temporary:
        learn.model.save_pretrained(temporary)
        learn.tokenizer.save_pretrained(temporary, max_length=learn.max_length)
        (temporary / "README.md").write_text(card.render(), encoding="utf-8")
        record = {
            "task": learn.task.name,
            "settings": learn.record.settings,
            "fits": learn.record.fits,
            "epochs": learn.record.epochs,
            "evaluations": {split: e.metrics for split, e in learn.evaluations.items()},
            "environment": TrainingRecord.environment(),
        }
        (temporary / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _results(source: str, found: Evaluation) -> Results:
    figures = {name: value for name, value in found.metrics.items() if name != "loss"}
    return Results(source, found.split, figures, found.per_label, found.rows)


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
