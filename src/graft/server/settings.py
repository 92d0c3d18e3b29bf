"""What can be set about a Hub: given in Python, by `graft hub serve`, or in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_network
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from graft.errors import HubError
from graft.server.runtime import logs

DEFAULT_DATA_FOLDER = "graft-hub"
Value = TypeVar("Value")


# Variables of Graft that are no settings of a Hub.
_OTHER_VARIABLES = {"GRAFT_CACHE", "GRAFT_CACHE_SIZE", "GRAFT_DEBUG"}


def setting(default: Value, text: str, *, least: float = 0, most: float = inf) -> Value:
    """One setting of `Settings`: its default, what it is, for people, and, of a number, between
    what it has to lie."""
    metadata = {"text": text, "least": least, "most": most}
    value: Value = field(default=default, metadata=metadata)
    return value


@dataclass(frozen=True)
class Settings:
    """All settings of one Hub. Sizes are bytes, times are seconds.

    In the environment a setting is called `GRAFT_` and its name in capitals:
    `GRAFT_DATA_FOLDER`, `GRAFT_PUBLIC_URL`, `GRAFT_ALLOW_SIGN_UP=true`.
    """

    data_folder: Path = setting(
        Path(DEFAULT_DATA_FOLDER),
        "Everything the Hub keeps lies below this folder, unless the two addresses below say "
        "otherwise; git repositories always do. Replicas share it.",
    )
    database_url: str = setting(
        "",
        "`postgresql://user:password@host/name`, with `?sslmode=verify-full` for an encrypted "
        "connection (`require`, `verify-ca`, `sslrootcert=FILE` work too). Empty: SQLite in the "
        "data folder.",
    )
    database_pool_size: int = setting(
        10,
        "Connections to PostgreSQL that each process keeps open; at busy times up to 60.",
        least=1,
    )
    database_timeout: float = setting(
        60.0, "The longest that one statement may take on PostgreSQL, or wait for a lock."
    )
    storage_url: str = setting(
        "",
        "Where the bytes of large files lie: `s3://bucket/prefix`. Empty: in the data folder.",
    )

    host: str = setting("127.0.0.1", "The address to listen at; `0.0.0.0` for all.")
    port: int = setting(8080, "The port to listen at.", most=65535)
    workers: int = setting(
        1,
        "Processes that answer requests at this port. Limits below that are counted in memory "
        "hold for each of them.",
        least=1,
        most=256,
    )
    public_url: str = setting(
        "",
        "The address that users reach the Hub at, where it is not the one that their request "
        "names: behind a proxy, `https://hub.example`.",
    )
    trusted_proxies: str = setting(
        "127.0.0.1",
        "Addresses or networks, with commas between them, of proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed; `*` for all.",
    )

    name: str = setting("Graft Hub", "The Hub's name on its pages.")
    allow_sign_up: bool = setting(False, "Whether anybody may make an account on the pages.")
    session_seconds: int = setting(30 * 24 * 3600, "How long a login on the pages lasts.")

    max_object_bytes: int = setting(50 * 1024**3, "The longest large file.")
    max_commit_bytes: int = setting(
        1024**3, "The longest body of one commit over the API: its small files come inside it."
    )
    max_inline_bytes: int = setting(
        5 * 1024**2, "A file longer than this goes to large-file storage, whatever its name."
    )
    max_push_bytes: int = setting(
        1024**3, "The longest pack that `git push` may send; large files go by LFS."
    )
    max_files: int = setting(
        200_000, "Files and folders that a commit may hold which `git push` sends.", least=1
    )
    max_part_bytes: int = setting(
        1024**3,
        "A file longer than this is sent in parts of this length by clients that can: what broke "
        "off goes on where it was. Parts are written twice: longer ones, fewer files in parts, are "
        "quicker; shorter ones lose less where connections break.",
    )
    upload_seconds: int = setting(
        24 * 3600, "How long an upload may take; what is left of a longer one is deleted."
    )
    direct_transfer: bool = setting(
        False,
        "Whether clients send large files to S3 and fetch them from there by addresses that the "
        "Hub signs, instead of through the Hub. They must be able to reach it.",
    )

    rate_limit: int = setting(
        0, "Requests in five minutes from one token or login; 0 for any number."
    )
    rate_limit_anonymous: int = setting(
        0,
        "Requests in five minutes from one address, without a token that is known; 0 for any "
        "number.",
    )
    max_changes: int = setting(
        48,
        "Commits, pushes and merges that one process works on at a time; others wait.",
        least=1,
    )
    max_clones: int = setting(
        32,
        "Fetches and clones by `git` that one process answers at a time; others wait.",
        least=1,
    )
    max_questions: int = setting(
        4,
        "Comparisons, histories, blames and lists with last commits that one process finds out at "
        "a time; others wait.",
        least=1,
    )
    git_seconds: float = setting(
        3600.0, "The longest that `git` may work on one push, fetch or clone."
    )
    max_waiting: int = setting(
        1000, "Requests of each kind that may wait; more are told to come back later."
    )
    max_connections: int = setting(
        2000,
        "Connections to one process at a time; more are told to come back later.",
        least=1,
    )
    header_seconds: float = setting(20.0, "How long a request's headers may take to come.")
    body_seconds: float = setting(
        60.0,
        "How long nothing of a request's body may come, and nothing of an answer be taken; a body "
        "must bring a kilobyte a second after that.",
    )
    keep_alive_seconds: int = setting(
        75, "How long a connection stays open for another request; longer than at the proxy."
    )
    drain_seconds: float = setting(
        0.0,
        "When the Hub stops: how long it still answers everybody, while `/readyz` says 503. Behind "
        "a proxy longer than that takes to look elsewhere; 5 where it does not look at all.",
    )
    grace_seconds: int = setting(
        30, "When the Hub stops: how long requests that are being answered may still take."
    )

    webhook_private_addresses: bool = setting(
        False,
        "Whether webhooks may send to addresses that are not of the public internet, such as those "
        "of the Hub's own network.",
    )

    upstream: str = setting(
        "",
        "Another hub, such as `https://huggingface.co`: repositories that are not here, and whose "
        "owner has no account here, are fetched from there and kept.",
    )
    upstream_token: str = setting(
        "", "The token to ask that hub with. No other token or name is ever sent there."
    )
    upstream_private: bool = setting(
        False,
        "Whether its private and gated repositories that the token may read are mirrored too: for "
        "everybody who reaches this Hub.",
    )
    upstream_max_age: int = setting(
        300, "How long a mirrored repository is served without asking whether it has changed."
    )
    upstream_seconds: float = setting(
        600.0, "How long fetching the history of one repository may take."
    )

    log_format: str = setting(
        "auto", "`text`, `json`, or `auto`: text on a terminal, a line of JSON each elsewhere."
    )
    log_level: str = setting("info", "From which level on is told: debug, info, warning, error.")
    metrics_token: str = setting(
        "",
        "The token that `/metrics` asks for, as `Authorization: Bearer`. Empty: it answers only "
        "who asks from this machine, and not through a proxy.",
    )
    metrics_folder: Path | None = setting(
        None, "Where processes that serve the Hub together leave their counts; set by `--workers`."
    )
    min_free_bytes: int = setting(
        100 * 1024**2, "With less space than this in the data folder, `/readyz` says not ready."
    )

    convert_weights: bool = setting(
        True,
        "Whether a model whose weights are pickles only gets a pull request from the Hub itself, "
        "with the same weights as safetensors.",
    )
    convert_max_bytes: int = setting(
        10 * 1024**3,
        "The largest weights that are converted; twice as much is needed on the disk meanwhile.",
    )
    convert_seconds: int = setting(900, "How long the conversion of one model may take.")

    def __post_init__(self) -> None:
        # Git runs in other folders than this process does.
        object.__setattr__(self, "data_folder", self.data_folder.absolute())
        if not self.database_url:
            path = self.data_folder / "hub.sqlite3"
            object.__setattr__(self, "database_url", f"sqlite:///{path}")
        for name in ("public_url", "upstream"):
            object.__setattr__(self, name, _base_address(name, getattr(self, name)))
        _check_public(self.public_url)
        for each in fields(self):
            _check_number(each, getattr(self, each.name))
        _check_choice("log_format", self.log_format, logs.FORMATS)
        _check_choice("log_level", self.log_level, logs.LEVELS)
        _check_proxies(self.trusted_proxies)

    @property
    def changes_folder(self) -> Path:
        """Notes of changes of refs that have begun and not ended."""
        return self.data_folder / "changes"

    @property
    def repositories_folder(self) -> Path:
        return self.data_folder / "repositories"

    def address(self, port: int | None = None) -> str:
        """Where people find the Hub, as far as it can know by itself; `port` where it listens, if
        the settings leave that to the system."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return self.public_url or f"http://{host}:{port or self.port}"

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
        for each in fields(cls):
            variable = variable_of(each.name)
            if variable in environment:
                values[each.name] = _parse(variable, environment[variable], each.type)
        values.update({name: value for name, value in given.items() if value is not None})
        return cls(**values)


@dataclass(frozen=True)
class Description:
    """One setting, for people: its variable, its default as it is written there, what it is."""

    variable: str
    default: str
    text: str


def describe() -> list[Description]:
    """All settings, in order."""
    return [
        Description(variable_of(each.name), _written(each.default), each.metadata["text"])
        for each in fields(Settings)
    ]


def warn_of_unknown(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none: misspelt, it would have
    no effect, and nobody would know."""
    known = {variable_of(each.name) for each in fields(Settings)}
    unknown = {name for name in environment if name.startswith("GRAFT_")}
    return [
        f"{name} is no setting of the Hub, and has no effect"
        + "".join(f"; is {near} meant?" for near in get_close_matches(name, known, 1))
        for name in sorted(unknown - known - _OTHER_VARIABLES)
    ]


def variable_of(name: str) -> str:
    """The environment's variable for a setting."""
    return f"GRAFT_{name.upper()}"


def _written(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise HubError(f"{variable_of(name)} is {value!r}; use one of {', '.join(choices)}.")


def _check_number(each: Any, value: Any) -> None:
    least, most = each.metadata["least"], each.metadata["most"]
    if isinstance(value, (int, float)) and not least <= value <= most:
        upper = "" if most == inf else f" and at most {most}"
        raise HubError(f"{variable_of(each.name)} is {value}; it must be at least {least}{upper}.")


def _check_public(value: str) -> None:
    if urlsplit(value).path:
        raise HubError(
            f"GRAFT_PUBLIC_URL is {value!r}, with a path; clients and pages need the Hub at the "
            "root of a name or port of its own, such as https://hub.example."
        )


def _check_proxies(value: str) -> None:
    """The server takes what it cannot read for a name that no proxy has: then no proxy would be
    believed, and nobody told."""
    for part in filter(None, (part.strip() for part in value.split(","))):
        if part == "*":
            continue
        try:
            ip_network(part)
        except ValueError as error:
            raise HubError(
                f"GRAFT_TRUSTED_PROXIES holds {part!r}: {error}. Write addresses or networks, such "
                "as 10.0.0.1, 10.0.0.0/8, or * for all."
            ) from error


def _base_address(name: str, value: str) -> str:
    value = value.strip().rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if value and (not usable or parts.query or parts.fragment or parts.username):
        raise HubError(
            f"{variable_of(name)} is {value!r}; write it with its scheme, and with nothing but a "
            "name and a port: https://hub.example."
        )
    return value


def _parse(variable: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off", ""}:
            return False
        raise HubError(f"{variable} is {text!r}; set it to true or false.")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise HubError(f"{variable} is {text!r}; set it to {what}.") from None
    return Path(text).expanduser() if kind in (Path, Path | None) else text
