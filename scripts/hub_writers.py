"""People who write to a Hub without end, each by one stock client in a process of its own.

Each commit brings a manifest with the SHA-256 of the files that came with it, so that whoever finds
the commit can tell whether it is whole. What the Hub acknowledged goes to a journal, a line each.

    python scripts/hub_writers.py --way xet --url http://127.0.0.1:8080 --token TOKEN \\
        --own me/mine --shared me/ours --journal journal.jsonl --seed 0
"""

import argparse
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 0.2
GIT_SECONDS = 120

Files = dict[str, bytes]


def make_files(rng: random.Random, name: str) -> Files:
    """Some small files, a large one of random bytes, and the manifest of them."""
    folder = f"commits/{name}"
    files = {
        f"{folder}/note-{number}.txt": f"{name} {number} {rng.random()}\n".encode()
        * rng.randint(1, 40)
        for number in range(rng.randint(1, 4))
    }
    files[f"{folder}/weights.bin"] = rng.randbytes(rng.randint(50_000, 2_000_000))
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    return files | {f"{folder}/manifest.json": json.dumps(hashes, indent=1).encode()}


class Client:
    """Commits by `huggingface_hub`: with Xet, by LFS (`HF_HUB_DISABLE_XET=1`), or inline."""

    def __init__(self, way: str, url: str, token: str, folder: Path) -> None:
        from huggingface_hub import HfApi

        self.way = way
        self.api = HfApi(endpoint=url, token=token)

    def commit(self, repo: str, files: Files) -> str:
        """Sends one commit, and answers its id once the Hub has acknowledged it."""
        from huggingface_hub import CommitOperationAdd

        operations = [
            CommitOperationAdd(path, io.BytesIO(data) if self.way == "lfs" else data)
            for path, data in files.items()
            if self.way != "inline" or not path.endswith(".bin")
        ]
        made = self.api.create_commit(repo, operations, commit_message=f"By {self.way}")
        return str(made.oid)

    def mark(self, repo: str, name: str) -> dict[str, str]:
        """Makes a branch and a tag, and answers what they name."""
        head = str(self.api.model_info(repo).sha)
        self.api.create_branch(repo, branch=f"branch-{name}", revision=head)
        self.api.create_tag(repo, tag=f"tag-{name}", revision=head, tag_message="Marked")
        return {f"refs/heads/branch-{name}": head, f"refs/tags/tag-{name}": head}


class Git:
    """Commits by `git push`, large files by git-lfs."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url = url.replace("://", f"://user:{token}@")
        self.folder = folder
        self.environment = os.environ | {
            "HOME": str(folder),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Writer",
            "GIT_AUTHOR_EMAIL": "writer@example.org",
            "GIT_COMMITTER_NAME": "Writer",
            "GIT_COMMITTER_EMAIL": "writer@example.org",
        }
        self._git(folder, "lfs", "install", "--skip-repo")

    def commit(self, repo: str, files: Files) -> str:
        """Pushes one commit, and answers its id."""
        clone = self.folder / repo.replace("/", "--")
        if not clone.exists():
            self._git(self.folder, "clone", "--quiet", f"{self.url}/{repo}", str(clone))
        self._git(clone, "fetch", "--quiet", "origin", "main")
        self._git(clone, "reset", "--quiet", "--hard", "origin/main")
        for path, data in files.items():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_bytes(data)
        self._git(clone, "add", "--all")
        self._git(clone, "commit", "--quiet", "--message", "By git")
        self._git(clone, "push", "--quiet", "origin", "HEAD:main")
        return self._git(clone, "rev-parse", "HEAD").strip()

    def _git(self, folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=self.environment | {"GIT_LFS_SKIP_SMUDGE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout


def write(journal: Path, line: dict[str, Any]) -> None:
    """Appends a line that is on disk when this returns."""
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def attempt(journal: Path, repo: str, way: str, work: Callable[[], dict[str, Any]]) -> None:
    """Does something, and notes what came of it."""
    begun = time.time()
    try:
        said = work()
    except Exception as error:  # whatever a client makes of a server that is gone
        status = getattr(getattr(error, "response", None), "status_code", None)
        text = f"{type(error).__name__}: {error}"
        write(journal, {"repo": repo, "way": way, "error": text[:600], "status": status})
        time.sleep(PAUSE_SECONDS)
        return
    write(journal, {"repo": repo, "way": way, "begun": begun, "done": time.time(), **said})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--way", choices=["xet", "lfs", "inline", "git"], required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--own", required=True, help="a repository that nobody else writes to")
    parser.add_argument("--shared", required=True, help="one that all write to")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(f"{options.seed} {options.way}")
    folder = options.journal.parent / options.way
    folder.mkdir(exist_ok=True)
    if options.way == "git":
        client: Client | Git = Git(options.url, options.token, folder)
    else:
        client = Client(options.way, options.url, options.token, folder)
    number = 0
    while True:
        number += 1
        name = f"{options.way}-{number}"
        repo = rng.choice([options.own, options.own, options.shared])
        files = make_files(rng, name)
        if options.way == "inline":
            files = make_inline(files)

        def commit(repo: str = repo, files: Files = files) -> dict[str, Any]:
            paths = sorted(files)
            return {"commit": client.commit(repo, files), "paths": paths}

        attempt(options.journal, repo, options.way, commit)
        if isinstance(client, Client) and number % 5 == 0:
            marked = options.own
            attempt(
                options.journal,
                marked,
                options.way,
                lambda repo=marked, name=name: {"refs": client.mark(repo, name)},
            )


def make_inline(files: Files) -> Files:
    """The same without the large file, whose manifest says so."""
    small = {path: data for path, data in files.items() if path.endswith(".txt")}
    manifest = next(path for path in files if path.endswith("manifest.json"))
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in small.items()}
    return small | {manifest: json.dumps(hashes, indent=1).encode()}


if __name__ == "__main__":
    sys.exit(main())
