"""A trained model in one line: named answers, in the order of the questions."""

import random
from pathlib import Path

import pytest
import torch

import graft
from graft.errors import HubError, ModelError, TaskError
from graft.tasks.text_classification import Prediction
from small import make_classifier, save_model, topic_rows, write_csv

LABELS = ("food", "sport", "weather")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("classifier"), make_classifier(LABELS))


@pytest.fixture(scope="module")
def pipe(saved: Path) -> graft.Pipeline:
    return graft.pipeline(saved, precision="fp32")


def test_one_text_has_one_answer(pipe: graft.Pipeline) -> None:
    answer = pipe("we saw the rain")
    assert isinstance(answer, Prediction)
    assert answer.label in LABELS
    assert set(answer.scores) == set(LABELS)
    assert sum(answer.scores.values()) == pytest.approx(1)


def test_answers_come_in_the_order_of_the_texts(pipe: graft.Pipeline) -> None:
    """Whatever the lengths, and however many batches they make."""
    source = random.Random(0)
    words = [text for text, _ in topic_rows(60)]
    texts = [" ".join(source.sample(words, source.randrange(1, 6))) for _ in range(150)]
    together = pipe(texts)
    for text, answer in zip(texts, together, strict=True):
        alone = pipe(text)
        assert alone.label == answer.label
        assert alone.scores == pytest.approx(answer.scores, abs=1e-5)


def test_nothing_asked_is_nothing_answered(pipe: graft.Pipeline) -> None:
    assert pipe([]) == []


def test_empty_texts_and_endless_ones_are_answered(pipe: graft.Pipeline) -> None:
    assert len(pipe(["", " ", "rain " * 5000, "\u4f60\u597d", "\x00"])) == 5


def test_pairs(pipe: graft.Pipeline) -> None:
    first, second = pipe([("the rain", "a ball"), ("a ball", "the rain")])
    assert first.scores != pytest.approx(second.scores)
    with pytest.raises(TaskError, match="Input 1 is 'rain'"):
        pipe([("the rain", "a ball"), "rain"])


def test_bfloat16_is_near(saved: Path, pipe: graft.Pipeline) -> None:
    half = graft.pipeline(saved, precision="bf16")
    texts = [text for text, _ in topic_rows(20)]
    for exact, near in zip(pipe(texts), half(texts), strict=True):
        assert near.scores == pytest.approx(exact.scores, abs=0.05)


def test_what_it_is_can_be_seen(pipe: graft.Pipeline) -> None:
    assert repr(pipe) == "Pipeline('text-classification', labels=['food', 'sport', 'weather'])"


class TestEvaluation:
    def test_the_figures_of_a_split(self, pipe: graft.Pipeline, topics: Path) -> None:
        data = graft.load_dataset(topics, split="test")
        found = pipe.evaluate(data)
        names = [pipe.task.labels[index] for index in data["label"]]
        right = sum(
            answer.label == name for answer, name in zip(pipe(data["text"]), names, strict=True)
        )
        assert (found.split, found.rows) == ("test", 30)
        assert found["accuracy"] == pytest.approx(right / 30)
        assert [one.support for one in found.per_label] == [10, 10, 10]

    def test_the_labels_numbers_may_differ(self, pipe: graft.Pipeline, tmp_path: Path) -> None:
        """A file with some of the labels only is evaluated by their names."""
        rows = [row for row in topic_rows(60) if row[1] != "food"]
        data = graft.load_dataset(write_csv(tmp_path / "test.csv", ("text", "label"), rows))["test"]
        assert data.label_names == ["sport", "weather"]
        found = pipe.evaluate(data)
        answers = pipe([text for text, _ in rows])
        right = sum(a.label == label for a, (_, label) in zip(answers, rows, strict=True))
        assert found["accuracy"] == pytest.approx(right / 40)

    def test_labels_of_another_task(self, pipe: graft.Pipeline, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "test.csv", ("text", "label"), [("a", "yes"), ("b", "no")])
        with pytest.raises(TaskError, match="labels the model does not answer: no, yes"):
            pipe.evaluate(graft.load_dataset(path, label="label")["test"])

    def test_no_labels(self, pipe: graft.Pipeline, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "test.csv", ("text",), [("a text",), ("another",)])
        with pytest.raises(TaskError, match="'test' has no labelled rows"):
            pipe.evaluate(graft.load_dataset(path, text="text")["test"])

    def test_it_shows_itself(self, pipe: graft.Pipeline, topics: Path) -> None:
        found = pipe.evaluate(graft.load_dataset(topics, split="test"))
        html = found._repr_html_()
        assert "macro_f1" in html
        assert "<td>weather</td>" in html


class TestWhatCannotAnswer:
    def test_a_body_alone(self, base: Path) -> None:
        with pytest.raises(TaskError, match=r"saved without a task's head.*Fine-tune it first"):
            graft.pipeline(base)

    def test_no_tokenizer(self, tmp_path: Path) -> None:
        make_classifier(LABELS).save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="has no tokenizer"):
            graft.pipeline(tmp_path)

    def test_a_tokenizer_of_another_model(self, tmp_path: Path) -> None:
        """Ids beyond the embedding would be an index out of range, deep inside."""
        save_model(tmp_path, make_classifier(LABELS, vocab_size=50))
        with pytest.raises(ModelError, match=r"94 tokens.* 50:"):
            graft.pipeline(tmp_path)

    def test_a_truncated_model(self, saved: Path, tmp_path: Path) -> None:
        for path in saved.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        path = tmp_path / "model.safetensors"
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated"):
            graft.pipeline(tmp_path)

    def test_no_such_place(self) -> None:
        with pytest.raises(HubError, match="neither a folder that exists nor"):
            graft.pipeline("no such model")

    def test_a_precision_that_is_none(self, saved: Path) -> None:
        with pytest.raises(ModelError, match="precision is 'int4'; it may be 'auto', 'fp32' or"):
            graft.pipeline(saved, precision="int4")  # type: ignore[arg-type]


def test_the_model_is_read_on_the_device_asked_for(saved: Path) -> None:
    assert graft.pipeline(saved, device="cpu").model.device == torch.device("cpu")
