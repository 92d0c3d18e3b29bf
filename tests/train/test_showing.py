"""Looking at batches, answers and mistakes, in a terminal and in a notebook."""

import io
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from learners import NewLearner
from rich.console import Console

import graft
from graft.errors import TaskError
from graft.train.progress import ShowProgress
from small import write_csv, write_json_lines


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for IPython, and keeps what is displayed."""
    shown: list[Any] = []
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: object()  # type: ignore[attr-defined]
    ipython.display = types.SimpleNamespace(display=shown.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return shown


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_a_batch(new_learner: NewLearner, capsys: pytest.CaptureFixture[str]) -> None:
    learn = new_learner(max_length=6)
    learn.show_batch(5)
    shown = capsys.readouterr().out
    assert re.search(r"108 training rows, \d+ tokens, \d+ cut to 6", shown)
    rows = [line for line in shown.splitlines() if "[CLS]" in line]
    assert len(rows) == 5
    assert all(re.search(r"\[SEP\] +(food|sport|weather) +[3-6]\b", row) for row in rows)


def test_results(trained: graft.Learner, capsys: pytest.CaptureFixture[str]) -> None:
    trained.show_results("test", rows=4)
    shown = capsys.readouterr().out
    assert "Results on test" in shown
    rows = re.findall(r"(food|sport|weather) +(food|sport|weather) +[01]\.\d\d +(yes|no)", shown)
    assert len(rows) == 4
    assert all((truth == given) == (mark == "yes") for truth, given, mark in rows)


def test_several_labels_are_right_in_any_order(
    new_learner: NewLearner, several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = new_learner(several)
    bias = learn.model.get_parameter("head.classify.bias").data
    bias.copy_(bias.new_tensor([9.0, 15.0, 12.0]))  # all labels, the second one first
    learn.show_results("test", rows=40)
    shown = capsys.readouterr().out
    rows = re.findall(r"  (\S.*?)? +sport, weather, food +1\.00 +(yes|no)", shown)
    assert len(rows) == 40
    whole = shown.count("food, sport, weather")
    assert 0 < whole == sum(mark == "yes" for _, mark in rows)


def test_top_losses_are_those_of_training(
    new_learner: NewLearner, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {"food": 0.0, "sport": 0.0, "weather": 1.0}
    new_learner(class_weights=weights).top_losses("test", rows=10)
    rows = re.findall(r"(food|sport|weather) +(food|sport|weather) +\d", capsys.readouterr().out)
    assert [truth for truth, _ in rows] == ["weather"] * 10


def test_top_losses(trained: graft.Learner, capsys: pytest.CaptureFixture[str]) -> None:
    trained.top_losses("test", rows=6)
    shown = capsys.readouterr().out
    assert "Largest losses on test" in shown
    losses = [float(value) for value in re.findall(r" (\d+\.\d\d) *$", shown, re.MULTILINE)]
    assert len(losses) == 6
    assert losses == sorted(losses, reverse=True)


def test_the_rows_named_are_those_of_the_split(
    trained: graft.Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.top_losses("test", rows=1)
    shown = capsys.readouterr().out
    row = int(re.findall(r"^ +(\d+) ", shown, re.MULTILINE)[0])
    assert trained.data["test"]["text"][row] in shown


def test_in_a_notebook(trained: graft.Learner, notebook: list[Any]) -> None:
    trained.show_batch(2)
    trained.show_results("test", rows=2)
    trained.top_losses("test", rows=2)
    html = [table._repr_html_() for table in notebook]
    assert all(part.startswith("<table>") and part.endswith("</table>") for part in html)
    assert "[CLS]" in html[0]
    assert [part.count("<tr>") for part in html] == [3, 3, 3]


def test_texts_are_not_taken_for_markup(
    new_learner: NewLearner, tmp_path: Path, capsys: pytest.CaptureFixture[str], notebook: list[Any]
) -> None:
    rows = [("<script>alert(1)</script> [bold]rain[/bold]", label) for label in ("a", "b")] * 9
    for split in ("train", "validation"):
        write_csv(tmp_path / f"{split}.csv", ("text", "label"), rows)
    learn = new_learner(tmp_path)
    learn.show_results(rows=1)
    html = notebook[0]._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    console = Console(file=io.StringIO(), width=160)
    console.print(notebook[0])
    assert "[bold]rain[/bold]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_pairs_and_several_labels(
    new_learner: NewLearner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels: list[list[str]] = [["x", "y"], [], ["x"]]
    rows = [{"first": "rain", "second": "sun", "labels": each} for each in labels * 6]
    write_json_lines(tmp_path / "train.jsonl", rows)
    data = graft.load_dataset(tmp_path, text="first", text_pair="second", label="labels")
    learn = new_learner(data)
    learn.show_batch(18)
    learn.show_results(rows=2)
    shown = capsys.readouterr().out
    assert "[CLS] rain [SEP] sun [SEP]   x, y" in shown
    assert "rain | sun" in shown


def test_more_rows_than_there_are(trained: graft.Learner, capsys: Any) -> None:
    trained.top_losses("test", rows=500)
    assert "Largest losses on test" in capsys.readouterr().out


def test_a_split_that_is_not_there(trained: graft.Learner) -> None:
    for look in (trained.show_results, trained.top_losses):
        with pytest.raises(graft.GraftError, match=r"no split 'final'"):
            look("final")


def test_a_split_without_labels(
    new_learner: NewLearner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("rain", "a"), ("sun", "b")] * 9
    for split in ("train", "validation"):
        write_csv(tmp_path / f"{split}.csv", ("text", "label"), rows)
    write_csv(tmp_path / "test.csv", ("text", "label"), [("rain", ""), ("sun", "")])
    learn = new_learner(tmp_path)
    with pytest.raises(TaskError, match="have no label"):
        learn.top_losses("test")


class TestProgress:
    def output(self, new_learner: NewLearner, *, terminal: bool) -> str:
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=120)
        new_learner().fit(2, 1e-3, callbacks=[ShowProgress(console)])
        return file.getvalue()

    def test_a_line_for_each_epoch_where_there_is_no_terminal(
        self, new_learner: NewLearner
    ) -> None:
        lines = self.output(new_learner, terminal=False).splitlines()
        figures = r"loss \d\.\d{3}, accuracy \d\.\d{3}, macro_f1 \d\.\d{3}"
        speed = r"[\d,]+ tokens/s  \d+ s"
        for number, line in enumerate(lines, 1):
            assert re.fullmatch(
                rf"epoch {number}/2  loss \d\.\d{{3}}  validation: {figures}  {speed}", line
            )
        assert len(lines) == 2

    def test_a_bar_in_a_terminal(self, new_learner: NewLearner) -> None:
        shown = self.output(new_learner, terminal=True)
        assert "tokens/s" in shown
        assert "\x1b[" in shown
        assert re.search(r"epoch 2/2  loss", shown)

    def test_it_goes_to_standard_error(
        self, new_learner: NewLearner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        new_learner(progress=True).fit(1)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("epoch 1/1  loss")

    def test_it_can_be_silent(
        self, new_learner: NewLearner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        new_learner(progress=False).fit(1)
        assert capsys.readouterr() == ("", "")
