"""Text classification: its figures, its answers, and what it refuses."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import graft
from graft.errors import TaskError
from graft.tasks.task import TASKS, find_task
from graft.tasks.text_classification import TextClassification
from small import write_csv, write_json_lines

ANSWERS = torch.tensor([[3.0, 0, 0], [0, 2, 0], [2, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 9]])
_FIND_ANOTHER = """
import pathlib, sys
import graft.tasks
code = "from graft.tasks.task import register_task\\n"
code += "register_task(type('Another', (), {'name': 'another'}))\\n"
pathlib.Path(sys.argv[1], "another.py").write_text(code)
graft.tasks.__path__.append(sys.argv[1])
from graft.tasks.task import find_task
print(find_task("another").name)
"""
"""A task is found in its file, which nothing else names."""

TRUTH = torch.tensor([0, 1, 1, 1, 2, 2])
"""Answers a b a b a c to the truth a b b b c c."""


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> graft.Tokenizer:
    return graft.Tokenizer.from_pretrained(base)


def by_label(task: TextClassification, logits: torch.Tensor, truth: torch.Tensor) -> dict[str, Any]:
    return {
        one.label: (one.precision, one.recall, one.f1, one.support)
        for one in task.figures(logits, truth)[1]
    }


class TestFigures:
    def test_of_one_label(self) -> None:
        metrics, _ = TextClassification("abc").figures(ANSWERS, TRUTH)
        assert metrics == {
            "accuracy": pytest.approx(4 / 6),
            "macro_f1": pytest.approx((0.5 + 0.8 + 2 / 3) / 3),
        }

    def test_of_each_label(self) -> None:
        assert by_label(TextClassification("abc"), ANSWERS, TRUTH) == {
            "a": (pytest.approx(1 / 3), 1.0, pytest.approx(0.5), 1),
            "b": (1.0, pytest.approx(2 / 3), pytest.approx(0.8), 3),
            "c": (1.0, 0.5, pytest.approx(2 / 3), 2),
        }

    def test_of_a_label_never_given(self) -> None:
        found = by_label(TextClassification("ab"), torch.tensor([[1.0, 0], [1, 0]]), TRUTH[:2])
        assert found == {"a": (0.5, 1.0, pytest.approx(2 / 3), 1), "b": (0.0, 0.0, 0.0, 1)}

    def test_of_several_labels(self) -> None:
        """Truth {x}, {x, y}, {}, {z}; answers {x}, {x}, {}, {y, z}."""
        logits = torch.tensor([[2.0, -1, -1], [1, -3, -1], [-1, -1, -1], [-2, 1, 1]])
        truth = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]])
        task = TextClassification("xyz", several=True)
        metrics, _ = task.figures(logits, truth)
        assert metrics == {
            "accuracy": pytest.approx(2 / 4),
            "macro_f1": pytest.approx((1 + 0 + 1) / 3),
            "micro_f1": pytest.approx(2 * 3 / (2 * 3 + 1 + 1)),
        }
        assert by_label(task, logits, truth) == {
            "x": (1.0, 1.0, 1.0, 2),
            "y": (0.0, 0.0, 0.0, 1),
            "z": (1.0, 1.0, 1.0, 1),
        }

    def test_the_figure_that_decides(self) -> None:
        assert TextClassification("ab").metric == "accuracy"
        assert TextClassification("ab", several=True).metric == "macro_f1"


class TestLoss:
    def test_of_one_label(self) -> None:
        loss = TextClassification("ab").loss(torch.tensor([[0.0, math.log(3)]]), torch.tensor([0]))
        assert loss.tolist() == pytest.approx([math.log(4)])

    def test_of_several_labels(self) -> None:
        task = TextClassification("ab", several=True)
        logits, truth = torch.tensor([[0.0, 0.0], [9.0, -9.0]]), torch.tensor([[1.0, 0], [1, 0]])
        assert task.loss(logits, truth).tolist() == pytest.approx([math.log(2), 0.0], abs=2e-4)

    def test_a_weight_multiplies_the_rows_of_its_label(self) -> None:
        task, weights = TextClassification("abc"), torch.tensor([1.0, 2.0, 0.0])
        plain, weighted = task.loss(ANSWERS, TRUTH), task.loss(ANSWERS, TRUTH, weights)
        torch.testing.assert_close(weighted, plain * weights[TRUTH])

    def test_a_weight_of_several_labels_counts_where_the_label_is(self) -> None:
        task = TextClassification("ab", several=True)
        truth, weights = torch.tensor([[1.0, 0.0]]), torch.tensor([3.0, 3.0])
        loss = task.loss(torch.zeros(1, 2), truth, weights)
        assert loss.tolist() == pytest.approx([(3 * math.log(2) + math.log(2)) / 2])


class TestAnswers:
    def test_one_label(self) -> None:
        (answer,) = TextClassification(["no", "yes", "so"]).decode(torch.tensor([[0.0, 2.0, 1.0]]))
        total = 1 + math.exp(2) + math.exp(1)
        assert answer.label == "yes"
        assert answer.labels == ("yes",)
        assert answer.score == pytest.approx(math.exp(2) / total)
        assert list(answer.scores) == ["yes", "so", "no"]
        assert sum(answer.scores.values()) == pytest.approx(1)

    def test_several_labels_are_those_above_one_half(self) -> None:
        task = TextClassification(["a", "b", "c"], several=True)
        both, none = task.decode(torch.tensor([[1.0, -1.0, 2.0], [-3.0, -1.0, -2.0]]))
        assert both.labels == ("c", "a")
        assert both.score == both.scores["c"] == pytest.approx(1 / (1 + math.exp(-2)))
        assert (none.label, none.labels) == ("b", ())

    @given(st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), max_size=6))
    def test_each_row_is_answered_in_order(self, rows: list[list[float]]) -> None:
        answers = TextClassification("abc").decode(torch.tensor(rows).view(-1, 3))
        assert len(answers) == len(rows)
        for answer, row in zip(answers, rows, strict=True):
            assert row["abc".index(answer.label)] == pytest.approx(max(row), abs=1e-5)
            assert answer.score == max(answer.scores.values())


class TestLabelsOfTheData:
    def test_their_names_and_order(self, topics: Path) -> None:
        task = TextClassification.from_data(graft.load_dataset(topics))
        assert (task.labels, task.several) == (("food", "sport", "weather"), False)

    def test_several(self, tmp_path: Path) -> None:
        rows = [{"text": "a", "label": ["x", "y"]}, {"text": "b", "label": []}]
        data = graft.load_dataset(write_json_lines(tmp_path / "train.jsonl", rows))
        task = TextClassification.from_data(data)
        assert (task.labels, task.several) == (("x", "y"), True)

    def test_one_class_only(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "train.csv", ("text", "label"), [("a", "yes"), ("b", "yes")])
        with pytest.raises(TaskError, match=r"train\.csv.*'label' holds one class only \(yes\)"):
            TextClassification.from_data(graft.load_dataset(path, label="label"))

    def test_one_class_only_in_the_training_split(self, topics: Path) -> None:
        data = graft.load_dataset(topics)
        train = data["train"].filter(lambda row: row["label"] == 1)
        with pytest.raises(TaskError, match=r"holds one class only \(sport\)"):
            TextClassification.from_data(graft.DatasetDict({**data, "train": train}))

    def test_no_rows_at_all(self, topics: Path) -> None:
        data = graft.load_dataset(topics).filter(lambda _: False)
        with pytest.raises(TaskError, match=r"holds one class only \(none\)"):
            TextClassification.from_data(data)

    def test_no_label_column(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "train.csv", ("text",), [("a text",), ("and another",)])
        with pytest.raises(TaskError, match=r"train\.csv has no label column among text.*label="):
            TextClassification.from_data(graft.load_dataset(path, text="text"))

    def test_a_measure_is_no_label(self, tmp_path: Path) -> None:
        rows = [("rain", f"{index / 7:.3f}") for index in range(40)]
        data = graft.load_dataset(write_csv(tmp_path / "train.csv", ("text", "label"), rows))
        with pytest.raises(TaskError, match=r"'label' holds .*float64.*, not labels"):
            TextClassification.from_data(data)


class TestEncoding:
    def data(self, folder: Path, rows: list[dict[str, Any]], **roles: str) -> graft.Dataset:
        path = write_json_lines(folder / "train.jsonl", rows)
        return graft.load_dataset(path, **roles)["train"]

    def test_targets_follow_the_order_of_the_model(
        self, tokenizer: graft.Tokenizer, tmp_path: Path
    ) -> None:
        rows = [{"text": "rain", "label": label} for label in ("b", "a", "c", "a")]
        encoded = TextClassification("cab").encode(tokenizer, self.data(tmp_path, rows), 64)
        assert encoded.targets is not None
        assert encoded.targets.tolist() == [2, 1, 0, 1]
        assert encoded.targets.dtype == torch.int64

    def test_targets_of_several_labels(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        labels: list[list[str]] = [["b", "a"], [], ["c"]]
        rows = [{"text": "rain", "label": each} for each in labels]
        task = TextClassification("cab", several=True)
        encoded = task.encode(tokenizer, self.data(tmp_path, rows), 64)
        assert encoded.targets is not None
        assert encoded.targets.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
        assert encoded.targets.dtype == torch.float32

    def test_rows_without_a_label(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        labels = ["a", "b", None, "a", None]
        data = self.data(tmp_path, [{"text": "rain", "label": each} for each in labels])
        with pytest.raises(
            TaskError, match=r"2 rows have no label in column 'label'; the first is row 2.*filter"
        ):
            TextClassification("ab").encode(tokenizer, data, 64)

    def test_labels_that_the_model_does_not_answer(
        self, tokenizer: graft.Tokenizer, tmp_path: Path
    ) -> None:
        rows = [{"text": "rain", "label": label} for label in ("a", "b", "z")]
        with pytest.raises(TaskError, match=r"does not answer: z\. It answers: a, b, c"):
            TextClassification("abc").encode(tokenizer, self.data(tmp_path, rows), 64)

    def test_pairs(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        rows = [
            {"premise": "the rain", "hypothesis": "a ball", "label": "yes"},
            {"premise": "", "hypothesis": "sun", "label": "no"},
        ]
        data = self.data(tmp_path, rows, text="premise", text_pair="hypothesis", label="label")
        encoded = TextClassification(["no", "yes"]).encode(tokenizer, data, 64)
        first = [tokenizer.id_to_token(int(token)) for token in encoded.tokens[0]]
        assert first == ["[CLS]", "the", "rain", "[SEP]", "a", "ball", "[SEP]"]
        assert encoded.tokens.type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1]

    def test_long_rows_are_cut(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        data = self.data(tmp_path, [{"text": "rain " * 50, "label": "a"}] * 2)
        encoded = TextClassification("ab").encode(tokenizer, data, 10)
        assert encoded.tokens.lengths.tolist() == [10, 10]
        assert encoded.tokens.truncated == 2


class TestInputs:
    @pytest.mark.parametrize(
        ("inputs", "index"),
        [
            (["a", ("b", "c")], 1),
            ([("b", "c"), "a"], 1),
            ([("b", "c"), ("d",)], 1),
            ([("b", 3)], 0),
            (["a", None], 1),
            ([3], 0),
            ([b"rain"], 0),
        ],
    )
    def test_what_is_neither_text_nor_pair(
        self, tokenizer: graft.Tokenizer, inputs: list[Any], index: int
    ) -> None:
        with pytest.raises(TaskError, match=f"Input {index} is .*expected a text, or a pair"):
            TextClassification("ab").encode_inputs(tokenizer, inputs, 64)

    def test_lists_are_pairs_too(self, tokenizer: graft.Tokenizer) -> None:
        task = TextClassification("ab")
        lists = task.encode_inputs(tokenizer, [["rain", "sun"]], 64)
        tuples = task.encode_inputs(tokenizer, [("rain", "sun")], 64)
        assert lists.tokens.ids.tolist() == tuples.tokens.ids.tolist()
        assert lists.targets is None


def test_the_registry(tmp_path: Path) -> None:
    assert find_task("text-classification") is TextClassification
    assert set(TASKS) == {"text-classification"}
    ran = subprocess.run(
        [sys.executable, "-c", _FIND_ANOTHER, str(tmp_path)], capture_output=True, text=True
    )
    assert ran.stdout == "another\n", ran.stderr
    with pytest.raises(TaskError, match=r"no task 'juggling'\. There is: text"):
        find_task("juggling")
