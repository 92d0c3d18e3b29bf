"""The files of a folder as one commit, none of them held in memory."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from graft.errors import HubError
from graft.hub.card import parse_card
from graft.hub.names import RepoType

# Version control's own files, caches and what an editor or a system leaves behind.
_LEFT_OUT = {".git", ".cache", "__pycache__", ".ipynb_checkpoints", ".DS_Store"}


def files_to_push(folder: Path) -> list[Path]:
    """The files below a folder, in order, without caches and version control's own.

    Raises:
        HubError: there is no such folder, or nothing to push in it.
    """
    if not folder.is_dir():
        raise HubError(f"{folder} is not a folder, so there is nothing to push.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _LEFT_OUT.isdisjoint(path.relative_to(folder).parts)
    ]
    if not files:
        raise HubError(f"the folder {folder} holds no files, so there is nothing to push.")
    return files


def check_card(folder: Path) -> None:
    """Checks the folder's README.md, so that a broken card is refused before any upload.

    Raises:
        CardError: its YAML header cannot be read.
    """
    card = folder / "README.md"
    if card.is_file():
        parse_card(card.read_bytes(), path=card)


def commit_files(
    api: HfApi,
    folder: Path,
    files: Sequence[Path],
    repo_id: str,
    *,
    repo_type: RepoType,
    message: str,
    replace: Sequence[str] = (),
) -> None:
    """Puts files into a repository in one commit: all of them or none.

    `replace` are patterns (`data/*.parquet`): what the repository holds of them and `files` does
    not is deleted in the same commit.
    """
    names = [path.relative_to(folder).as_posix() for path in files]
    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    if replace:
        operations += [
            CommitOperationDelete(name)
            for name in api.list_repo_files(repo_id, repo_type=repo_type)
            if name not in names and any(fnmatch(name, pattern) for pattern in replace)
        ]
    operations += [CommitOperationAdd(name, path) for name, path in zip(names, files, strict=True)]
    api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type)
