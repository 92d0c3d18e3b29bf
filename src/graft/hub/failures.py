"""Turning whatever goes wrong between us and a hub into one clear `HubError`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
from huggingface_hub import get_session, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from graft.errors import HubError

# What a request can raise when the hub does not answer at all.
UNREACHABLE = (httpx2.TransportError, OfflineModeIsEnabled)

# The same, of transfers by Xet, which make their own requests.
_CONNECTION = (ConnectionError, TimeoutError)

# How long to wait for a hub's first answer, in seconds.
PATIENCE = 10.0

# What a hub says of a bad token so that the client can tell it from a missing repository.
_FOR_PROGRAMS = "Invalid credentials in Authorization header"

_LOGIN = "Log in with `graft login`, or set HF_TOKEN."


@dataclass(frozen=True)
class Attempt:
    """What was tried: `action` ("push to", "load"), `what` ("model me/x"), and on which hub."""

    action: str
    what: str
    endpoint: str
    revision: str | None = None

    def __str__(self) -> str:
        revision = f" (revision {self.revision})" if self.revision else ""
        return f"cannot {self.action} {self.what}{revision}"


@contextmanager
def hub_errors(attempt: Attempt) -> Iterator[None]:
    """Any failure of a request in the block becomes a `HubError`: what, why, and what to do."""
    try:
        yield
    except HubError:
        raise
    except (httpx2.HTTPError, OfflineModeIsEnabled, LocalTokenNotFoundError) as error:
        raise HubError(f"{attempt}: {_why(error, attempt)}") from error
    except RuntimeError as error:
        # Uploads run in threads, whose failure arrives wrapped.
        if isinstance(error.__cause__, (httpx2.HTTPError, OfflineModeIsEnabled)):
            raise HubError(f"{attempt}: {_why(error.__cause__, attempt)}") from error
        raise HubError(f"{attempt}: {_of_xet(error)}") from error
    except OSError as error:
        if not (isinstance(error, _CONNECTION) or type(error).__module__ == "hf_xet"):
            raise
        raise HubError(f"{attempt}: {_of_xet(error)}") from error
    except json.JSONDecodeError as error:
        raise HubError(f"{attempt}: {_no_hub(attempt.endpoint)}") from error


def knock(endpoint: str) -> None:
    """Raises at once when no hub answers; the client's own requests retry for half a minute."""
    get_session().head(endpoint, timeout=PATIENCE)


def unreachable(error: Exception, endpoint: str) -> str:
    """Why a hub did not answer, and what to do."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so no hub is asked. Unset it to go online."
    cause = "no answer in time" if isinstance(error, httpx2.TimeoutException) else str(error)
    return (
        f"no hub can be reached at {endpoint} ({cause}). "
        "Is it running, and is HF_ENDPOINT its address?"
    )


def _of_xet(error: Exception) -> str:
    """What a transfer by Xet says of its failure: the hub's own words, or those of the network."""
    said = " ".join(str(error).split()).removeprefix("Internal error: ").rstrip(".")
    return f"{said}. Nothing was committed." if said else "the transfer broke off. Try again."


def _why(error: Exception, attempt: Attempt) -> str:
    if isinstance(error, LocalTokenNotFoundError):
        return f"you are not logged in. {_LOGIN}"
    if isinstance(error, UNREACHABLE):
        return unreachable(error, attempt.endpoint)
    if isinstance(error, RevisionNotFoundError):
        return (
            f"the repository at {attempt.endpoint} has no branch, tag or commit of that name. "
            "See its page for those it has."
        )
    if isinstance(error, GatedRepoError):
        return f"its owner has to let you in first: ask on its page at {attempt.endpoint}."
    if isinstance(error, HfHubHTTPError):
        return _why_refused(error, attempt)
    return str(error)


def _why_refused(error: HfHubHTTPError, attempt: Attempt) -> str:
    status = error.response.status_code
    said = _said(error.server_message)
    # An unknown token is told apart from an unknown repository by its own status on our Hub.
    if isinstance(error, RepositoryNotFoundError) and status == 404:
        return (
            f"there is no such repository at {attempt.endpoint}, or it is private and you may "
            "not see it. Check the name (`graft search`), HF_ENDPOINT and your account "
            "(`graft whoami`)."
        )
    if status == 401 and get_token() is None:
        return f"you are not logged in. {_LOGIN}"
    if status == 401:
        return f"{attempt.endpoint} does not accept your token{said}. {_LOGIN}"
    if status == 403:
        return (
            f"{attempt.endpoint} does not allow it{said}. "
            "It takes the owner's token with the right to write: see `graft whoami`."
        )
    if status == 507:
        return f"the hub's disk is full{said}. Ask whoever runs {attempt.endpoint}."
    if status >= 500:
        return f"{attempt.endpoint} failed with status {status}{said}. Try again later."
    if status in (404, 405) and "x-error-code" not in error.response.headers:
        return _no_hub(attempt.endpoint)
    return f"{attempt.endpoint} refused with status {status}{said}."


def _said(message: str | None) -> str:
    """A hub's own words, on one line; the client may report them twice, header and body."""
    lines = [line.strip().rstrip(".") for line in (message or "").splitlines()]
    lines = [line for line in dict.fromkeys(lines) if line and not line.startswith(_FOR_PROGRAMS)]
    return f" ({'; '.join(lines)})" if lines else ""


def _no_hub(endpoint: str) -> str:
    return f"{endpoint} does not answer as a hub does. Is HF_ENDPOINT the address of a hub?"
