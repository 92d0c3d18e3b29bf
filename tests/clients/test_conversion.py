"""`transformers` and weights that are pickles: what it would have others do, the Hub has done."""

from collections.abc import Callable
from pathlib import Path

from customer import Customer

from waiting import wait_until

WAIT_SECONDS = 60

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
for name in ("PRIVATE", "PUBLIC"):
    repo = api.create_repo(os.environ[name], private=name == "PRIVATE").repo_id
    api.upload_folder(repo_id=repo, folder_path=folder)
"""

LOAD = """
import os, threading
import torch
from transformers import BertModel

for repo in (os.environ["PRIVATE"], os.environ["PUBLIC"]):
    model = BertModel.from_pretrained(repo)
    for thread in threading.enumerate():  # what it starts beside the loading
        if thread.name == "Thread-auto_conversion":
            thread.join()
    again = BertModel.from_pretrained(repo, use_safetensors=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    print(repo)
"""


def opened_by_the_hub(who: Customer, repo: str) -> int:
    """Waits for the Hub's pull request, and answers its number."""
    opened = wait_until(
        lambda: list(who.api.get_repo_discussions(repo)),
        "the Hub opened no pull request",
        seconds=WAIT_SECONDS,
    )
    assert [one.is_pull_request for one in opened] == [True]
    return opened[0].num


def test_pickles_are_not_offered_outside_whatever_else_changes(
    eve: Customer, python: Callable[..., str], tmp_path: Path
) -> None:
    private, public = f"{eve.name}/pickled-for-myself", f"{eve.name}/pickled-for-all"
    variables = {"PRIVATE": private, "PUBLIC": public, "HF_TOKEN": eve.token}
    variables["HF_HUB_DISABLE_XET"] = "0"
    python(PUSH, FOLDER=str(tmp_path), **variables)
    number = opened_by_the_hub(eve, private)
    revision = f"refs/pr/{opened_by_the_hub(eve, public)}"
    made = eve.api.upload_file(
        path_or_fileobj=b"---\nlicense: mit\n---\n# A model\n",
        path_in_repo="README.md",
        repo_id=public,
    )
    wait_until(
        lambda: eve.api.list_repo_commits(public, revision=revision)[1].commit_id == made.oid,
        "the pull request was not put on top",
        seconds=WAIT_SECONDS,
    )
    assert python(LOAD, **variables).split() == [private, public]
    eve.api.merge_pull_request(private, number)
    assert eve.api.file_exists(private, "model.safetensors")
    assert len(list(eve.api.get_repo_discussions(private, discussion_status="all"))) == 1
