"""From the Learner to a hub, and from there to anyone: model, tokenizer and card."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi, ModelCard, constants
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
from learners import NewLearner

import graft
from graft.errors import GraftError, HubError, TaskError
from graft.server.running import RunningHub
from small import topic_rows

_numbers = count()

ASK = """
import json, sys
import graft
pipe = graft.pipeline(sys.argv[1], precision="fp32")
print(json.dumps([[answer.label, answer.score, answer.scores] for answer in pipe(sys.argv[2:])]))
"""


@dataclass(frozen=True)
class User:
    """Someone who is logged in; `environment` is that of their other processes."""

    name: str
    token: str
    environment: dict[str, str]

    def api(self) -> HfApi:
        return HfApi(endpoint=self.environment["HF_ENDPOINT"], token=self.token)


@pytest.fixture
def user(hub: RunningHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[User]:
    """A user of the Hub, with a cache of their own."""
    name = f"trainer-{next(_numbers)}"
    token = hub.add_user(name)
    home = tmp_path / "home"
    settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(home)}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    disable_progress_bars()
    yield User(name, token, {**os.environ, **settings})
    enable_progress_bars()


class TestPushing:
    def test_a_fresh_process_answers_with_names_and_scores(
        self, trained: graft.Learner, user: User
    ) -> None:
        repo_id = f"{user.name}/topics-tiny"
        page = trained.push_to_hub(repo_id)
        assert page == f"{user.environment['HF_ENDPOINT']}/{repo_id}"

        texts = ["we saw the rain and snow", "bread and soup", "the team and a ball"]
        ran = subprocess.run(
            [sys.executable, "-c", ASK, repo_id, *texts],
            capture_output=True,
            text=True,
            env=user.environment,
            check=True,
        )
        answers = json.loads(ran.stdout)
        assert [label for label, _, _ in answers] == ["weather", "food", "sport"]
        expected = trained.predict(texts)
        for (_, score, scores), ours in zip(answers, expected, strict=True):
            assert score == pytest.approx(ours.score, abs=0.02)
            assert scores == pytest.approx(ours.scores, abs=0.02)

    def test_everything_comes_in_one_commit(self, trained: graft.Learner, user: User) -> None:
        repo_id = f"{user.name}/one-commit"
        trained.push_to_hub(repo_id)
        titles = [commit.title for commit in user.api().list_repo_commits(repo_id)]
        assert titles[0] == "Upload a text-classification model made with Graft"
        assert len(titles) <= 2
        files = set(user.api().list_repo_files(repo_id))
        assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= files

    def test_the_stock_client_reads_the_card(self, trained: graft.Learner, user: User) -> None:
        repo_id = f"{user.name}/card"
        trained.push_to_hub(repo_id, license="apache-2.0", languages=["en"])
        path = user.api().hf_hub_download(repo_id, "README.md")
        data = ModelCard.load(path).data
        assert (data.pipeline_tag, data.library_name) == ("text-classification", "graft")
        assert (data.license, data.language) == ("apache-2.0", ["en"])
        results = {(one.metric_name, one.dataset_split): one for one in data.eval_results}
        accuracy = results["Accuracy", "test"]
        assert accuracy.metric_value == pytest.approx(trained.evaluations["test"]["accuracy"])
        assert accuracy.task_type == "text-classification"
        info = user.api().model_info(repo_id)
        assert info.pipeline_tag == "text-classification"

    def test_a_private_repository_is_hidden_from_others(
        self, trained: graft.Learner, user: User, hub: RunningHub
    ) -> None:
        repo_id = f"{user.name}/secret"
        trained.push_to_hub(repo_id, private=True)
        assert user.api().model_info(repo_id).private
        other = hub.add_user(f"stranger-{next(_numbers)}")
        for token in (other, False):
            with pytest.raises(RepositoryNotFoundError):
                HfApi(endpoint=hub.url, token=token).model_info(repo_id)

    def test_training_goes_on_from_the_hub(
        self, trained: graft.Learner, user: User, new_learner: NewLearner
    ) -> None:
        repo_id = f"{user.name}/base"
        trained.push_to_hub(repo_id)
        learn = new_learner(base=repo_id)
        assert learn.evaluate("test")["accuracy"] >= 0.95
        assert ModelCardText(learn).header["base_model"] == repo_id

    def test_anothers_name_is_refused(self, trained: graft.Learner, user: User) -> None:
        with pytest.raises(HubError, match="nobody-of-this-name/model"):
            trained.push_to_hub("nobody-of-this-name/model")

    def test_a_field_that_cards_do_not_have(self, trained: graft.Learner, user: User) -> None:
        with pytest.raises(TaskError, match=r"card has no licence\. Its fields are: .*license"):
            trained.push_to_hub(f"{user.name}/licence", licence="mit")
        with pytest.raises(RepositoryNotFoundError):
            user.api().model_info(f"{user.name}/licence")

    @pytest.mark.parametrize("repo_id", ["a/b/c", "../x", "spaces in/it", ""])
    def test_a_name_that_cannot_be(self, trained: graft.Learner, user: User, repo_id: str) -> None:
        with pytest.raises(HubError):
            trained.push_to_hub(repo_id)


class ModelCardText:
    """The card that a Learner writes, as text and header."""

    def __init__(self, learn: graft.Learner, **stated: object) -> None:
        from graft.train.share import model_card

        self.text = model_card(learn, title="topics-tiny", **stated).render()
        _, header, self.body = self.text.split("---\n", 2)
        self.header = yaml.safe_load(header)


@pytest.fixture(scope="module")
def card(trained: graft.Learner) -> ModelCardText:
    trained.evaluate("test")
    return ModelCardText(trained, repo_id="me/topics-tiny")


class TestCard:
    def test_its_sections(self, card: ModelCardText) -> None:
        assert re.findall(r"^##? (.*)$", card.body, re.MULTILINE) == [
            "topics-tiny",
            "How to use it",
            "How good it is",
            "How it was trained",
            "Intended use",
            "Limits",
            "Known biases",
        ]

    def test_figures_of_each_label(self, trained: graft.Learner, card: ModelCardText) -> None:
        found = trained.evaluations["test"]
        assert len(found.per_label) == 3
        for one in found.per_label:
            row = f"| {one.label} | {one.precision:.4f} | {one.recall:.4f} | {one.f1:.4f} | 10 |"
            assert row in card.body
        for name in ("Accuracy", "Macro F1"):
            assert re.search(rf"\| {name} \| [01]\.\d{{4}} \|", card.body)

    def test_how_it_was_trained(self, card: ModelCardText) -> None:
        for name, value in [
            ("Epochs", "8"),
            ("Learning rate", "0.005"),
            ("Schedule", "linear"),
            ("Batch size", "8"),
            ("Seed", "0"),
            ("Training rows", "108"),
            ("Weight decay", "0.01"),
        ]:
            assert f"| {name} | {value} |" in card.body
        assert re.search(r"Made with graft-nlp .*, torch .*, python 3", card.body)

    def test_how_to_use_it(self, card: ModelCardText) -> None:
        assert 'pipe = graft.pipeline("me/topics-tiny")' in card.body
        assert 'pipeline("text-classification", model="me/topics-tiny")' in card.body

    def test_what_nobody_has_stated_is_said_plainly(self, card: ModelCardText) -> None:
        assert card.body.count("Not stated yet") >= 3
        assert "license" not in card.header

    def test_what_is_stated_is_there(self, trained: graft.Learner) -> None:
        card = ModelCardText(
            trained,
            license="mit",
            languages=["en"],
            intended_use="Small talk.",
            limits="Knows twenty-four words.",
            biases="Prefers cheese.",
            examples=["Will it rain?"],
        )
        assert (card.header["license"], card.header["language"]) == ("mit", ["en"])
        assert card.header["widget"] == [{"text": "Will it rain?"}]
        for sentence in ("Small talk.", "Knows twenty-four words.", "Prefers cheese."):
            assert sentence in card.body

    def test_no_text_of_the_data_and_no_path_of_the_machine(
        self, trained: graft.Learner, card: ModelCardText, base: Path, topics: Path
    ) -> None:
        texts = [text for split in trained.data.values() for text in split["text"]]
        assert not [text for text in texts if text in card.text]
        assert str(base.parent) not in card.text
        assert str(topics.parent) not in card.text
        assert "/tmp" not in card.text

    def test_the_record_has_neither(
        self, trained: graft.Learner, base: Path, topics: Path, tmp_path: Path
    ) -> None:
        trained.save(tmp_path / "model")
        record = (tmp_path / "model" / "training.json").read_text()
        assert "/tmp" not in record
        assert not [text for text, _ in topic_rows(120, seed=1) if text in record]

    def test_before_any_training_it_says_so(self, new_learner: NewLearner) -> None:
        card = ModelCardText(new_learner())
        assert "Not stated yet: how well this model does." in card.body


def test_a_hub_that_is_not_there(
    trained: graft.Learner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_nothing")
    with pytest.raises(GraftError, match=r"127\.0\.0\.1:9"):
        trained.push_to_hub("me/model")
