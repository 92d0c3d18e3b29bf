"""Model cards: what a model is, how good it is and how it was made, for people and for the Hub."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.hub.header import parse_card, render_header
from graft.hub.names import is_repo_id

__all__ = ["LabelFigures", "ModelCard", "Results", "parse_card", "render_header"]

Example = str | tuple[str, str]

# Our metric names -> the type, the name and the arguments that a `model-index` carries.
_METRICS: dict[str, tuple[str, str, dict[str, str]]] = {
    "accuracy": ("accuracy", "Accuracy", {}),
    "macro_f1": ("f1", "Macro F1", {"average": "macro"}),
    "micro_f1": ("f1", "Micro F1", {"average": "micro"}),
    "weighted_f1": ("f1", "Weighted F1", {"average": "weighted"}),
    "macro_precision": ("precision", "Macro precision", {"average": "macro"}),
    "macro_recall": ("recall", "Macro recall", {"average": "macro"}),
}


@dataclass(frozen=True)
class LabelFigures:
    """How well one label is found: fractions from 0 to 1, and its number of true examples."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Results:
    """The figures of one evaluation.

    Attributes:
        dataset: a repository id, a folder or a file.
        metrics: by Graft's names ("accuracy", "macro_f1", ...), fractions from 0 to 1.
        per_label: figures of each label.
        rows: how many examples were evaluated.
    """

    dataset: str
    split: str
    metrics: Mapping[str, float]
    per_label: Sequence[LabelFigures] = ()
    rows: int | None = None


@dataclass(frozen=True)
class ModelCard:
    """What a model card says. What is None or empty is written as not stated yet.

    Attributes:
        title: the heading, for example the repository's name.
        task: the task's name, such as "text-classification".
        repo_id: where the model will be found (`owner/name`), for the code that shows its use.
        labels: the labels' names in order.
        several_labels: whether a text can have several labels at once.
        text_pair: whether the model reads two texts at a time.
        languages: codes such as "en".
        license: an identifier such as "apache-2.0".
        base_model: what it was fine-tuned from: a repository id, or a folder.
        datasets: what it was trained on: repository ids, folders or files.
        tags: more words to find it by.
        results: evaluations.
        training: settings by name, in the order to show them.
        sizes: numbers by name, such as parameters and training examples.
        environment: versions by name.
        examples: texts (or pairs of them) for the page's widget and the code.
        intended_use: Markdown; None when nobody has stated it.
        limits: Markdown; None when nobody has stated them.
        biases: Markdown; None when nobody has stated them.
    """

    title: str
    task: str
    repo_id: str | None = None
    labels: Sequence[str] = ()
    several_labels: bool = False
    text_pair: bool = False
    languages: Sequence[str] = ()
    license: str | None = None
    base_model: str | None = None
    datasets: Sequence[str] = ()
    tags: Sequence[str] = ()
    results: Sequence[Results] = ()
    training: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    intended_use: str | None = None
    limits: str | None = None
    biases: str | None = None

    def metadata(self) -> dict[str, Any]:
        """The YAML header's values; only what can be a repository id is named as one."""
        types = [_metric(name)[0] for result in self.results for name in result.metrics]
        base = self.base_model if self.base_model and _on_a_hub(self.base_model) else None
        return {
            "library_name": "graft",
            "pipeline_tag": self.task,
            "language": list(self.languages),
            "license": self.license,
            "base_model": base,
            "base_model_relation": "finetune" if base else None,
            "datasets": [name for name in self.datasets if _on_a_hub(name)],
            "metrics": list(dict.fromkeys(types)),
            "tags": list(dict.fromkeys(["graft", "transformers", "safetensors", *self.tags])),
            "widget": [_widget(example) for example in self.examples],
            "model-index": self._model_index(),
        }

    def _model_index(self) -> list[dict[str, Any]]:
        if not self.results:
            return []
        return [
            {
                "name": self.repo_id or self.title,
                "results": [_result(result, self.task) for result in self.results],
            }
        ]

    def render(self) -> str:
        """The whole README.md."""
        parts = [
            f"# {_plain(self.title)}",
            self._introduction(),
            "## How to use it",
            self._usage(),
            "## How good it is",
            *(self._figures() or [_not_stated("how well this model does")]),
            "## How it was trained",
            *(self._making() or [_not_stated("how this model was trained")]),
            "## Intended use",
            self.intended_use or _not_stated("what this model is meant for, and what not"),
            "## Limits",
            self.limits or _not_stated("where this model fails"),
            *self._measured_on(),
            "## Known biases",
            self.biases
            or _not_stated("whom or what this model treats unfairly; nobody has looked for it"),
        ]
        return render_header(self.metadata()) + "\n" + "\n\n".join(parts) + "\n"

    def _introduction(self) -> str:
        reads = "two texts" if self.text_pair else "one text"
        gives = "the labels that fit" if self.several_labels else "one label"
        sentences = [f"A {_plain(self.task)} model made with Graft: {reads} in, {gives} out."]
        rows = [
            ("Base model", _source(self.base_model or "")),
            ("Trained on", ", ".join(_source(name) for name in self.datasets)),
            ("Language", ", ".join(_plain(code) for code in self.languages)),
            ("License", _plain(self.license or "")),
            ("Labels", ", ".join(_code(label) for label in self.labels)),
            *((_sentence(name), f"{value:,}") for name, value in self.sizes.items()),
        ]
        stated = [(name, value or "not stated yet") for name, value in rows]
        return "\n\n".join([*sentences, _table(("", ""), stated, escape=False)])

    def _usage(self) -> str:
        name = self.repo_id or "path/to/this/folder"
        example = self.examples[0] if self.examples else self._stand_in()
        given = json.dumps(example, ensure_ascii=False)
        theirs = given
        if isinstance(example, tuple):
            given = f"({given[1:-1]})"
            theirs = json.dumps({"text": example[0], "text_pair": example[1]}, ensure_ascii=False)
        answer = "answer.labels" if self.several_labels else "answer.label"
        score = "answer.scores" if self.several_labels else "answer.score"
        top_k = ", top_k=None" if self.several_labels else ""
        return f"""With Graft (and `HF_ENDPOINT` set to the address of this hub):

```python
import graft

pipe = graft.pipeline({json.dumps(name)})
for answer in pipe([{given}]):
    print({answer}, {score})
```

With transformers:

```python
from transformers import pipeline

pipe = pipeline({json.dumps(self.task)}, model={json.dumps(name)}{top_k})
print(pipe({theirs}))
```"""

    def _stand_in(self) -> Example:
        return ("A first text.", "A second text.") if self.text_pair else "A text of your own."

    def _figures(self) -> list[str]:
        parts = []
        for result in self.results:
            rows = f", {result.rows:,} examples" if result.rows is not None else ""
            parts.append(f"On {_source(result.dataset)}, split {_code(result.split)}{rows}:")
            parts.append(
                _table(
                    ("metric", "value"),
                    [(_metric(name)[1], f"{value:.4f}") for name, value in result.metrics.items()],
                    numbers=1,
                )
            )
            if result.per_label:
                parts.append(
                    _table(
                        ("label", "precision", "recall", "F1", "support"),
                        [
                            (
                                one.label,
                                f"{one.precision:.4f}",
                                f"{one.recall:.4f}",
                                f"{one.f1:.4f}",
                                f"{one.support:,}",
                            )
                            for one in result.per_label
                        ],
                        numbers=4,
                    )
                )
        return parts

    def _making(self) -> list[str]:
        parts = []
        if self.training:
            rows = [(_sentence(name), _setting(value)) for name, value in self.training.items()]
            parts.append(_table(("setting", "value"), rows))
        if self.environment:
            versions = ", ".join(
                f"{_plain(name)} {_plain(version)}" for name, version in self.environment.items()
            )
            parts.append(f"Made with {versions}.")
        return parts

    def _measured_on(self) -> list[str]:
        if not self.results:
            return []
        names = ", ".join(dict.fromkeys(_source(result.dataset) for result in self.results))
        return [f"The figures above were measured on {names} only; on other text they may differ."]


def _result(result: Results, task: str) -> dict[str, Any]:
    dataset = _short(result.dataset)
    metrics = []
    for name, value in result.metrics.items():
        type_, title, arguments = _metric(name)
        metric: dict[str, Any] = {"type": type_, "name": title, "value": float(value)}
        metrics.append({**metric, "args": arguments} if arguments else metric)
    return {
        "task": {"type": task},
        "dataset": {"name": dataset, "type": dataset, "split": result.split},
        "metrics": metrics,
    }


def _metric(name: str) -> tuple[str, str, dict[str, str]]:
    return _METRICS.get(name, (name, _sentence(name), {}))


def _widget(example: Example) -> dict[str, str]:
    if isinstance(example, str):
        return {"text": example}
    return {"text": example[0], "text_pair": example[1]}


def _not_stated(what: str) -> str:
    return f"Not stated yet: {what}."


def _sentence(name: str) -> str:
    """`learning_rate` -> `Learning rate`."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _setting(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def _plain(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(str(text).split()))


def _on_a_hub(name: str) -> bool:
    """Whether a model or data set came from a hub; a folder of that name was taken before."""
    return is_repo_id(name) and not Path(name).exists()


def _short(name: str) -> str:
    """A repository's id, or the last part of a path: where a folder lay is nobody's business."""
    return name if _on_a_hub(name) else Path(name).name


def _source(name: str) -> str:
    return _code(_short(name)) if name else ""


def _code(text: str) -> str:
    """Text as inline code, also inside a table, whatever is in it."""
    line = " ".join(text.split())
    if "`" in line or "|" in line:  # neither can be escaped inside code in a table
        return _plain(line)
    return f"`{line}`"


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: int = 0,
    escape: bool = True,
) -> str:
    """A Markdown table whose last `numbers` columns are aligned to the right."""
    rule = ["---"] * (len(columns) - numbers) + ["---:"] * numbers
    shown = [[_plain(cell) for cell in row] for row in rows] if escape else rows
    lines = [columns, rule, *shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
