"""Data sets in repositories of a hub: by their ids, and by addresses of files in them (`hf://`)."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from graft.data.formats.archive import COMPRESSIONS, ZIP
from graft.data.formats.readers import SUFFIXES, is_data_file
from graft.data.reading.splits import choose_config, patterns_of
from graft.data.writing.card import CARD, read_card
from graft.errors import DataError
from graft.hub.client import local_folder
from graft.hub.names import is_repo_id

_SCHEME = "hf://"
_REFERENCE = re.compile(r"refs/(pr|convert)/[^/]+")
_MARKS = "*?["


@dataclass(frozen=True)
class HubAddress:
    """What an address names: hf://datasets/owner/name@revision/path.

    Attributes:
        repo_id: owner/name.
        revision: branch, tag or commit; None for the main branch.
        path: of a file, a folder or files (a pattern) in it; "" for all of it.
    """

    repo_id: str
    revision: str | None
    path: str


def is_hub_address(source: str) -> bool:
    """Whether a source is an address of files in a repository."""
    return source.lower().startswith(_SCHEME)


def hub_address(address: str) -> HubAddress:
    """The parts of an address. Raises `DataError` where it is none of a data set."""
    kind, _, rest = address[len(_SCHEME) :].partition("/")
    if kind != "datasets" or not rest:
        raise DataError(
            f"{address!r} is no address of a data set. It has the form "
            "hf://datasets/owner/name@revision/path/*.parquet; @revision and the path may be "
            "left out."
        )
    owner, _, rest = rest.partition("/")
    name, at, after = rest.partition("@")
    if not at or "/" in name:
        name, _, path = rest.partition("/")
        revision = None
    elif found := _REFERENCE.match(after):
        revision, path = found[0], after[found.end() :].lstrip("/")
    else:
        revision, _, path = after.partition("/")
    if not is_repo_id(f"{owner}/{name}"):
        raise DataError(f"{address!r} names no repository. It begins hf://datasets/owner/name.")
    return HubAddress(f"{owner}/{name}", unquote(revision) if revision else None, path)


def pattern_of(path: str) -> str | None:
    """The pattern of the files that an address's path means; None for all of the repository."""
    path = path.strip("/")
    if not path:
        return None
    single = any(mark in path for mark in _MARKS) or is_data_file(PurePosixPath(path))
    return path if single else f"{path}/**/*"


def fetched(repo_id: str, revision: str | None, config: str | None, data_files: Any) -> Path:
    """The folder in the hub's cache with the files that are needed.

    Only the card and then the files of the configuration, or those that `data_files` names, are
    downloaded, both of one commit. Raises `HubError` and `CardError`, and `DataError` for a
    configuration that is not there.
    """
    folder = local_folder(repo_id, repo_type="dataset", revision=revision, patterns=[CARD])
    metadata = read_card(folder, f"{repo_id}/{CARD}")
    chosen = {} if data_files is not None else choose_config(metadata, config, repo_id)
    listed = data_files if data_files is not None else chosen.get("data_files")
    base = str(chosen.get("data_dir") or "").strip("/")
    patterns = [CARD, *_wanted(base, listed)]
    if folder.parent.name == "snapshots":  # a commit's folder in the cache, not one of the user's
        revision = folder.name
    return local_folder(repo_id, repo_type="dataset", revision=revision, patterns=patterns)


def _wanted(base: str, listed: Any) -> list[str]:
    """Patterns as the hub matches them: `*` goes on over folders."""
    within = f"{base}/" if base else ""
    if listed is None:
        ends = [*SUFFIXES, ZIP]
        ends += [f"{end}{more}" for end in SUFFIXES for more in COMPRESSIONS if more != ZIP]
        return [f"{within}*{end}" for end in ends]
    named = {f"{within}{pattern}" for _, pattern in patterns_of(listed)}
    return sorted({*named, *(pattern.replace("**/", "") for pattern in named)})
