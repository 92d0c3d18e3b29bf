"""Who appears in the tests of the user's side of a hub."""

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """Someone with a write token on a hub; `HF_ENDPOINT` and `HF_TOKEN` are set for them."""

    name: str
    token: str
    url: str

    def repo(self, name: str = "thing") -> str:
        """The id of a repository of theirs."""
        return f"{self.name}/{name}"
