"""What a push is told of, though it is taken: words of the card that nobody knows, and secrets."""

from collections.abc import Callable

from customer import Customer
from git_program import Git

from graft.server.running import RunningHub

TOKEN = "hf_" + "aB3" * 12


def test_a_push_is_warned_of_secrets_and_of_unknown_words(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = eve.api.create_repo("warned").repo_id
    git = clone(eve.address(hub, repo))
    (git.folder / "README.md").write_text("---\nlicense: my-own\n---\n")
    (git.folder / "run.sh").write_text(f"set -e\nexport HF_TOKEN={TOKEN}\n")
    git("add", ".")
    git("commit", "-m", "Add")
    pushed = git.run("push")
    assert pushed.returncode == 0, pushed.stderr
    said = pushed.stderr
    assert "my-own" in said
    assert "run.sh, line 2: this looks like a Hugging Face access token" in said
    assert TOKEN not in said
    info = eve.api.model_info(repo, securityStatus=True)
    assert info.security_repo_status["filesWithIssues"] == [
        {"path": "run.sh", "level": "suspicious"}
    ]
