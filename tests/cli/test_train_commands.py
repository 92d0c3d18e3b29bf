"""`graft train`, `graft evaluate` and `graft predict`, as a user runs them."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from full_disk import full_disk
from graft.server.running import RunningHub
from small import make_classifier, save_model, topic_rows, write_csv, write_json_lines

Graft = Callable[..., Any]


@pytest.fixture
def train(graft: Graft, base: Path, topics: Path, tmp_path: Path) -> Graft:
    """Runs `graft train` of text classification; what is not given is small and fast."""

    def run(*arguments: str, data: Any = topics, model: Any = base, output: Any = None) -> Any:
        places = [] if "--push" in arguments else ["--output", str(output or tmp_path / "model")]
        usual = ["--epochs", "1", "--batch-size", "8", "--rate", "5e-3"]
        return graft(
            "train",
            "text-classification",
            str(data),
            "--base",
            str(model),
            *places,
            *usual,
            *arguments,
        )

    return run


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random classifier of the topics."""
    return save_model(tmp_path_factory.mktemp("classifier"), make_classifier())


def refused(ran: Any, *parts: str) -> None:
    """One message on standard error that has all these parts, and exit code 2."""
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert ran.err.startswith(("error: ", '{"error": '))
    assert "Traceback" not in ran.err
    for part in parts:
        assert part in ran.err


class TestTraining:
    def test_it_trains_evaluates_and_saves(self, train: Graft, tmp_path: Path) -> None:
        ran = train("--epochs", "8")
        assert ran.code == 0
        assert "test: 30 rows" in ran.out
        assert "accuracy" in ran.out
        assert "weather" in ran.out
        assert f"saved in {tmp_path / 'model'}" in ran.out
        assert "epoch 8/8" in ran.err
        assert {"config.json", "model.safetensors", "README.md", "tokenizer.json"} <= {
            path.name for path in (tmp_path / "model").iterdir()
        }

    def test_json_for_a_program(self, train: Graft, tmp_path: Path) -> None:
        found = json.loads(train("--json", "--epochs", "8", "--schedule", "one-cycle").out)
        assert set(found) == {
            "task",
            "labels",
            "output",
            "page",
            "fits",
            "epochs",
            "evaluation",
        }
        assert found["task"] == "text-classification"
        assert found["labels"] == ["food", "sport", "weather"]
        assert (found["output"], found["page"]) == (str(tmp_path / "model"), None)
        assert found["fits"][0]["schedule"] == "one-cycle"
        assert len(found["epochs"]) == 8
        evaluation = found["evaluation"]
        assert (evaluation["split"], evaluation["rows"]) == ("test", 30)
        assert evaluation["metrics"]["accuracy"] >= 0.9
        assert [one["label"] for one in evaluation["per_label"]] == found["labels"]
        assert set(evaluation["per_label"][0]) == {
            "label",
            "precision",
            "recall",
            "f1",
            "support",
        }

    def test_quiet_is_quiet(self, train: Graft) -> None:
        ran = train("--quiet")
        assert ran.code == 0
        assert "epoch" not in ran.err

    def test_without_a_test_split_the_validation_split_counts(
        self, train: Graft, tmp_path: Path
    ) -> None:
        path = write_csv(tmp_path / "all.csv", ("text", "label"), topic_rows(60))
        found = json.loads(train("--json", data=path).out)
        assert (found["evaluation"]["split"], found["evaluation"]["rows"]) == ("validation", 6)

    def test_a_test_split_whose_labels_are_kept_secret(self, train: Graft, tmp_path: Path) -> None:
        write_csv(tmp_path / "data" / "train.csv", ("text", "label"), topic_rows(60))
        secret = [(text, "") for text, _ in topic_rows(9)]
        write_csv(tmp_path / "data" / "test.csv", ("text", "label"), secret)
        found = json.loads(train("--json", data=tmp_path / "data").out)
        assert found["evaluation"]["split"] == "validation"

    def test_columns_can_be_named(self, train: Graft, tmp_path: Path) -> None:
        rows = [(label, "rain", text, "sun") for text, label in topic_rows(60)]
        path = write_csv(tmp_path / "all.csv", ("kind", "x", "y", "z"), rows)
        ran = train("--json", "--text", "y", "--text-pair", "z", "--label", "kind", data=path)
        assert json.loads(ran.out)["labels"] == ["food", "sport", "weather"]

    def test_settings_reach_the_training(self, train: Graft) -> None:
        found = json.loads(
            train("--json", "--accumulate", "2", "--subset", "0.5", "--balanced", "--seed", "7").out
        )
        assert found["fits"][0]["accumulated batches"] == 2
        assert found["fits"][0]["learning rate"] == 5e-3

    def test_a_seed_repeats_everything(self, train: Graft, tmp_path: Path) -> None:
        for name in ("a", "b"):
            assert train("--seed", "3", output=tmp_path / name).code == 0
        first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
        assert first == second

    def test_sharing_on_a_hub(
        self, train: Graft, graft: Graft, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", hub.add_user("train-commands"))
        found = json.loads(train("--push", "train-commands/topics", "--json").out)
        assert found["page"] == f"{hub.url}/train-commands/topics"
        assert found["output"] is None
        ran = graft("predict", "train-commands/topics", "we saw the rain", "--json")
        assert json.loads(ran.out)[0]["label"] in found["labels"]


class TestTrainingRefusals:
    def test_nowhere_to_put_it(self, graft: Graft, base: Path, topics: Path) -> None:
        ran = graft("train", "text-classification", str(topics), "--base", str(base))
        refused(ran, "Give --output FOLDER, --push OWNER/NAME, or both")

    def test_an_output_that_is_a_file(self, train: Graft, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        refused(train(output=tmp_path / "file"), "--output", "file is a file. Give a folder")
        refused(train(output=tmp_path / "file" / "below"), "--output", "file is a file")
        assert (tmp_path / "file").read_text() == "mine"

    def test_an_output_that_cannot_be_written(
        self, train: Graft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        refused(train(output=tmp_path / "model"), "--output", "you may not write in")

    def test_a_full_disk(self, train: Graft, tmp_path: Path) -> None:
        with full_disk(20_000):
            ran = train("--quiet")
        assert ran.code == 2
        assert "model.safetensors: File too large. Free some space" in ran.err
        assert not (tmp_path / "model").exists()

    def test_a_name_that_cannot_be(self, train: Graft) -> None:
        refused(train("--push", "a/b/c"), "'a/b/c' cannot be the id of a repository")

    def test_a_hub_that_does_not_know_the_user(
        self, train: Graft, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Said before training, not after it."""
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_of_another_hub")
        ran = train("--push", "someone/model")
        refused(ran, hub.url)
        assert "epoch" not in ran.err

    def test_a_ragged_row(self, train: Graft, tmp_path: Path) -> None:
        path = tmp_path / "reviews.csv"
        path.write_text("text,label\nrain,weather\nball,sport,extra\nsun,weather\n")
        refused(train(data=path), "reviews.csv, line 3", "expected 2 fields")
        assert not (tmp_path / "model").exists()

    def test_a_wrong_encoding(self, train: Graft, tmp_path: Path) -> None:
        path = tmp_path / "unclear.csv"
        path.write_bytes(b"text,label\ncaf\x81,food\nsun,weather\n")
        refused(train(data=path), "unclear.csv", "line 2", "not UTF-8", "iconv")

    def test_an_empty_split(self, train: Graft, tmp_path: Path) -> None:
        write_csv(tmp_path / "data" / "train.csv", ("text", "label"), topic_rows(30))
        write_csv(tmp_path / "data" / "test.csv", ("text", "label"), [])
        refused(train(data=tmp_path / "data"), "test.csv")

    def test_one_class_only(self, train: Graft, tmp_path: Path) -> None:
        rows = [(text, "same") for text, _ in topic_rows(30)]
        path = write_csv(tmp_path / "one.csv", ("text", "label"), rows)
        refused(train("--json", data=path), "one.csv", "one class only (same)")

    def test_a_missing_column(self, train: Graft, topics: Path) -> None:
        refused(train("--label", "kind"), "'kind'", "text, label")
        refused(train("--text", "body"), "'body'", "text, label")

    def test_a_missing_label(self, train: Graft, tmp_path: Path) -> None:
        rows = [*topic_rows(30), ("rain", "")]
        path = write_json_lines(
            tmp_path / "train.jsonl", [{"text": t, "label": label or None} for t, label in rows]
        )
        ran = train("--quiet", data=path)
        assert ran.code == 2
        assert "1 rows have no label in column 'label'" in ran.err
        assert "train.jsonl" in ran.err

    def test_unlabelled_test_rows_are_found_before_training(
        self, train: Graft, tmp_path: Path
    ) -> None:
        write_csv(tmp_path / "data" / "train.csv", ("text", "label"), topic_rows(60))
        rows = [*topic_rows(9), ("rain", "")]
        write_csv(tmp_path / "data" / "test.csv", ("text", "label"), rows)
        ran = train(data=tmp_path / "data")
        assert ran.code == 2
        assert "test.csv: 1 rows have no label" in ran.err
        assert "epoch" not in ran.err

    def test_data_that_is_nowhere(self, train: Graft) -> None:
        refused(train(data="no-such-file.csv"), "no-such-file.csv")

    def test_a_base_that_is_nowhere(self, train: Graft) -> None:
        ran = train(model="no such base")
        assert ran.code == 2
        assert "'no such base' is neither a folder that exists nor" in ran.err

    def test_an_id_that_the_hub_does_not_have(
        self, train: Graft, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        ran = train(model="nobody/nothing")
        assert ran.code == 2
        assert "nobody/nothing" in ran.err
        assert hub.url in ran.err

    def test_a_truncated_base(self, train: Graft, base: Path, tmp_path: Path) -> None:
        for path in base.iterdir():
            (tmp_path / "base" / path.name).parent.mkdir(exist_ok=True)
            (tmp_path / "base" / path.name).write_bytes(path.read_bytes())
        weights = tmp_path / "base" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
        ran = train("--quiet", model=tmp_path / "base")
        assert ran.code == 2
        assert f"{weights} is truncated or damaged" in ran.err
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--rate", "0"),
            ("--schedule", "cosine"),
            ("--epochs", "0"),
            ("--subset", "2"),
            ("--max-length", "9999"),
            ("--precision", "int3"),
            ("--batch-size", "0"),
        ],
        ids=" ".join,
    )
    def test_settings_that_cannot_be(self, train: Graft, arguments: tuple[str, ...]) -> None:
        ran = train("--quiet", *arguments)
        assert ran.code == 2
        assert "error: " in ran.err
        assert "Traceback" not in ran.err
        assert "bug" not in ran.err

    def test_a_task_there_is_not(self, graft: Graft, base: Path, topics: Path) -> None:
        ran = graft(
            "train", "juggling", str(topics), "--base", str(base), "--output", "x", "--json"
        )
        assert ran.code == 2
        last = ran.err.strip().splitlines()[-1]
        assert "no task 'juggling'" in json.loads(last)["error"]
        assert ran.out == ""


class TestEvaluating:
    def test_a_table(self, graft: Graft, saved: Path, topics: Path) -> None:
        ran = graft("evaluate", str(saved), str(topics))
        assert ran.code == 0
        assert "test: 30 rows" in ran.out
        assert "support" in ran.out

    def test_json_for_a_program(self, graft: Graft, saved: Path, topics: Path) -> None:
        ran = graft("evaluate", str(saved), str(topics), "--split", "train", "--json")
        found = json.loads(ran.out)
        assert (found["split"], found["rows"]) == ("train", 120)
        assert {"loss", "accuracy", "macro_f1"} == set(found["metrics"])
        assert [one["label"] for one in found["per_label"]] == ["food", "sport", "weather"]

    def test_a_split_that_is_not_there(self, graft: Graft, saved: Path, topics: Path) -> None:
        ran = graft("evaluate", str(saved), str(topics), "--split", "dev")
        refused(ran, "no split 'dev'", "train, test")

    def test_the_only_split_needs_no_name(self, graft: Graft, saved: Path, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "more.csv", ("text", "label"), topic_rows(9))
        found = json.loads(graft("evaluate", str(saved), str(path), "--json").out)
        assert (found["split"], found["rows"]) == ("train", 9)
        refused(graft("evaluate", str(saved), str(path), "--split", "test"), "no split 'test'")

    def test_of_several_splits_one_must_be_named(
        self, graft: Graft, saved: Path, tmp_path: Path
    ) -> None:
        for split in ("train", "validation"):
            write_csv(tmp_path / f"{split}.csv", ("text", "label"), topic_rows(9))
        refused(graft("evaluate", str(saved), str(tmp_path)), "no split 'test'", "validation")

    def test_figures_are_rounded(self, graft: Graft, saved: Path, topics: Path) -> None:
        found = json.loads(graft("evaluate", str(saved), str(topics), "--json").out)
        assert all(value == round(value, 6) for value in found["metrics"].values())

    def test_several_labels_for_a_model_of_one(
        self, graft: Graft, saved: Path, tmp_path: Path
    ) -> None:
        rows = [{"text": "rain", "label": ["weather", "food"]}, {"text": "ball", "label": []}]
        path = write_json_lines(tmp_path / "test.jsonl", rows)
        ran = graft("evaluate", str(saved), str(path))
        refused(ran, "test.jsonl", "several labels for a row, but the model answers one")

    def test_labels_of_another_task(self, graft: Graft, saved: Path, tmp_path: Path) -> None:
        rows = [("rain", "yes"), ("sun", "no")] * 3
        path = write_csv(tmp_path / "test.csv", ("text", "label"), rows)
        ran = graft("evaluate", str(saved), str(path))
        refused(ran, "test.csv", "does not answer: no, yes", "food, sport, weather")

    def test_a_model_without_a_head(self, graft: Graft, base: Path, topics: Path) -> None:
        refused(graft("evaluate", str(base), str(topics)), "without a task's head")


class TestPredicting:
    @pytest.fixture
    def predict(self, graft: Graft, saved: Path) -> Graft:
        return lambda *arguments: graft("predict", str(saved), *arguments)

    def test_a_table(self, predict: Graft) -> None:
        ran = predict("we saw the rain", "a [bold]ball[/bold]")
        assert ran.code == 0
        lines = ran.out.splitlines()
        assert lines[0].split() == ["answer", "score", "text"]
        assert lines[1].rstrip().endswith("we saw the rain")
        assert lines[2].rstrip().endswith("a [bold]ball[/bold]")

    def test_json_for_a_program(self, predict: Graft) -> None:
        (first, second) = json.loads(predict("we saw the rain", "füße", "--json").out)
        assert set(first) == {"input", "label", "score", "scores", "labels"}
        assert first["input"] == "we saw the rain"
        assert second["input"] == "füße"
        assert first["labels"] == [first["label"]]
        assert first["scores"][first["label"]] == first["score"]
        assert sum(first["scores"].values()) == pytest.approx(1)

    def test_a_file_of_texts(self, predict: Graft, tmp_path: Path) -> None:
        (tmp_path / "texts.txt").write_text("\ufeffthe rain\r\na ball\n\nsome soup")
        found = json.loads(predict("--file", str(tmp_path / "texts.txt"), "--json").out)
        assert [each["input"] for each in found] == ["the rain", "a ball", "", "some soup"]

    def test_standard_input(self, predict: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(b"the rain\na ball\n"))
        monkeypatch.setattr(sys, "stdin", stdin)
        found = json.loads(predict("--file", "-", "--json").out)
        assert [each["input"] for each in found] == ["the rain", "a ball"]

    def test_pairs(self, predict: Graft) -> None:
        ran = predict("the rain", "a ball", "--pair", "the sun", "--pair", "a team", "--json")
        found = json.loads(ran.out)
        assert [each["input"] for each in found] == [["the rain", "the sun"], ["a ball", "a team"]]
        assert "the rain | the sun" in predict("the rain", "--pair", "the sun").out

    def test_long_texts_are_shortened_in_the_table(self, predict: Graft) -> None:
        shown = predict("rain " * 100).out
        assert "..." in shown
        assert max(map(len, shown.splitlines())) < 200

    @pytest.mark.parametrize(
        ("arguments", "parts"),
        [
            ((), ["Give texts, or --file FILE"]),
            (("rain", "--file", "x.txt"), ["Give texts, or --file FILE"]),
            (("rain", "--pair", "a", "--pair", "b"), ["1 texts and 2 of --pair"]),
            (("--file", "no-such.txt"), ["no file no-such.txt"]),
            (("--file", "."), [". is a folder"]),
        ],
    )
    def test_what_cannot_be_read(
        self, predict: Graft, arguments: tuple[str, ...], parts: list[str]
    ) -> None:
        refused(predict(*arguments), *parts)

    def test_a_file_in_another_encoding(self, predict: Graft, tmp_path: Path) -> None:
        (tmp_path / "latin.txt").write_bytes("the rain\ncafé\n".encode("latin-1"))
        ran = predict("--file", str(tmp_path / "latin.txt"))
        refused(ran, "latin.txt is not UTF-8", "0xe9", "iconv")

    @pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\xef\xbb\xbf"])
    def test_a_file_without_texts(self, predict: Graft, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "empty.txt").write_bytes(content)
        refused(predict("--file", str(tmp_path / "empty.txt")), "empty.txt has no text")

    def test_an_argument_in_another_encoding(self, predict: Graft) -> None:
        """Python stands in half characters for the bytes of an argument that are no UTF-8."""
        given = os.fsdecode(b"caf\xe9")
        refused(predict("rain", given), "Text 1 is not valid Unicode", "character 3")
        ran = predict("rain", given, "--json")
        assert (ran.code, ran.out) == (2, "")
        assert "not valid Unicode" in json.loads(ran.err)["error"]

    def test_a_model_that_is_nowhere(self, graft: Graft) -> None:
        refused(graft("predict", "no such model", "rain"), "neither a folder that exists nor")

    def test_several_labels_or_none(self, graft: Graft, tmp_path: Path) -> None:
        model = make_classifier(several_labels=True)
        model.get_parameter("head.classify.bias").data.copy_(
            model.get_parameter("head.classify.bias").new_tensor([9.0, -9.0, 9.0])
        )
        save_model(tmp_path, model)
        (found,) = json.loads(graft("predict", str(tmp_path), "rain", "--json").out)
        assert set(found["labels"]) == {"food", "weather"}
        assert "food" in graft("predict", str(tmp_path), "rain").out
