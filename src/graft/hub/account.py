"""Who the user is on a hub: logging in with a token, and asking."""

import configparser
import getpass
import io
import logging
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_token

from graft.errors import HubError
from graft.hub.failures import Attempt, hub_errors, knock
from graft.hub.names import check_endpoint, hub_endpoint

_log = logging.getLogger("graft.hub")


@dataclass(frozen=True)
class Account:
    """A user on a hub, and the token that says so (`role`: "read" or "write")."""

    name: str
    fullname: str
    endpoint: str
    token_name: str | None
    role: str | None


def login(token: str | None = None, *, endpoint: str | None = None) -> Account:
    """Checks a token with the hub and keeps it where `huggingface_hub` does.

    Args:
        token: the access token; asked for without showing it when None.
        endpoint: the hub's address; `HF_ENDPOINT` when None.

    Raises:
        HubError: no token, one that the hub does not accept, or a hub that is not there.
    """
    endpoint = hub_endpoint() if endpoint is None else check_endpoint(endpoint)
    if token is None:
        token = _ask(endpoint)
    token = token.strip()
    if not token:
        raise HubError("no token was given. Make one on the hub, then run `graft login` again.")
    with hub_errors(Attempt("log in to", endpoint, endpoint)):
        account = _account(token, endpoint)
    _keep(token, account)
    if os.environ.get("HF_TOKEN", token) != token:
        _log.warning("HF_TOKEN is set to another token, and is used instead of the one just kept.")
    return account


def whoami() -> Account:
    """The account that the user's token belongs to, on the hub that `HF_ENDPOINT` names.

    Raises:
        HubError: not logged in, a token that the hub does not accept, or a hub that is not there.
    """
    endpoint = hub_endpoint()
    with hub_errors(Attempt("tell who you are on", endpoint, endpoint)):
        return _account(get_token(), endpoint)


def _ask(endpoint: str) -> str:
    if not sys.stdin.isatty():
        raise HubError(
            "no token was given, and there is no terminal to ask for it. "
            "Pass it as token=..., or set HF_TOKEN."
        )
    return getpass.getpass(f"Access token for {endpoint} (not shown): ")


def _account(token: str | None, endpoint: str) -> Account:
    knock(endpoint)
    said: dict[str, Any] = HfApi(endpoint=endpoint, token=token).whoami()
    access = (said.get("auth") or {}).get("accessToken") or {}
    return Account(
        name=said["name"],
        fullname=said.get("fullname") or said["name"],
        endpoint=endpoint,
        token_name=access.get("displayName"),
        role=access.get("role"),
    )


def _keep(token: str, account: Account) -> None:
    """Writes the token where `huggingface_hub` reads it: as the active one, and by its name."""
    stored = Path(constants.HF_STORED_TOKENS_PATH)
    tokens = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        tokens.read(stored, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise HubError(
            f"the stored tokens in {stored} cannot be read. Remove the file and log in again."
        ) from error
    name = account.token_name or f"{account.name} at {account.endpoint}"
    tokens[re.sub(r"[\[\]\s]+", " ", name)] = {"hf_token": token}
    text = io.StringIO()
    tokens.write(text)
    _write_secret(stored, text.getvalue())
    _write_secret(Path(constants.HF_TOKEN_PATH), token)


def _write_secret(path: Path, text: str) -> None:
    """Replaces a file by one that only its owner can read, at no time by anything else."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
