"""What lists and information tell of a repository: fields, files, bases, results, tables."""

import io
import json
from typing import Any, get_args

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.hf_api import ExpandDatasetProperty_T, ExpandModelProperty_T
from person import Person, file

from graft.server.records import Kind
from graft.server.repositories import contents, describing
from graft.server.running import RunningHub
from graft.server.search import selectors, text


def card(lines: str, body: str = "") -> dict[str, Any]:
    return file("README.md", f"---\n{lines}\n---\n{body}\n")


def tensors(**shapes: list[int]) -> bytes:
    header = {name: {"dtype": "F32", "shape": shape} for name, shape in shapes.items()}
    data = json.dumps(header).encode()
    return len(data).to_bytes(8, "little") + data


def info(who: Person, repo: str, kind: str = "models", **asked: Any) -> dict[str, Any]:
    answer = who.http.get(f"/api/{kind}/{repo}", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("kind", "names"),
    [("models", get_args(ExpandModelProperty_T)), ("datasets", get_args(ExpandDatasetProperty_T))],
)
def test_every_field_that_clients_know_can_be_asked_for(
    ada: Person, kind: str, names: tuple[str, ...]
) -> None:
    repo = ada.create(f"fields-of-{kind}", kind.removesuffix("s"))
    for name in names:
        assert set(info(ada, repo, kind, expand=name)) == {"_id", "id", name}
    listed = ada.http.get(f"/api/{kind}", params={"author": ada.name, "expand": list(names)})
    assert listed.status_code == 200, listed.text
    assert set(names) <= {*listed.json()[0], *names}


def test_a_field_that_nobody_knows_is_refused(ada: Person) -> None:
    repo = ada.create("no-such-field")
    for address in (f"/api/models/{repo}", "/api/models"):
        refused = ada.http.get(address, params={"expand": "foo"})
        assert refused.status_code == 400
        assert "foo" in refused.json()["error"]


def test_files_come_from_the_index_and_from_git_alike(ada: Person) -> None:
    repo = ada.create("same-files")
    ada.commit(repo, file("b/c.txt", "x"), file("a.json", "{}"), card("license: mit"))
    whole = info(ada, repo, blobs=True)
    at_commit = ada.http.get(f"/api/models/{repo}/revision/{whole['sha']}", params={"blobs": True})
    ada.http.post(f"/api/models/{repo}/branch/other", json={})
    at_branch = ada.http.get(f"/api/models/{repo}/revision/other", params={"blobs": True})
    assert {f["rfilename"] for f in whole["siblings"]} >= {"b/c.txt", "a.json", "README.md"}
    assert whole["siblings"] == at_commit.json()["siblings"] == at_branch.json()["siblings"]
    assert at_branch.json()["cardData"] == {"license": "mit"}


def test_an_older_revision_is_told_as_it_was(ada: Person) -> None:
    repo = ada.create("once")
    first = ada.commit(repo, card("license: mit\ntags: [old]")).json()["commitOid"]
    ada.commit(repo, card("license: apache-2.0"))
    then = ada.http.get(f"/api/models/{repo}/revision/{first}").json()
    assert then["sha"] == first
    assert "old" in then["tags"]
    assert "license:mit" in then["tags"]


def test_what_configurations_say(ada: Person) -> None:
    repo = ada.create("configured")
    config = {"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 3}
    ada.commit(
        repo,
        file("config.json", json.dumps(config)),
        file("tokenizer_config.json", json.dumps({"mask_token": {"content": "[MASK]"}})),
    )
    found = info(ada, repo)
    assert found["config"]["architectures"] == ["BertForMaskedLM"]
    assert "hidden_size" not in found["config"]
    assert found["mask_token"] == "[MASK]"
    assert found["pipeline_tag"] == "fill-mask"
    assert found["transformersInfo"]["auto_model"] == "AutoModelForMaskedLM"
    assert {"bert", "transformers"} <= set(found["tags"])


def test_weights_in_shards_and_in_folders(ada: Person) -> None:
    repo = ada.create("shards")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    ada.commit(
        repo,
        file("model-1.safetensors", tensors(a=[2, 3])),
        file("model-2.safetensors", tensors(b=[4])),
        file("left-over.safetensors", tensors(c=[1000])),
        file("model.safetensors.index.json", json.dumps(index)),
    )
    assert info(ada, repo)["safetensors"] == {"parameters": {"F32": 10}, "total": 10}
    ada.commit(repo, file("model.safetensors", tensors(a=[2, 3], b=[5])))
    assert info(ada, repo)["safetensors"]["total"] == 11
    folders = ada.create("in-folders")
    ada.commit(
        folders,
        file("unet/model.safetensors", tensors(a=[7])),
        file("text/model.safetensors", tensors(a=[8])),
    )
    assert info(ada, folders)["safetensors"]["total"] == 15


def test_a_tree_of_what_was_grafted_from_what(ada: Person, bob: Person) -> None:
    root = ada.create("root")
    for name, lines in {
        "tuned": f"base_model: {root}",
        "adapted": f"base_model: {root}\nlibrary_name: peft",
        "merged": f"base_model: [{root}, other/away]",
        "said": f"base_model: {root}\nbase_model_relation: quantized",
    }.items():
        assert ada.commit(ada.create(name), card(lines)).status_code == 200
    hidden = ada.create("hidden-child", private=True)
    ada.commit(hidden, card(f"base_model: {root}"))
    tree = bob.http.get(f"/api/models/{root}/model-tree").json()
    assert {child["id"]: child["relation"] for child in tree["children"]} == {
        f"{ada.name}/tuned": "finetune",
        f"{ada.name}/adapted": "adapter",
        f"{ada.name}/merged": "merge",
        f"{ada.name}/said": "quantized",
    }
    assert tree["childrenCount"] == {"finetune": 1, "adapter": 1, "merge": 1, "quantized": 1}
    assert info(bob, root, expand="childrenModelCount")["childrenModelCount"] == 4
    assert info(ada, root, expand="childrenModelCount")["childrenModelCount"] == 5
    merged = bob.http.get(f"/api/models/{ada.name}/merged/model-tree").json()
    assert merged["baseModels"] == [
        {"id": root, "relation": "merge", "here": True},
        {"id": "other/away", "relation": "merge", "here": False},
    ]
    assert info(bob, f"{ada.name}/merged")["baseModels"] == [root, "other/away"]
    found = bob.http.get("/api/models", params={"filter": f"base_model:finetune:{root}"}).json()
    assert [item["id"] for item in found] == [f"{ada.name}/tuned"]


def test_evaluation_results_of_files(ada: Person) -> None:
    repo = ada.create("evaluated")
    results = "- dataset: {id: cais/hle, task_id: default}\n  value: 20.9\n  date: '2025-01-15'\n"
    ada.commit(
        repo,
        file(".eval_results/hle.yaml", results),
        file(".eval_results/bad.yaml", "- value: 1"),
        file(".eval_results/bomb.yaml", "a: &a [x]\n" + "b: [" + "*a, " * 60_000 + "*a]\n"),
    )
    found = {item["filename"]: item for item in info(ada, repo)["evalResults"]}
    assert found[".eval_results/hle.yaml"]["data"]["value"] == 20.9
    assert "dataset" in found[".eval_results/bad.yaml"]["error"]
    assert "more than" in found[".eval_results/bomb.yaml"]["error"]


def test_rows_and_columns_of_parquet_files(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("tables", "dataset")
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"] * 70, "label": list(range(70))}), buffer)
    files = [file("data/train.parquet", buffer.getvalue()), file("b.parquet", b"PAR1 not PAR1")]
    assert ada.commit(repo, *files, kind="datasets").status_code == 200
    repository, found = contents.find_whole(hub.hub, Kind.DATASET, *repo.split("/"), None)
    assert found is not None
    assert found.about["rows"] == 70
    facts = describing.known_facts(hub.hub, repository.id)
    (table,) = [fact for fact in facts.values() if fact.get("rows") == 70]
    assert table["columns"] == {"text": "string", "label": "int64"}
    assert "format:parquet" in info(ada, repo, "datasets")["tags"]


def test_papers_are_found_in_the_card(ada: Person) -> None:
    repo = ada.create("with-paper")
    ada.commit(repo, card("license: mit", "See https://arxiv.org/abs/1706.03762."))
    found = ada.http.get("/api/models", params={"filter": "arxiv:1706.03762"}).json()
    assert [item["id"] for item in found] == [repo]


@pytest.mark.parametrize(
    "address", ["/api/spaces", "/api/papers/search?q=x", "/api/daily_papers", "/api/spaces?limit=3"]
)
def test_what_this_hub_does_not_hold_is_an_empty_list(anyone: httpx.Client, address: str) -> None:
    answer = anyone.get(address)
    assert answer.status_code == 200
    assert answer.json() == []


def test_apps_and_providers(ada: Person) -> None:
    repo = ada.create("for-llamas")
    ada.commit(repo, file("m.gguf", b"GGUF"))
    asked = {"author": ada.name}
    assert ada.http.get("/api/models", params={**asked, "apps": "ollama"}).json()[0]["id"] == repo
    for other in ({"apps": "vllm"}, {"apps": "unheard-of"}, {"inference_provider": "all"}):
        assert ada.http.get("/api/models", params={**asked, **other}).json() == []


@pytest.fixture
def crowded(ada: Person, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody whose models are more than are looked up one by one, as on a large hub."""
    for number in range(9):
        repo = ada.create(f"crowd-{number}", private=number == 4)
        parity = "even" if number % 2 == 0 else "odd"
        ada.commit(repo, card(f"tags: [crowded-{ada.name}, {parity}]"))
    monkeypatch.setattr(selectors, "FEW", 3)
    return ada


def test_common_tags_and_words_give_the_same_pages(crowded: Person, bob: Person) -> None:
    names = [f"{crowded.name}/crowd-{number}" for number in range(9)]
    common = f"crowded-{crowded.name}"
    for asked in ({"filter": common}, {"search": common}, {"filter": [common, "even"]}):
        mine, theirs = names, [name for name in names if not name.endswith("4")]
        if "even" in str(asked):
            mine, theirs = mine[::2], [name for name in mine[::2] if name in theirs]
        for who, expected in ((crowded, mine), (bob, theirs)):
            for direction, order in ((1, expected), (-1, expected[::-1])):
                assert pages(who, {**asked, "direction": direction}) == order


def pages(who: Person, asked: dict[str, Any]) -> list[str]:
    found: list[str] = []
    params = {**asked, "sort": "createdAt", "limit": 2}
    address = str(httpx.URL("/api/models", params=params))
    while address:
        answer = who.http.get(address)
        assert len(answer.json()) <= 2
        found += [item["id"] for item in answer.json()]
        address = answer.links.get("next", {}).get("url", "")
    return found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Naïve CAFÉ", ["naive", "cafe"]),
        ("snake_case-and.more", ["snake", "case", "and", "more"]),
        ("東京 2024", ["東京", "2024"]),
        ("", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_are_taken_apart_in_one_way(content: str, words: list[str]) -> None:
    assert text.words_of(content) == words
