"""`graft dataset show` and `stats`, as users see them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Graft = Callable[..., Any]


@pytest.fixture
def questions(tmp_path: Path) -> str:
    folder = tmp_path / "questions"
    folder.mkdir()
    (folder / "train.csv").write_text(
        "text,label\n" + "".join(f"Question {n} [bold]?,{'ab'[n % 2]}\n" for n in range(8))
    )
    (folder / "test.csv").write_text(f"text,label\nquestion 3 BOLD,b\n{'long ' * 60},a\n")
    return str(folder)


def test_show_prints_the_first_rows(graft: Graft, questions: str) -> None:
    ran = graft("dataset", "show", questions, "--rows", "2")
    assert ran.code == 0
    assert "Question 1 [bold]?" in ran.out
    assert "Question 2 [bold]?" not in ran.out
    assert "First rows of test" in ran.out
    assert f"{'long ' * 24}".strip()[:119] + "…" in ran.out

    ran = graft("dataset", "show", questions, "--rows", "0", "--split", "train")
    assert "First rows" not in ran.out
    assert "test" not in ran.out.removeprefix(questions).replace(questions, "")


def test_show_as_json_has_the_rows(graft: Graft, questions: str) -> None:
    values = json.loads(graft("dataset", "show", questions, "--rows", "1", "--json").out)
    assert values["rows"]["train"] == [{"text": "Question 0 [bold]?", "label": "a"}]
    assert values["splits"] == {"train": 8, "test": 2}


def test_stats_print_figures_and_what_to_look_at(graft: Graft, questions: str, base: Path) -> None:
    ran = graft("dataset", "stats", questions, "--tokenizer", str(base), "--max-length", "30")
    assert ran.code == 0
    assert "Rows by length in tokens" in ran.out
    assert "1 of 2 rows of test (50.0 %) have a text that is also in train" in ran.out
    assert "longer than 30 tokens" in ran.out


def test_stats_as_json_and_as_a_page(graft: Graft, questions: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = graft("dataset", "stats", questions, "--json", "--html", str(page))
    assert json.loads(ran.out)["splits"]["train"]["labels"] == {"a": 4, "b": 4}
    assert "Wrote" in ran.err
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_stats_refuse_what_is_not_there(graft: Graft, questions: str, tmp_path: Path) -> None:
    ran = graft("dataset", "stats", questions, "--split", "dev")
    assert (ran.code, ran.out) == (2, "")
    assert "train, test" in ran.err or "test, train" in ran.err
    ran = graft("dataset", "stats", questions, "--max-length", "3")
    assert ran.code == 2
    assert "give the tokenizer too" in ran.err
    ran = graft("dataset", "stats", questions, "--tokenizer", str(tmp_path / "none"))
    assert ran.code == 2
