"""The stock Python client against the Hub: what its users do, and the errors they get."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfFileSystem,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from graft.server.running import RunningHub

CARD = b"""---
language: en
license: mit
library_name: graft
pipeline_tag: text-classification
datasets: [trec]
model-index:
- name: thing
  results:
  - task: {type: text-classification}
    dataset: {name: TREC, type: trec}
    metrics: [{type: accuracy, value: 0.97}]
---
# A thing
"""
WEIGHTS = bytes(range(256)) * 9000


def publish(who: Customer, name: str = "thing", *, private: bool = False) -> str:
    repo = f"{who.name}/{name}"
    who.api.create_repo(repo, private=private)
    who.api.create_commit(
        repo,
        [
            CommitOperationAdd("README.md", CARD),
            CommitOperationAdd("sub/config.json", b"{}"),
            CommitOperationAdd("model.safetensors", io.BytesIO(WEIGHTS)),
        ],
        commit_message="Add a thing",
        commit_description="With weights.",
    )
    return repo


def test_the_first_steps_of_an_account(eve: Customer) -> None:
    assert eve.api.whoami()["name"] == eve.name
    url = eve.api.create_repo("short-name")
    assert url.repo_id == f"{eve.name}/short-name"
    assert eve.api.create_repo("short-name", exist_ok=True).repo_id == url.repo_id
    with pytest.raises(HfHubHTTPError, match="already exists"):
        eve.api.create_repo("short-name")
    assert eve.api.repo_exists(url.repo_id)
    eve.api.delete_repo(url.repo_id)
    assert not eve.api.repo_exists(url.repo_id)
    with pytest.raises(RepositoryNotFoundError):
        eve.api.delete_repo(url.repo_id)
    eve.api.delete_repo(url.repo_id, missing_ok=True)


def test_a_model_pushed_is_a_model_found_and_read(eve: Customer) -> None:
    repo = publish(eve)
    found = list(
        eve.api.list_models(
            author=eve.name,
            search="thing",
            filter=["text-classification", "en"],
            trained_dataset="trec",
            sort="last_modified",
            limit=3,
        )
    )
    assert [model.id for model in found] == [repo]
    info = eve.api.model_info(repo, files_metadata=True)
    assert info.pipeline_tag == "text-classification"
    assert info.library_name == "graft"
    assert info.card_data is not None
    assert info.card_data.eval_results[0].metric_value == 0.97
    assert info.siblings is not None
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    assert sizes["model.safetensors"] == len(WEIGHTS)


def test_a_snapshot_has_the_same_bytes(eve: Customer, mallory: Customer) -> None:
    repo = publish(eve)
    folder = Path(mallory.api.snapshot_download(repo, cache_dir=mallory.cache))
    assert (folder / "README.md").read_bytes() == CARD
    assert (folder / "sub" / "config.json").read_bytes() == b"{}"
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert folder.name == eve.api.model_info(repo).sha
    one = mallory.api.hf_hub_download(repo, "README.md", cache_dir=mallory.cache)
    assert Path(one).read_bytes() == CARD
    assert eve.api.model_info(repo).downloads == 1


def test_an_interrupted_download_goes_on_where_it_stopped(eve: Customer) -> None:
    repo = publish(eve)
    path = eve.api.hf_hub_download(repo, "model.safetensors", local_dir=eve.cache)
    entry = eve.api.get_paths_info(repo, "model.safetensors")[0]
    Path(path).unlink()
    waiting = eve.cache / ".cache/huggingface/download"
    waiting.mkdir(parents=True, exist_ok=True)
    assert entry.lfs is not None
    (waiting / f"model.safetensors.{entry.lfs.sha256}.incomplete").write_bytes(WEIGHTS[:1000])
    again = eve.api.hf_hub_download(repo, "model.safetensors", local_dir=eve.cache)
    assert Path(again).read_bytes() == WEIGHTS


def test_errors_have_the_clients_own_types(eve: Customer, mallory: Customer) -> None:
    repo = publish(eve, private=True)
    with pytest.raises(EntryNotFoundError):
        eve.api.hf_hub_download(repo, "nope.txt", cache_dir=eve.cache)
    with pytest.raises(RevisionNotFoundError):
        eve.api.hf_hub_download(repo, "README.md", revision="nope", cache_dir=eve.cache)
    with pytest.raises(RevisionNotFoundError):
        eve.api.model_info(repo, revision="nope")
    with pytest.raises(RepositoryNotFoundError):
        mallory.api.model_info(repo)
    with pytest.raises(RepositoryNotFoundError):
        mallory.api.hf_hub_download(repo, "README.md", cache_dir=mallory.cache)
    with pytest.raises(EntryNotFoundError):
        eve.api.delete_file("nope.txt", repo)


def test_a_card_with_broken_yaml_is_refused_before_anything_is_sent(eve: Customer) -> None:
    repo = publish(eve)
    head = eve.api.model_info(repo).sha
    broken = b"---\nlicense: mit\ntags: [a\n---\n"
    with pytest.raises(ValueError, match=r"README\.md, line 4"):
        eve.api.upload_file(path_or_fileobj=broken, path_in_repo="README.md", repo_id=repo)
    assert eve.api.model_info(repo).sha == head


def test_commits_branches_tags_and_history(eve: Customer) -> None:
    repo = publish(eve)
    first = eve.api.model_info(repo).sha
    eve.api.create_tag(repo, tag="v1", tag_message="The first")
    eve.api.create_branch(repo, branch="try/this", revision="v1")
    eve.api.create_commit(
        repo,
        [
            CommitOperationDelete("sub/"),
            CommitOperationCopy("model.safetensors", "copies/model.safetensors"),
            CommitOperationCopy("README.md", "copies/README.md"),
        ],
        commit_message="Move things",
        parent_commit=first,
        revision="try/this",
    )
    assert set(eve.api.list_repo_files(repo, revision="try/this")) == {
        ".gitattributes",
        "README.md",
        "model.safetensors",
        "copies/README.md",
        "copies/model.safetensors",
    }
    assert "sub/config.json" in eve.api.list_repo_files(repo)
    refs = eve.api.list_repo_refs(repo)
    assert [branch.name for branch in refs.branches] == ["main", "try/this"]
    assert [tag.name for tag in refs.tags] == ["v1"]
    commits = eve.api.list_repo_commits(repo, revision="try/this", formatted=True)
    assert [commit.title for commit in commits] == ["Move things", "Add a thing", "initial commit"]
    assert commits[1].message == "With weights."
    assert commits[1].authors == [eve.name]
    with pytest.raises(HfHubHTTPError, match="412"):
        eve.api.create_commit(
            repo,
            [CommitOperationAdd("late.txt", b"x")],
            commit_message="Too late",
            parent_commit=first,
            revision="try/this",
        )
    eve.api.delete_branch(repo, branch="try/this")
    eve.api.delete_tag(repo, tag="v1")


def test_trees_and_paths(eve: Customer) -> None:
    repo = publish(eve)
    tree = {
        entry.path: entry for entry in eve.api.list_repo_tree(repo, recursive=True, expand=True)
    }
    assert set(tree) == {
        ".gitattributes",
        "README.md",
        "model.safetensors",
        "sub",
        "sub/config.json",
    }
    assert tree["sub"].last_commit.title == "Add a thing"
    assert tree["model.safetensors"].size == len(WEIGHTS)
    found = eve.api.get_paths_info(repo, ["sub", "nope", "README.md"])
    assert [entry.path for entry in found] == ["sub", "README.md"]
    assert eve.api.file_exists(repo, "README.md")
    assert not eve.api.file_exists(repo, "nope")


def test_settings_and_names(eve: Customer, mallory: Customer) -> None:
    repo = publish(eve, private=True)
    eve.api.update_repo_settings(repo, visibility="public")
    assert mallory.api.model_info(repo).private is False
    eve.api.move_repo(repo, f"{eve.name}/renamed")
    assert eve.api.repo_exists(f"{eve.name}/renamed")
    eve.api.auth_check(f"{eve.name}/renamed", write=True)
    with pytest.raises(HfHubHTTPError, match="403"):
        mallory.api.auth_check(f"{eve.name}/renamed", write=True)


def test_the_file_system(hub: RunningHub, eve: Customer) -> None:
    repo = publish(eve)
    files = HfFileSystem(endpoint=hub.url, token=eve.token, skip_instance_cache=True)
    assert files.read_bytes(f"{repo}/README.md") == CARD
    assert sorted(files.glob(f"{repo}/**/*.json")) == [f"{repo}/sub/config.json"]
    with files.open(f"{repo}/model.safetensors") as opened:
        opened.seek(1000)
        assert opened.read(10) == WEIGHTS[1000:1010]


def test_data_sets_have_addresses_of_their_own(eve: Customer) -> None:
    repo = f"{eve.name}/questions"
    eve.api.create_repo(repo, repo_type="dataset")
    card = b"---\ntask_categories: [text-classification]\nlanguage: [en]\n---\n# Questions\n"
    eve.api.create_commit(
        repo,
        [
            CommitOperationAdd("README.md", card),
            CommitOperationAdd("train.csv", b"text,label\nWho?,HUM\n"),
        ],
        commit_message="Add",
        repo_type="dataset",
    )
    found = eve.api.list_datasets(
        author=eve.name, task_categories="text-classification", language="en"
    )
    assert [data.id for data in found] == [repo]
    path = eve.api.hf_hub_download(repo, "train.csv", repo_type="dataset", cache_dir=eve.cache)
    assert Path(path).read_text() == "text,label\nWho?,HUM\n"


def test_tags_can_be_listed(eve: Customer) -> None:
    publish(eve)
    tags = eve.api.get_model_tags()
    assert "text-classification" in {tag["id"] for tag in tags["pipeline_tag"]}


PROGRAM = """
import json, os
from huggingface_hub import HfApi, ModelCard, list_models, snapshot_download, upload_folder

repo, folder = os.environ["REPO"], os.environ["FOLDER"]
api = HfApi()
api.create_repo(repo)
upload_folder(repo_id=repo, folder_path=folder, commit_message="All at once")
upload_folder(repo_id=repo, folder_path=folder, commit_message="Nothing new")
card = ModelCard.load(repo)
local = snapshot_download(repo)
print(json.dumps({
    "card": card.data.to_dict(),
    "found": [model.id for model in list_models(author=repo.split("/")[0])],
    "weights": os.path.getsize(os.path.join(local, "model.safetensors")),
    "commits": [commit.title for commit in api.list_repo_commits(repo)],
}))
"""


def test_a_program_needs_only_the_hubs_address(
    eve: Customer, python: Callable[..., str], tmp_path: Path
) -> None:
    folder = tmp_path / "upload"
    (folder / "deep").mkdir(parents=True)
    (folder / "README.md").write_bytes(CARD)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "deep" / "vocab.txt").write_text("a\nb\n")
    repo = f"{eve.name}/from-outside"
    said = json.loads(python(PROGRAM, REPO=repo, FOLDER=str(folder), HF_TOKEN=eve.token))
    assert said["card"]["license"] == "mit"
    assert said["found"] == [repo]
    assert said["weights"] == len(WEIGHTS)
    assert said["commits"] == ["All at once", "initial commit"]
