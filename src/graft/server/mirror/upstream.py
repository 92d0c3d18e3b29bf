"""The other hub: what is asked of it, by the same addresses that stock clients use.

Nothing of who asks here is told there: no token, no cookie, no name. The only token it ever sees is
the one that the settings give for it.
"""

import base64
import hashlib
import json
import os
import subprocess
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from graft.server.errors import RefusedError
from graft.server.git.process import clean_environment
from graft.server.records import Kind, Lfs

HOPS_HEADER = "X-Graft-Mirror-Hops"
MAX_HOPS = 2
"""How many hubs ask on, one after the other: two that mirror each other stop here."""

HOPS: ContextVar[int] = ContextVar("graft_mirror_hops", default=0)
"""How many hubs the request that this code works for came through."""


def read_hops(text: str) -> int:
    """The number in the header; what cannot be read counts as too many."""
    return int(text) if text.isdecimal() and len(text) < 4 else MAX_HOPS


_ANSWER_SECONDS = 10.0
_OBJECT_SECONDS = 60.0
# Faults that old and harmless histories have.
_HARMLESS = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "hasDotgit")


class UpstreamError(RefusedError):
    """The other hub does not answer, or not with what it should."""

    status = 503

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "10"})


@dataclass(frozen=True)
class Found:
    """A repository of the other hub, under the name that it has there."""

    owner: str
    name: str
    private: bool
    gated: bool


class Upstream:
    """Asks the other hub. All of this blocks, but for `get`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        headers = {"User-Agent": "graft-hub"}
        limits = httpx.Timeout(_ANSWER_SECONDS)
        self._client = httpx.Client(headers=headers, timeout=limits, follow_redirects=True)
        self._transfers = httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(_OBJECT_SECONDS), follow_redirects=True
        )

    def find(self, kind: Kind, full_name: str) -> Found | None:
        """
        Raises:
            UpstreamError: no answer that says whether there is such a repository.
        """
        expand = [("expand", name) for name in ("sha", "private", "gated")]
        answer = self._ask("GET", f"/api/{kind.plural}/{full_name}", params=expand)
        if answer.status_code in (401, 403, 404):
            return None
        content = self._content(answer)
        owner, _, name = str(content.get("id", "")).partition("/")
        if not name:
            return None
        gated = content.get("gated") not in (None, False)
        return Found(owner, name, bool(content.get("private")), gated)

    def state(self, kind: Kind, full_name: str) -> str | None:
        """A digest of all branches and tags and what they name; None: the repository is gone.

        Raises:
            UpstreamError: no answer.
        """
        answer = self._ask("GET", f"/api/{kind.plural}/{full_name}/refs")
        if answer.status_code in (401, 403, 404):
            return None
        content = self._content(answer)
        refs = sorted(
            (str(ref.get("ref")), str(ref.get("targetCommit")))
            for group in ("branches", "tags")
            for ref in content.get(group) or []
        )
        return hashlib.sha256(json.dumps(refs).encode()).hexdigest()

    def fetch(self, kind: Kind, full_name: str, path: Path, seconds: float) -> None:
        """Brings all branches and tags into the bare repository at `path`, or none of them.

        Raises:
            UpstreamError: git could not.
        """
        options = {
            "fetch.fsckObjects": "true",
            **{f"fetch.fsck.{name}": "ignore" for name in _HARMLESS},
            "protocol.allow": "never",
            "protocol.http.allow": "always",
            "protocol.https.allow": "always",
            "credential.helper": "",
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "60",
            "safe.directory": "*",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = ["git", *settings, "fetch", "--quiet", "--atomic", "--prune", "--no-tags"]
        command += ["--no-write-fetch-head", "--no-auto-maintenance"]
        command += [f"{self.url}/{kind.prefix}{full_name}.git"]
        command += ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        try:
            subprocess.run(
                command,
                cwd=path,
                env=clean_environment() | self._git_environment(),
                check=True,
                capture_output=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise UpstreamError(
                f"{full_name} could not be fetched from {self.url} within {seconds:.0f} seconds."
            ) from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            reason = said[0].replace(self._token or "\0", "***") if said else "no reason given"
            raise UpstreamError(
                f"{full_name} could not be fetched from {self.url}: {reason}"
            ) from None

    def object_address(self, kind: Kind, full_name: str, lfs: Lfs) -> tuple[str, dict[str, str]]:
        """Where a large file's bytes are, and the headers to ask for them with.

        Raises:
            UpstreamError: no answer, or no such file.
        """
        asked = {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [{"oid": lfs.sha256, "size": lfs.size}],
        }
        path = f"/{kind.prefix}{full_name}.git/info/lfs/objects/batch"
        media_type = "application/vnd.git-lfs+json"
        headers = {"Accept": media_type, "Content-Type": media_type}
        content = self._content(self._ask("POST", path, json=asked, headers=headers))
        objects = content.get("objects") or [{}]
        action = (objects[0].get("actions") or {}).get("download") or {}
        address = action.get("href")
        if not isinstance(address, str) or not address.startswith(("http://", "https://")):
            said = (objects[0].get("error") or {}).get("message", "it says where to no file")
            raise UpstreamError(f"{self.url} does not give the file {lfs.sha256}: {said}")
        return address, {str(k): str(v) for k, v in (action.get("header") or {}).items()}

    def read(self, address: str, headers: dict[str, str], start: int, length: int) -> bytes:
        """A range of bytes at an address that `object_address` gave.

        Raises:
            UpstreamError: no answer, or another one.
        """
        headers = headers | {"Range": f"bytes={start}-{start + length - 1}"}
        try:
            with self._client.stream("GET", address, headers=headers) as answer:
                if answer.status_code != 206:
                    raise UpstreamError(
                        f"{self.url} answered with status {answer.status_code} instead of a part."
                    )
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) >= length:
                        break
        except httpx.HTTPError as error:
            raise _away(self.url, error) from error
        return bytes(data[:length])

    def get(self, address: str, headers: dict[str, str]) -> Any:
        """Begins to fetch a whole file: a context whose value is the answer; it does not block."""
        return self._transfers.stream("GET", address, headers=headers)

    def close(self) -> None:
        """Closes the connections that block; the others end with their loop."""
        self._client.close()

    async def aclose(self) -> None:
        """Closes the other connections."""
        await self._transfers.aclose()

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {HOPS_HEADER: str(HOPS.get() + 1), **given.pop("headers", {})}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._client.request(method, f"{self.url}{path}", headers=headers, **given)
        except httpx.HTTPError as error:
            raise _away(self.url, error) from error

    def _content(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            raise UpstreamError(f"{self.url} answered with status {answer.status_code}.")
        try:
            content = answer.json()
        except ValueError as error:
            raise UpstreamError(f"{self.url} answered with something that is no JSON.") from error
        if not isinstance(content, dict):
            raise UpstreamError(f"{self.url} answered with JSON that is no object.")
        return content

    def _git_environment(self) -> dict[str, str]:
        """The headers that git sends: in its environment, since others can read its arguments."""
        headers = [f"{HOPS_HEADER}: {HOPS.get() + 1}"]
        if self._token:
            pair = base64.b64encode(f"token:{self._token}".encode()).decode()
            headers.append(f"Authorization: Basic {pair}")
        found = {"GIT_CONFIG_COUNT": str(len(headers)), "GIT_TERMINAL_PROMPT": "0"}
        for number, header in enumerate(headers):
            found[f"GIT_CONFIG_KEY_{number}"] = "http.extraHeader"
            found[f"GIT_CONFIG_VALUE_{number}"] = header
        return found | {"GIT_ASKPASS": os.devnull}


def _away(url: str, error: Exception) -> UpstreamError:
    return UpstreamError(f"{url} does not answer ({type(error).__name__}).")
