"""Models run over HTTP: by the stock client, by anybody, and not by those who may not."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import InferenceClient

import graft
from hub_samples import LABELS, OWNER, Garden, contents

QUESTION = "Who wrote Hamlet?"


def post(garden: Garden, name: str, body: Any, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{garden.url}/infer/models/{name}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(address, content=content, headers=headers, timeout=60)


def test_the_stock_client_gets_the_models_own_answer(garden: Garden) -> None:
    client = InferenceClient(
        model=f"{garden.url}/infer/models/{OWNER}/questions-tiny", token=garden.token
    )
    answers = client.text_classification(QUESTION)
    (expected,) = graft.pipeline(garden.model)([QUESTION])
    assert [answer.label for answer in answers] == list(expected.scores)
    assert [answer.score for answer in answers] == pytest.approx(
        list(expected.scores.values()), abs=1e-5
    )
    assert len(client.text_classification(QUESTION, top_k=2)) == 2


def test_a_list_is_answered_in_its_order(garden: Garden) -> None:
    texts = ["How far is it?", QUESTION, "What?"]
    answers = post(garden, f"{OWNER}/questions-tiny", {"inputs": texts}).json()
    expected = graft.pipeline(garden.model)(texts)
    assert [scores[0]["label"] for scores in answers] == [answer.label for answer in expected]
    assert all({score["label"] for score in scores} == set(LABELS) for scores in answers)


def test_pairs_of_texts(garden: Garden) -> None:
    pair = {"text": "It rains.", "text_pair": "It is dry."}
    ((best, *_),) = post(garden, f"{OWNER}/pairs-tiny", {"inputs": pair}).json()
    (expected,) = graft.pipeline(garden.model)([("It rains.", "It is dry.")])
    assert best["label"] == expected.label
    assert best["score"] == pytest.approx(expected.score, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        (f"{OWNER}/no-such-model", {"inputs": "x"}, 404, "no-such-model"),
        (f"{OWNER}/secret", {"inputs": "x"}, 404, "secret"),
        (f"{OWNER}/questions-tiny", {"inputs": ""}, 400, "empty"),
        (f"{OWNER}/questions-tiny", {"wrong": 1}, 400, "inputs"),
        (f"{OWNER}/questions-tiny", b"no json", 400, "not JSON"),
        (f"{OWNER}/questions-tiny", {"inputs": "x" * 30_000}, 413, "20,000"),
        (f"{OWNER}/questions-tiny", b" " * 1_500_000, 413, "1,000,000"),
        (f"{OWNER}/no-weights", {"inputs": "x"}, 422, "holds no weights"),
        (f"{OWNER}/damaged", {"inputs": "x"}, 422, "damaged cannot be run"),
        (f"{OWNER}/plain-base", {"inputs": "x"}, 422, "cannot be run"),
    ],
)
def test_what_cannot_be_run_says_why(
    garden: Garden, name: str, body: Any, status: int, said: str
) -> None:
    reply = post(garden, name, body)
    assert reply.status_code == status
    answer = reply.json()  # what is missing is named beside the words that clients know
    assert said in answer.get("detail", answer["error"])
    assert "/cache/" not in reply.text


def test_a_private_model_runs_for_its_owner_only(garden: Garden) -> None:
    body = {"inputs": QUESTION}
    assert post(garden, f"{OWNER}/secret", body).status_code == 404
    stranger = garden.hub.add_user("inference-stranger")
    assert post(garden, f"{OWNER}/secret", body, stranger).status_code == 404
    assert post(garden, f"{OWNER}/secret", body, "graft_unknown").status_code == 401
    assert post(garden, f"{OWNER}/secret", body, garden.token).status_code == 200


def test_a_new_commit_answers_from_then_on(garden: Garden, tmp_path: Path) -> None:
    name = f"{OWNER}/changing"
    card = b"---\npipeline_tag: text-classification\n---\n"
    garden.push(name, {"README.md": card, **contents(garden.model)})
    before = post(garden, name, {"inputs": QUESTION}).json()
    config = json.loads((garden.model / "config.json").read_text())
    renamed = {key: f"new {label}" for key, label in config["id2label"].items()}
    config["id2label"] = renamed
    config["label2id"] = {label: int(key) for key, label in renamed.items()}
    garden.push(name, {"config.json": json.dumps(config).encode()})
    after = post(garden, name, {"inputs": QUESTION}).json()
    assert [f"new {score['label']}" for score in before[0]] == [s["label"] for s in after[0]]


def test_the_hub_answers_others_while_a_model_loads_and_runs(garden: Garden) -> None:
    name = f"{OWNER}/slow-to-read"
    garden.push(name, contents(garden.model))
    worker = threading.Thread(target=post, args=(garden, name, {"inputs": ["word " * 3_000] * 64}))
    worker.start()
    slowest = 0.0
    while worker.is_alive():
        started = time.monotonic()
        assert httpx.get(f"{garden.url}/static/graft.svg").status_code == 200
        slowest = max(slowest, time.monotonic() - started)
    worker.join()
    assert slowest < 2.0
