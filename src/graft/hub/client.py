"""The user's side of a hub: fetch, push, search and log in.

Everything goes through `huggingface_hub`, so that the cache and the token are those of the user's
other tools. The hub is the one that `HF_ENDPOINT` names at the time of the call.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, DatasetInfo, HfApi, ModelInfo, snapshot_download
from huggingface_hub.constants import is_offline_mode
from huggingface_hub.errors import (
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)

from graft.errors import HubError
from graft.hub.account import Account, login, whoami
from graft.hub.failures import PATIENCE, UNREACHABLE, Attempt, hub_errors, knock, unreachable
from graft.hub.names import (
    KINDS,
    RepoType,
    check_repo_id,
    hub_endpoint,
    is_repo_id,
    page_url,
)
from graft.hub.upload import check_card, commit_files, files_to_push

_log = logging.getLogger("graft.hub")

# What a hub is told about who asks.
_US: dict[str, Any] = {"library_name": "graft", "library_version": version("graft-nlp")}

__all__ = [
    "Account",
    "Found",
    "delete_repository",
    "full_id",
    "hub_endpoint",
    "local_folder",
    "login",
    "push_folder",
    "repository_file",
    "search_datasets",
    "search_models",
    "whoami",
]


@dataclass(frozen=True)
class Found:
    """A repository that a search found.

    `updated` is an ISO 8601 date, `url` the address of its page.
    """

    id: str
    tasks: list[str]
    languages: list[str]
    license: str | None
    library: str | None
    datasets: list[str]
    tags: list[str]
    downloads: int
    updated: str | None
    private: bool
    url: str


def local_folder(
    source: str | Path,
    *,
    repo_type: RepoType = "model",
    revision: str | None = None,
    patterns: Sequence[str] | None = None,
) -> Path:
    """The folder that `source` names: itself when it is one, else a hub repository's files.

    A repository is downloaded into the user's hub cache (only what is not there yet). When the hub
    cannot be reached, or `HF_HUB_OFFLINE` is set, what is cached is used.

    Args:
        source: a folder, or a repository id (`owner/name`). A folder that exists wins.
        repo_type: "model" or "dataset".
        revision: branch, tag or commit; the main branch when None.
        patterns: names of the files wanted (`*.json`); all files when None.

    Raises:
        HubError: no such folder, no such repository or revision, or neither hub nor cache has it.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise HubError(f"{source} is a file; a folder or a repository id (owner/name) is needed.")
    repo_id = str(source)
    if not is_repo_id(repo_id):
        raise HubError(
            f"{repo_id!r} is neither a folder that exists nor a possible repository id. "
            f"Give the path of a folder, or a {KINDS[repo_type]}'s id on a hub, such as owner/name."
        )
    return _download(repo_id, repo_type, revision, list(patterns) if patterns else None)


def _download(
    repo_id: str, repo_type: RepoType, revision: str | None, patterns: list[str] | None
) -> Path:
    endpoint = hub_endpoint()
    what = f"{KINDS[repo_type]} {repo_id!r} (there is no folder of that name)"
    attempt = Attempt("load", what, endpoint, revision)
    wanted: dict[str, Any] = {
        "repo_id": repo_id,
        "repo_type": repo_type,
        "revision": revision,
        "allow_patterns": patterns,
    }
    with hub_errors(attempt):
        # Asked first, so that a missing repository is not mistaken for one that is cached, and a
        # hub that does not answer is noticed at once.
        try:
            _api(endpoint).repo_info(
                repo_id, repo_type=repo_type, revision=revision, timeout=PATIENCE
            )
        except UNREACHABLE as error:
            return _cached(wanted, attempt, unreachable(error, endpoint))
        return Path(
            snapshot_download(
                **wanted,
                endpoint=endpoint,
                **_US,
            )
        )


def _cached(wanted: dict[str, Any], attempt: Attempt, why: str) -> Path:
    """The files of an earlier download, for a hub that cannot be asked."""
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
    except IncompleteSnapshotError as error:
        raise HubError(f"{attempt}: only a part of it is in the cache, and {why}") from error
    except LocalEntryNotFoundError as error:
        raise HubError(f"{attempt}: it is not in the cache, and {why}") from error
    if not is_offline_mode():
        _log.warning("Using the cached copy of %s: %s", wanted["repo_id"], why)
    return folder


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    repo_type: RepoType = "model",
    private: bool = False,
    message: str,
    replace: Sequence[str] = (),
) -> str:
    """Uploads a folder's files in one commit and returns the address of the repository's page.

    The repository is made when there is none (`private` counts only then). Large files go
    by Xet, or by LFS where HF_HUB_DISABLE_XET=1 says so: only what the hub does not have is sent.

    Args:
        folder: its files and those below it; caches and `.git` are left out.
        repo_id: `owner/name`; a bare name is your own.
        message: the commit's message.
        replace: patterns of files (`data/*.parquet`) to delete in the same commit where the
            repository has them and the folder does not.

    Raises:
        CardError: README.md has a broken YAML header; nothing is sent then.
        HubError: nothing to push, a name that is not allowed, or the hub refused or is not there.
    """
    folder = Path(folder).expanduser()
    check_repo_id(repo_id)
    files = files_to_push(folder)
    check_card(folder)
    endpoint = hub_endpoint()
    repo_id = full_id(repo_id)
    with hub_errors(Attempt("push to", f"{KINDS[repo_type]} {repo_id!r}", endpoint)):
        knock(endpoint)
        api = _api(endpoint)
        api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
        commit_files(
            api, folder, files, repo_id, repo_type=repo_type, message=message, replace=replace
        )
    return page_url(endpoint, repo_id, repo_type)


def full_id(repo_id: str) -> str:
    """`owner/name` of a repository; a bare name is your own.

    Raises:
        HubError: it cannot be the id of a repository; or it is a bare name, and nobody is logged in
            or the hub is not there.
    """
    check_repo_id(repo_id)
    return repo_id if "/" in repo_id else f"{whoami().name}/{repo_id}"


def repository_file(
    repo_id: str, name: str, *, repo_type: RepoType = "model", revision: str | None = None
) -> Path | None:
    """A file of a repository, as it is now, in the user's hub cache.

    Returns None where there is no such repository (for this user), or no such file in it.

    Raises:
        HubError: the hub refused or is not there.
    """
    endpoint = hub_endpoint()
    attempt = Attempt("load", f"{name} of {KINDS[repo_type]} {repo_id!r}", endpoint, revision)
    with hub_errors(attempt):
        knock(endpoint)
        try:
            path = _api(endpoint).hf_hub_download(
                repo_id, name, repo_type=repo_type, revision=revision
            )
        except (RepositoryNotFoundError, RemoteEntryNotFoundError):
            return None
    return Path(path)


def delete_repository(repo_id: str, *, repo_type: RepoType = "model") -> None:
    """Deletes a repository with all its history; there is no way back.

    Raises:
        HubError: no such repository, it is not yours, or the hub is not there.
    """
    check_repo_id(repo_id)
    endpoint = hub_endpoint()
    with hub_errors(Attempt("delete", f"{KINDS[repo_type]} {repo_id!r}", endpoint)):
        knock(endpoint)
        _api(endpoint).delete_repo(repo_id, repo_type=repo_type)


def search_models(
    words: str = "",
    *,
    task: str | None = None,
    language: str | None = None,
    dataset: str | None = None,
    library: str | None = None,
    author: str | None = None,
    limit: int = 20,
) -> list[Found]:
    """Models on the hub that fit all that is given, best first.

    Args:
        words: of the name, the tags or the card.
        task: such as "text-classification".
        language: a code such as "en".
        dataset: the id of a data set that the model was trained on.
        library: such as "graft" or "transformers".
        author: the owner's name.
        limit: at most so many.

    Raises:
        HubError: the hub refused or is not there.
    """
    endpoint = hub_endpoint()
    with hub_errors(Attempt("search", "models", endpoint)):
        knock(endpoint)
        found = _api(endpoint).list_models(
            search=words or None,
            pipeline_tag=task,
            filter=[tag for tag in (language, library) if tag] or None,
            trained_dataset=dataset,
            author=author,
            limit=limit,
            full=True,
            cardData=True,
        )
        return [_found_model(info, endpoint) for info in found]


def search_datasets(
    words: str = "",
    *,
    task: str | None = None,
    language: str | None = None,
    author: str | None = None,
    limit: int = 20,
) -> list[Found]:
    """Data sets on the hub that fit all that is given, best first; see `search_models`."""
    endpoint = hub_endpoint()
    with hub_errors(Attempt("search", "data sets", endpoint)):
        knock(endpoint)
        found = _api(endpoint).list_datasets(
            search=words or None,
            task_categories=task,
            language=language,
            author=author,
            limit=limit,
            full=True,
        )
        return [_found_dataset(info, endpoint) for info in found]


def _found_model(info: ModelInfo, endpoint: str) -> Found:
    return _found(
        info,
        tasks=[info.pipeline_tag] if info.pipeline_tag else [],
        library=info.library_name,
        url=page_url(endpoint, info.id, "model"),
    )


def _found_dataset(info: DatasetInfo, endpoint: str) -> Found:
    return _found(
        info,
        tasks=_tagged(info.tags, "task_categories"),
        library=None,
        url=page_url(endpoint, info.id, "dataset"),
    )


def _found(
    info: ModelInfo | DatasetInfo, *, tasks: list[str], library: str | None, url: str
) -> Found:
    card = info.card_data or CardData()
    tags = list(info.tags or [])
    return Found(
        id=info.id,
        tasks=tasks,
        languages=_as_list(card.get("language")) or _tagged(tags, "language"),
        license=next(iter(_as_list(card.get("license")) or _tagged(tags, "license")), None),
        library=library,
        datasets=_as_list(card.get("datasets")) or _tagged(tags, "dataset"),
        tags=tags,
        downloads=info.downloads or 0,
        updated=info.last_modified.isoformat() if info.last_modified else None,
        private=bool(info.private),
        url=url,
    )


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _tagged(tags: Sequence[str] | None, key: str) -> list[str]:
    """The values of the tags that are written `key:value`."""
    return [tag.removeprefix(f"{key}:") for tag in tags or [] if tag.startswith(f"{key}:")]


def _api(endpoint: str) -> HfApi:
    return HfApi(endpoint=endpoint, **_US)
