"""Files of a repository read where they are: by ranges of bytes, without a download."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
from huggingface_hub.hf_api import RepoFile

from graft.errors import HubError
from graft.hub.failures import PATIENCE, UNREACHABLE, Attempt, hub_errors, unreachable
from graft.hub.names import KINDS, RepoType, hub_endpoint

# Read ahead by this much; what is read here and there has a smaller buffer.
_AHEAD = 4 << 20
_NEAR = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository at one commit.

    Attributes:
        path: Its path in the repository.
        size: Its bytes.
        digest: Tells its content apart from any other.
        open: Begins to read it, at any place. What the network fails with is retried for half a
            minute, and then a `HubError`. The argument is whether it is read from front to back.
        download: Its copy in the user's hub cache, downloaded where it is not there yet.
    """

    path: str
    size: int
    digest: str
    open: Callable[[bool], BinaryIO]
    download: Callable[[], Path]


def remote_files(
    repo_id: str, *, repo_type: RepoType = "dataset", revision: str | None = None
) -> list[RemoteFile]:
    """All files of a repository, of the commit that `revision` (or the main branch) is at now.

    Raises `HubError` where there is no such repository or revision, and no hub.
    """
    endpoint = hub_endpoint()
    attempt = Attempt("load", f"{KINDS[repo_type]} {repo_id!r}", endpoint, revision)
    api = HfApi(endpoint=endpoint)
    with hub_errors(attempt):
        try:
            info: Any = api.repo_info(
                repo_id, repo_type=repo_type, revision=revision, timeout=PATIENCE
            )
        except UNREACHABLE as error:
            raise HubError(f"{attempt}: {unreachable(error, endpoint)}") from error
        commit = str(info.sha)
        tree = api.list_repo_tree(
            repo_id, repo_type=repo_type, revision=commit, recursive=True, expand=False
        )
        found = [entry for entry in tree if isinstance(entry, RepoFile)]
    return [_remote(entry, repo_id, repo_type, commit, endpoint) for entry in found]


def _remote(
    entry: RepoFile, repo_id: str, repo_type: RepoType, commit: str, endpoint: str
) -> RemoteFile:
    attempt = Attempt("read", f"{entry.path} of {KINDS[repo_type]} {repo_id!r}", endpoint)

    def opened(ahead: bool) -> BinaryIO:
        content = _Content(f"{repo_type}s/{repo_id}", entry.path, commit, entry.size, attempt)
        return io.BufferedReader(content, _AHEAD if ahead else _NEAR)

    def download() -> Path:
        with hub_errors(attempt):
            return Path(
                hf_hub_download(
                    repo_id, entry.path, repo_type=repo_type, revision=commit, endpoint=endpoint
                )
            )

    digest = entry.blob_id if entry.lfs is None else entry.lfs.sha256
    return RemoteFile(entry.path, entry.size, digest, opened, download)


class _Content(io.RawIOBase):
    """The bytes of a file, asked for when they are read."""

    def __init__(self, repo: str, path: str, commit: str, size: int, attempt: Attempt) -> None:
        self._size, self._attempt, self._at = size, attempt, 0
        with hub_errors(attempt):
            files = HfFileSystem(endpoint=attempt.endpoint)
            name = f"{repo}@{commit}/{path}"
            self._file = files.open(name, "rb", cache_type="none", size=size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        with hub_errors(self._attempt):
            self._file.seek(self._at)
            content: bytes = self._file.read(wanted)
        if len(content) != wanted:
            raise HubError(
                f"{self._attempt}: {len(content)} bytes came where {wanted} were asked for. "
                "Try again."
            )
        buffer[:wanted] = content
        self._at += wanted
        return wanted
