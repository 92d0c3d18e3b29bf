"""Pull requests on somebody else's repository, large files included, by Xet, by LFS and by git."""

import os
from collections.abc import Callable
from pathlib import Path

from customer import Customer
from git_program import Git

from graft.server.running import RunningHub

SCRIPT = """
import os
from huggingface_hub import CommitOperationAdd, HfApi

files = [
    CommitOperationAdd("small.txt", b"small"), CommitOperationAdd("large.bin", os.environ["FILE"])
]
made = HfApi().create_commit(
    os.environ["REPO"], files, commit_message="A proposal", create_pr=True
)
print(made.pr_num)
"""


def test_a_proposal_by_the_client(
    eve: Customer,
    mallory: Customer,
    python: Callable[..., str],
    way: dict[str, str],
    tmp_path: Path,
) -> None:
    repo = f"{eve.name}/open"
    eve.api.create_repo(repo)
    content = os.urandom(300_000)
    file = tmp_path / "large.bin"
    file.write_bytes(content)
    number = int(python(SCRIPT, REPO=repo, FILE=str(file), HF_TOKEN=mallory.token, **way))
    assert not eve.api.file_exists(repo, "large.bin")
    eve.api.merge_pull_request(repo, number)
    path = eve.api.hf_hub_download(repo, "large.bin", cache_dir=eve.cache)
    assert Path(path).read_bytes() == content


def test_a_proposal_by_git(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    repo = f"{eve.name}/open-too"
    eve.api.create_repo(repo)
    opened = mallory.api.create_pull_request(repo, title="By git")
    git = clone(mallory.address(hub, repo))
    git("fetch", "--quiet", "origin", opened.git_reference)
    git("checkout", "--quiet", "-b", "proposal", "FETCH_HEAD")
    content = os.urandom(300_000)
    git.commit("A proposal", large__bin=content)
    git.refused("push", "origin", "proposal:main")
    assert not eve.api.file_exists(repo, "large.bin")
    git("push", "--quiet", "origin", f"proposal:{opened.git_reference}")
    eve.api.change_discussion_status(repo, opened.num, "open")
    eve.api.merge_pull_request(repo, opened.num)
    assert (clone(eve.address(hub, repo)).folder / "large.bin").read_bytes() == content
