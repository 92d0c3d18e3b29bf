"""What pages read from a card's YAML, well formed or not."""

from typing import Any

import pytest

from graft.server.web.facts import Evaluation, Figure, evaluations, examples, headline, names

METADATA = {
    "model-index": [
        {
            "name": "trec-minilm",
            "results": [
                {
                    "task": {"type": "text-classification"},
                    "dataset": {"name": "TREC", "type": "trec", "split": "test"},
                    "metrics": [
                        {"type": "accuracy", "value": 0.968, "name": "Accuracy"},
                        {"type": "f1", "value": 0.951},
                    ],
                }
            ],
        }
    ]
}


def test_figures_come_from_the_model_index() -> None:
    assert evaluations(METADATA) == [
        Evaluation(
            task="text-classification",
            dataset="TREC",
            split="test",
            figures=(Figure("Accuracy", 0.968), Figure("f1", 0.951)),
        )
    ]
    assert headline(METADATA) == ("Accuracy", 0.968, "TREC")


@pytest.mark.parametrize(
    "index",
    [
        None,
        "text",
        [],
        [None, 3],
        [{"results": "none"}],
        [{"results": [{"metrics": [{"type": "f1"}]}]}],
        [{"results": [{"dataset": "trec", "metrics": [{"value": [1]}]}]}],
    ],
)
def test_a_malformed_model_index_shows_nothing_and_breaks_nothing(index: Any) -> None:
    assert evaluations({"model-index": index}) == []
    assert headline({"model-index": index}) is None


def test_examples_are_texts_or_pairs() -> None:
    found = examples(
        {
            "widget": [
                {"text": "Who wrote Hamlet?", "example_title": "A person"},
                {"text": "A man sleeps.", "text_pair": "Somebody is awake."},
                {"text": ""},
                {"src": "photo.png"},
                "no dictionary",
            ]
        }
    )
    assert [(e.text, e.text_pair, e.label) for e in found] == [
        ("Who wrote Hamlet?", None, "A person"),
        ("A man sleeps.", "Somebody is awake.", "A man sleeps. / Somebody is awake."),
    ]


def test_a_long_example_gets_a_short_label() -> None:
    (example,) = examples({"widget": [{"text": "word " * 50}]})
    assert len(example.label) <= 60


def test_a_field_may_hold_one_name_or_several() -> None:
    assert names({"base_model": "me/base"}, "base_model") == ["me/base"]
    assert names({"datasets": ["trec", {"a": 1}, "snips"]}, "datasets") == ["trec", "snips"]
    assert names({}, "datasets") == []
