"""The labels of a saved head, and of the one that is wanted."""

import re
from collections.abc import Sequence
from typing import Any

from graft.errors import ModelError

_PLACEHOLDER = re.compile(r"LABEL_\d+")
_SETTINGS = {"id2label", "label2id", "problem_type", "num_labels", "dtype", "torch_dtype"}


def without_labels(raw: dict[str, Any]) -> dict[str, Any]:
    """A `config.json` without what it says of its head."""
    return {key: value for key, value in raw.items() if key not in _SETTINGS}


def answers(raw: dict[str, Any], labels: Sequence[str]) -> dict[str, bool]:
    """What `config.json` says of a head's answers, by the names of `Config`.

    One label alone leaves nothing to choose: where the file does not say what it is, it is a
    quantity.
    """
    kind = raw.get("problem_type")
    alone = kind is None and len(labels) == 1
    return {
        "several_labels": kind == "multi_label_classification",
        "measures": kind == "regression" or alone,
    }


def label_settings(labels: Sequence[str], several: bool, measures: bool = False) -> dict[str, Any]:
    """What `config.json` says of labels."""
    kind = "multi_label_classification" if several else "single_label_classification"
    kind = "regression" if measures else kind
    return {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": kind,
    }


def saved_labels(raw: dict[str, Any]) -> tuple[str, ...]:
    """The labels of the saved head; a head saved without names has placeholders."""
    named = raw.get("id2label") or {f"{i}": f"LABEL_{i}" for i in range(raw.get("num_labels", 2))}
    if not isinstance(named, dict) or set(named) != {str(index) for index in range(len(named))}:
        raise ModelError('id2label does not name the labels by number: {"0": "...", "1": "..."}.')
    return tuple(str(named[str(index)]) for index in range(len(named)))


def label_order(saved: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """For each wanted label, its row in the saved head; None where the head does not fit."""
    if not saved or len(saved) != len(wanted):
        return None
    if all(_PLACEHOLDER.fullmatch(label) for label in saved):
        return list(range(len(saved)))
    if set(saved) == set(wanted):
        return [saved.index(label) for label in wanted]
    return None


def check_labels(labels: Sequence[str], task: str) -> None:
    """Refuses labels that a head cannot have.

    Raises:
        ModelError: There are none, or two of one name.
    """
    if not labels:
        raise ModelError(f"A head for {task} needs the names of its labels: labels=[...].")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if list(labels).count(label) > 1)
        raise ModelError(f"Two labels have the name {twice!r}. Give each its own.")


def spell(labels: Sequence[str], most: int = 4) -> str:
    """Labels in a message."""
    names = ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
    return f"{len(labels)} labels ({names})"


def label_dimensions(name: str) -> tuple[int, ...]:
    """The dimensions of one of our tensors, by its name, that have an entry for each label."""
    if name == "head.crf.transitions":
        return (0, 1)
    return (0,) if name.startswith(("head.classify", "head.crf.")) else ()
