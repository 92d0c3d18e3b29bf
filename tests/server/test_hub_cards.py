"""Cards are held to the form that readers expect; who commits is told of doubts and of secrets."""

import json

import pytest
from person import Person, file

from graft.server.records import Kind
from graft.server.search.card_rules import check_card

GOOD = """---
license: mit
language: [en, deu, zh-Hant]
tags: [a, 2024]
pipeline_tag: text-classification
datasets: trec
base_model: me/base
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: TREC, type: trec}
    metrics: [{type: accuracy, value: 0.9}]
---
"""


def card(lines: str) -> str:
    return f"---\n{lines}\n---\n"


def test_a_good_card_has_nothing_to_be_said_about_it() -> None:
    report = check_card(Kind.MODEL, GOOD)
    assert (report.errors, report.warnings) == ([], [])


@pytest.mark.parametrize(
    ("kind", "lines", "named"),
    [
        (Kind.MODEL, "license: {name: mit}", "license"),
        (Kind.MODEL, "tags: [[a]]", "tags"),
        (Kind.MODEL, "pipeline_tag: [a]", "pipeline_tag"),
        (Kind.MODEL, "library_name: 3", "library_name"),
        (Kind.MODEL, "datasets: {a: b}", "datasets"),
        (Kind.MODEL, "base_model_relation: copied", "base_model_relation"),
        (Kind.MODEL, "model-index: {name: x}", "model-index"),
        (Kind.MODEL, "model-index: [{name: x, results: [{metrics: 1}]}]", "results[0].metrics"),
        (Kind.MODEL, "widget: text", "widget"),
        (Kind.DATASET, "task_categories: {a: b}", "task_categories"),
        (Kind.DATASET, "configs: default", "configs"),
        (Kind.DATASET, "dataset_info: 3", "dataset_info"),
    ],
)
def test_another_form_is_an_error(kind: Kind, lines: str, named: str) -> None:
    report = check_card(kind, card(lines))
    assert len(report.errors) >= 1
    assert named in " ".join(report.errors)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("license: my-own", "my-own"),
        ("language: [en, klingonish]", "klingonish"),
        ("pipeline_tag: mind-reading", "mind-reading"),
    ],
)
def test_words_that_nobody_knows_are_warnings(lines: str, named: str) -> None:
    report = check_card(Kind.MODEL, card(lines))
    assert report.errors == []
    assert named in report.warnings[0]


def test_the_check_tells_errors_and_warnings(ada: Person) -> None:
    content = card("license: my-own\npipeline_tag: [a]")
    answer = ada.http.post("/api/validate-yaml", json={"content": content, "repoType": "model"})
    assert answer.status_code == 400
    assert "pipeline_tag" in answer.json()["errors"][0]["message"]
    assert "my-own" in answer.json()["warnings"][0]["message"]
    body = {"content": card("license: my-own"), "repoType": "model"}
    assert ada.http.post("/api/validate-yaml", json=body).status_code == 200
    strict = ada.http.post("/api/validate-yaml", json=body, headers={"Accept": "text/plain"})
    assert strict.status_code == 400
    assert '- Error: "license" must be one of [' in strict.text


def test_a_commit_with_a_card_in_another_form_is_refused(ada: Person) -> None:
    repo = ada.create("wrong-card")
    head = ada.head(repo)
    refused = ada.commit(repo, file("README.md", card("datasets: {a: b}")))
    assert refused.status_code == 400
    assert "datasets" in refused.json()["error"]
    assert ada.head(repo) == head


def test_a_commit_is_told_of_words_that_nobody_knows(ada: Person) -> None:
    repo = ada.create("odd-card")
    made = ada.commit(repo, file("README.md", card("license: my-own\nlanguage: en")))
    assert made.status_code == 200
    assert "my-own" in made.json()["hookOutput"]
    quiet = ada.commit(repo, file("README.md", GOOD))
    assert quiet.json()["hookOutput"] == ""


SECRETS = {
    "config.py": f"token = 'graft_{'0a' * 20}'\n",
    "keys/id_rsa": "x\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n",
    ".env": "A=1\nHF_TOKEN=hf_" + "aB3" * 12 + "\n",
    "aws.json": json.dumps({"id": "AKIA" + "ABCD" * 4}),
}


@pytest.mark.parametrize("path", SECRETS)
def test_a_commit_with_a_secret_is_warned_about_and_marked(ada: Person, path: str) -> None:
    repo = ada.create("leaky")
    made = ada.commit(repo, file(path, SECRETS[path]), file("notes.md", "nothing here"))
    said = made.json()["hookOutput"]
    line = 1 if path in ("config.py", "aws.json") else 2
    assert f"{path}, line {line}: this looks like a" in said
    assert SECRETS[path].split()[-1].strip("'\"{}") not in said
    info = ada.http.get(f"/api/models/{repo}", params={"securityStatus": True}).json()
    assert info["securityRepoStatus"]["filesWithIssues"] == [{"path": path, "level": "suspicious"}]
    browser = {"Accept": "text/html"}
    page = ada.http.get(f"/{repo}/blob/main/{path}", headers=browser).text
    assert "seems to hold secrets" in page


@pytest.mark.parametrize(
    "text",
    ["graft_0a", "-----BEGIN PUBLIC KEY-----\nabc", "hf_short", "-----BEGIN PRIVATE KEY-----"],
)
def test_what_only_resembles_a_secret_is_none(ada: Person, text: str) -> None:
    repo = ada.create("harmless")
    assert ada.commit(repo, file("notes.md", text)).json()["hookOutput"] == ""
