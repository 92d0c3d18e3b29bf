"""Repository ids and addresses: what is allowed, and where a repository's page is."""

import os
from typing import Literal
from urllib.parse import urlsplit

from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from graft.errors import HubError

RepoType = Literal["model", "dataset"]

KINDS: dict[RepoType, str] = {"model": "model", "dataset": "data set"}

_RULES = (
    "An id is owner/name: letters, digits, '-', '_' and '.', at most 96 of them in each part, "
    "neither starting nor ending with '-' or '.', without '--' or '..' and not ending in '.git'."
)


def hub_endpoint() -> str:
    """The hub's address, without a slash at the end: `HF_ENDPOINT` as it is set now.

    Raises:
        HubError: `HF_ENDPOINT` is not an http or https address.
    """
    return check_endpoint(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)


def check_endpoint(endpoint: str) -> str:
    """An address without a slash at the end.

    Raises:
        HubError: it is not an http or https address.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise HubError(
            f"{endpoint!r} is not the address of a hub. "
            "Write it in full (HF_ENDPOINT or --endpoint), for example http://127.0.0.1:8080."
        )
    return endpoint.rstrip("/")


def check_repo_id(repo_id: str) -> str:
    """The id itself, when a hub could have a repository of that name.

    Raises:
        HubError: the name has `..`, a slash too many or a character that is not allowed.
    """
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise HubError(f"{repo_id!r} cannot be the id of a repository. {_RULES}") from None
    return repo_id


def is_repo_id(text: str) -> bool:
    """Whether a hub could have a repository of that name."""
    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True


def page_url(endpoint: str, repo_id: str, repo_type: RepoType) -> str:
    """The address of a repository's page."""
    prefix = "datasets/" if repo_type == "dataset" else ""
    return f"{endpoint}/{prefix}{repo_id}"
