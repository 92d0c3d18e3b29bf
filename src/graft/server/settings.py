"""What can be set about a Hub: given in Python, by `graft hub serve`, or in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from graft.errors import HubError

DEFAULT_DATA_FOLDER = "graft-hub"


@dataclass(frozen=True)
class Settings:
    """All settings of one Hub. Sizes are bytes, times are seconds.

    In the environment a setting is called `GRAFT_` and its name in capitals:
    `GRAFT_DATA_FOLDER`, `GRAFT_PUBLIC_URL`, `GRAFT_ALLOW_SIGN_UP=true`.
    """

    data_folder: Path = Path(DEFAULT_DATA_FOLDER)
    """Everything the Hub keeps lies below this folder, unless the two URLs say otherwise. Made
    absolute."""

    database_url: str = ""
    """An SQLAlchemy URL; empty: SQLite in the data folder."""

    storage_url: str = ""
    """Where large objects lie, as an obstore URL; empty: `objects` in the data folder."""

    host: str = "127.0.0.1"
    port: int = 8080

    public_url: str = ""
    """The address users reach the Hub at, where it is not the one that the request came to."""

    name: str = "Graft Hub"
    allow_sign_up: bool = False
    """Whether anybody may make an account on the pages."""

    max_object_bytes: int = 50 * 1024**3
    max_commit_bytes: int = 1024**3
    """The longest body of one commit: its small files come inside it."""

    max_inline_bytes: int = 5 * 1024**2
    """A file longer than this goes to large-object storage, whatever its name."""

    max_push_bytes: int = 1024**3
    """The longest pack that `git push` may send; large files go by LFS."""

    session_seconds: int = 30 * 24 * 3600

    def __post_init__(self) -> None:
        # Git runs in other folders than this process does.
        object.__setattr__(self, "data_folder", self.data_folder.absolute())
        if not self.database_url:
            path = self.data_folder / "hub.sqlite3"
            object.__setattr__(self, "database_url", f"sqlite:///{path}")
        object.__setattr__(self, "public_url", self.public_url.rstrip("/"))

    @property
    def repositories_folder(self) -> Path:
        return self.data_folder / "repositories"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **given: Any
    ) -> "Settings":
        """Settings from `GRAFT_*` variables; arguments that are not None win over them.

        Raises:
            HubError: a variable that cannot be read as its setting's type.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in fields(cls):
            variable = f"GRAFT_{field.name.upper()}"
            if variable in environment:
                values[field.name] = _parse(variable, environment[variable], field.type)
        values.update({name: value for name, value in given.items() if value is not None})
        return cls(**values)


def _parse(variable: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off", ""}:
            return False
        raise HubError(f"{variable} is {text!r}; set it to true or false.")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise HubError(f"{variable} is {text!r}; set it to a whole number.") from None
    return Path(text).expanduser() if kind is Path else text
