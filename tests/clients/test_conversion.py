"""`transformers` and weights that are pickles: what it would have others do, the Hub has done."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer

PUSH = """
import os
import torch
from huggingface_hub import HfApi
from transformers import BertConfig, BertModel

torch.manual_seed(0)
model = BertModel(BertConfig(
    vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
))
folder = os.environ["FOLDER"]
model.config.save_pretrained(folder)
torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))
api = HfApi()
api.create_repo(os.environ["REPO"], private=os.environ["PRIVATE"] == "1")
api.upload_folder(repo_id=os.environ["REPO"], folder_path=folder)
"""

LOAD = """
import os, threading
import torch
from transformers import BertModel

model = BertModel.from_pretrained(os.environ["REPO"])
for thread in threading.enumerate():  # what it starts beside the loading
    if thread.name == "Thread-auto_conversion":
        thread.join()
again = BertModel.from_pretrained(os.environ["REPO"], use_safetensors=True)
for name, tensor in model.state_dict().items():
    assert torch.equal(tensor, again.state_dict()[name]), name
print("same")
"""


@pytest.mark.parametrize("private", ["0", "1"])
def test_pickles_are_not_offered_outside(
    eve: Customer, python: Callable[..., str], tmp_path: Path, private: str
) -> None:
    repo = f"{eve.name}/pickled-{private}"
    variables = {"REPO": repo, "HF_TOKEN": eve.token, "HF_HUB_DISABLE_XET": "0"}
    python(PUSH, FOLDER=str(tmp_path), PRIVATE=private, **variables)
    give_up = time.monotonic() + 60
    while not (opened := list(eve.api.get_repo_discussions(repo))):
        assert time.monotonic() < give_up, "the Hub opened no pull request"
        time.sleep(0.2)
    assert opened[0].is_pull_request
    assert python(LOAD, **variables).strip() == "same"
    eve.api.merge_pull_request(repo, opened[0].num)
    assert eve.api.file_exists(repo, "model.safetensors")
    assert len(list(eve.api.get_repo_discussions(repo, discussion_status="all"))) == 1


def test_the_offer_follows_the_repository(
    eve: Customer, python: Callable[..., str], tmp_path: Path
) -> None:
    repo = f"{eve.name}/pickled-and-changed"
    variables = {"REPO": repo, "HF_TOKEN": eve.token, "HF_HUB_DISABLE_XET": "0"}
    python(PUSH, FOLDER=str(tmp_path), PRIVATE="0", **variables)
    give_up = time.monotonic() + 60
    while not list(eve.api.get_repo_discussions(repo)):
        assert time.monotonic() < give_up, "the Hub opened no pull request"
        time.sleep(0.2)
    made = eve.api.upload_file(
        path_or_fileobj=b"---\nlicense: mit\n---\n# A model\n",
        path_in_repo="README.md",
        repo_id=repo,
    )
    while eve.api.list_repo_commits(repo, revision="refs/pr/1")[1].commit_id != made.oid:
        assert time.monotonic() < give_up, "the pull request was not put on top"
        time.sleep(0.2)
    assert python(LOAD, **variables).strip() == "same"
