"""Uploading a data set to a hub, beside what its repository has already."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.data.writing.card import CARD
from graft.data.writing.save import Layout, replaced_by, write_folder
from graft.hub.client import full_id, push_folder, repository_file

if TYPE_CHECKING:
    from graft.data.dataset import Dataset


def push(
    splits: Mapping[str, "Dataset"],
    repo_id: str,
    metadata: Mapping[str, Any],
    *,
    config: str,
    most_bytes: int,
    private: bool,
    message: str,
) -> str:
    """Uploads splits as a configuration of a repository, in one commit; returns its page's address.

    Files of the configuration that are there and not among the new ones are deleted in the same
    commit. Files that the hub has already are not sent again, so that an upload that broke off goes
    on where it was.

    Raises `HubError` when the hub refuses or is not there, `CardError` when the card that is there
    has a broken header.
    """
    repo_id = full_id(repo_id)
    old = repository_file(repo_id, CARD, repo_type="dataset")
    card = "" if old is None else old.read_text("utf-8")
    layout = Layout(repo_id, config, most_bytes, card)
    replace = replaced_by(config, card)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(splits, Path(folder), metadata, layout)
        return push_folder(
            folder,
            repo_id,
            repo_type="dataset",
            private=private,
            message=message or f"Upload {', '.join(splits)}",
            replace=replace,
        )
