"""A data set's card, README.md: what it declares, and the one written beside saved data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graft.data.features import Features, features_from_yaml
from graft.hub.card import parse_card

CARD = "README.md"
_ROLES = ("text", "text_pair", "label")


def read_card(folder: Path, name: str) -> dict[str, Any]:
    """The YAML header of a folder's README.md; {} when there is none. `name` is for errors.

    Raises `CardError` naming file and line when the header is broken.
    """
    path = folder / CARD
    if not path.is_file():
        return {}
    metadata, _ = parse_card(path.read_bytes(), name)
    return metadata


def card_roles(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The columns that the card gives a role ("text", "text_pair", "label") under `roles`."""
    declared = metadata.get("roles")
    if not isinstance(declared, dict):
        return {}
    return {role: str(declared[role]) for role in _ROLES if declared.get(role) is not None}


def card_features(metadata: Mapping[str, Any], config: str | None) -> Features:
    """The features that the card declares for a configuration (by default for its only one)."""
    listed = metadata.get("dataset_info")
    entries = listed if isinstance(listed, list) else [listed]
    infos = [entry for entry in entries if isinstance(entry, dict)]
    wanted = config or "default"
    by_name = {str(info.get("config_name", "default")): info for info in infos}
    info = by_name.get(wanted) or (infos[0] if len(infos) == 1 and config is None else {})
    return features_from_yaml(info.get("features"))
