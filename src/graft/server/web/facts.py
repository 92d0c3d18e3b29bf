"""What a card's YAML says, as plain values; whatever its author wrote, nothing here fails."""

from dataclasses import dataclass
from typing import Any

MAX_FIGURES = 40
MAX_EXAMPLES = 6


@dataclass(frozen=True)
class Figure:
    """One metric of one evaluation."""

    metric: str
    value: Any


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on one data set; `task` and `split` may be empty."""

    task: str
    dataset: str
    split: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Example:
    """An input that the card offers for the widget."""

    text: str
    text_pair: str | None = None
    title: str = ""

    @property
    def label(self) -> str:
        """What stands on the example's button."""
        words = self.title or " / ".join(filter(None, (self.text, self.text_pair)))
        return words if len(words) <= 60 else f"{words[:57].rstrip()}…"


def evaluations(metadata: dict[str, Any]) -> list[Evaluation]:
    """Reads `model-index`, skipping what is not in its form."""
    found = []
    for model in _dicts(metadata.get("model-index")):
        for result in _dicts(model.get("results")):
            figures = tuple(
                Figure(_text(metric, "name", "type"), metric["value"])
                for metric in _dicts(result.get("metrics"))
                if _is_scalar(metric.get("value")) and _text(metric, "name", "type")
            )[:MAX_FIGURES]
            dataset, task = _dict(result.get("dataset")), _dict(result.get("task"))
            if figures:
                found.append(
                    Evaluation(
                        task=_text(task, "name", "type"),
                        dataset=_text(dataset, "name", "type"),
                        split=_text(dataset, "split"),
                        figures=figures,
                    )
                )
    return found


def headline(metadata: dict[str, Any]) -> tuple[str, Any, str] | None:
    """The first figure of the first evaluation: metric, value, data set. None: there is none."""
    for evaluation in evaluations(metadata):
        figure = evaluation.figures[0]
        return figure.metric, figure.value, evaluation.dataset
    return None


def examples(metadata: dict[str, Any]) -> list[Example]:
    """Reads the card's `widget` list: its texts, or pairs of texts."""
    found = []
    for item in _dicts(metadata.get("widget")):
        text, pair = item.get("text"), item.get("text_pair")
        if isinstance(text, str) and text.strip():
            title = item.get("example_title")
            found.append(
                Example(
                    text=text,
                    text_pair=pair if isinstance(pair, str) else None,
                    title=title if isinstance(title, str) else "",
                )
            )
    return found[:MAX_EXAMPLES]


def names(metadata: dict[str, Any], key: str) -> list[str]:
    """The values of a field that may be one string or a list of them."""
    value = metadata.get(key)
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if _is_scalar(item)][:10]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(fields: dict[str, Any], *keys: str) -> str:
    """The first of the fields that has a value."""
    for key in keys:
        if _is_scalar(fields.get(key)):
            return str(fields[key])
    return ""
