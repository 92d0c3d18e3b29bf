"""The labels of a saved head, and of the one that is wanted."""

import re
from collections.abc import Sequence
from typing import Any

from graft.errors import ModelError

_PLACEHOLDER = re.compile(r"LABEL_\d+")
_KINDS = ("regression", "single_label_classification", "multi_label_classification")
_MOST = 1_000_000  # labels that have no names
_SETTINGS = {"id2label", "label2id", "problem_type", "num_labels", "dtype", "torch_dtype"}


def without_labels(raw: dict[str, Any]) -> dict[str, Any]:
    """A `config.json` without what it says of its head."""
    return {key: value for key, value in raw.items() if key not in _SETTINGS}


def answers(raw: dict[str, Any], labels: Sequence[str]) -> dict[str, bool]:
    """What `config.json` says of a head's answers, by the names of `Config`.

    One label alone leaves nothing to choose: where the file does not say what it is, it is a
    quantity.

    Raises:
        ModelError: It says what is no kind of answers.
    """
    kind = raw.get("problem_type")
    if kind not in (None, *_KINDS):
        raise ModelError(f"problem_type is {kind!r}; there is {', '.join(_KINDS)}.")
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
    """The labels of the saved head; a head saved without names has placeholders.

    `num_labels` beside names says nothing: the ecosystem does not read it either.

    Raises:
        ModelError: There is no such number of labels, or they are not named by number, each by a
            name of its own.
    """
    named = raw.get("id2label") or _placeholders(raw.get("num_labels"))
    if not isinstance(named, dict) or set(named) != {str(index) for index in range(len(named))}:
        raise ModelError('id2label does not name the labels by number: {"0": "...", "1": "..."}.')
    names = [named[str(index)] for index in range(len(named))]
    wrong = [name for name in names if not isinstance(name, str | int | float)]
    if wrong:
        raise ModelError(f"id2label has a label whose name is {wrong[0]!r}, not text.")
    return tuple(map(str, names))


def _placeholders(count: Any) -> dict[str, str]:
    count = 2 if count is None else count
    if type(count) is not int or not 0 < count <= _MOST:
        raise ModelError(f"num_labels is {count!r}, not a whole number from 1 to {_MOST}.")
    return {str(index): f"LABEL_{index}" for index in range(count)}


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
