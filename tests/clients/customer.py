"""Somebody who uses the Hub through stock clients."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi

from graft.server.running import RunningHub


@dataclass(frozen=True)
class Customer:
    """Somebody with an account, and the stock client set up for them."""

    name: str
    token: str
    api: HfApi
    cache: Path

    def address(self, hub: RunningHub, repo: str) -> str:
        """Where git finds the repository, name and token included."""
        return f"http://{self.name}:{self.token}@127.0.0.1:{hub.port}/{repo}"
