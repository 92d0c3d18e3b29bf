"""`git`, as somebody runs it in a folder."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Git:
    """Runs git in a folder."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """Runs what must fail, and answers what it says."""
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def commit(self, message: str = "Change", **files: bytes) -> None:
        for name, data in files.items():
            (self.folder / name.replace("__", ".")).write_bytes(data)
        self("add", "--all")
        self("commit", "--message", message)
