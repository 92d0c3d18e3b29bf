"""`hf` in a shell: somebody logs in, and works with repositories from there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer

WEIGHTS = bytes(range(256)) * 5000
CARD = "---\nlicense: mit\n---\n# A model\n"


@pytest.fixture
def hf(run: Callable[..., str], way: dict[str, str]) -> Callable[..., str]:
    """Runs `hf`, and answers what it prints."""

    def command(*arguments: str | Path) -> str:
        return run("hf", *arguments, **way)

    return command


def test_a_day_in_the_shell(eve: Customer, hf: Callable[..., str], tmp_path: Path) -> None:
    repo = f"{eve.name}/by-hand"
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "deep" / "vocab.txt").write_text("a\nb\n")

    hf("auth", "login", "--token", eve.token)
    assert eve.name in hf("auth", "whoami")

    hf("repos", "create", repo)
    hf("upload", repo, folder, ".", "--commit-message", "All of it")
    hf("upload", repo, folder / "README.md", "copy.md")
    files = set(eve.api.list_repo_files(repo))
    assert files == {
        ".gitattributes",
        "README.md",
        "copy.md",
        "deep/vocab.txt",
        "model.safetensors",
    }

    hf("download", repo, "--local-dir", tmp_path / "back", "--include", "*.safetensors")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == WEIGHTS
    one = hf("download", repo, "deep/vocab.txt", "--quiet").strip()
    assert Path(one).read_text() == "a\nb\n"

    hf("repos", "tag", "create", repo, "v1", "-m", "The first")
    hf("repos", "branch", "create", repo, "try")
    assert "v1" in hf("repos", "tag", "list", repo)
    refs = eve.api.list_repo_refs(repo)
    assert {branch.name for branch in refs.branches} == {"main", "try"}
    hf("repos", "branch", "delete", repo, "try")
    hf("repos", "tag", "delete", repo, "v1", "--yes")
    refs = eve.api.list_repo_refs(repo)
    assert ([branch.name for branch in refs.branches], refs.tags) == (["main"], [])

    found = json.loads(hf("models", "list", "--author", eve.name, "--format", "json"))
    assert [model["id"] for model in found] == [repo]
    assert json.loads(hf("models", "info", repo, "--format", "json"))["id"] == repo


def test_what_is_talked_about(eve: Customer, hf: Callable[..., str], tmp_path: Path) -> None:
    repo = f"{eve.name}/talked-about"
    hf("auth", "login", "--token", eve.token)
    hf("repos", "create", repo, "--private")
    hf("discussions", "create", repo, "--title", "A question", "--body", "Why?")
    hf("discussions", "comment", repo, "1", "--body", "Because.")
    hf("discussions", "rename", repo, "1", "A better question")
    (tmp_path / "new.bin").write_bytes(WEIGHTS)
    hf("upload", repo, tmp_path / "new.bin", "new.bin", "--create-pr")
    listed = json.loads(hf("discussions", "list", repo, "--status", "all", "--format", "json"))
    assert {entry["num"] for entry in listed} == {1, 2}
    assert "new.bin" in hf("discussions", "diff", repo, "2")
    hf("discussions", "merge", repo, "2", "--yes")
    assert eve.api.file_exists(repo, "new.bin")
    hf("discussions", "close", repo, "1", "--yes")
    details = eve.api.get_discussion_details(repo, 1)
    assert (details.title, details.status) == ("A better question", "closed")
    assert eve.api.get_discussion_details(repo, 2).status == "merged"
