"""A data set's card, README.md: what it declares of each configuration, and how that is changed."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from graft.data.features import Features, features_from_yaml
from graft.data.roles import Roles
from graft.hub.card import parse_card

CARD = "README.md"
DEFAULT = "default"
"""The name of the configuration that is meant where none is named."""

_ROLES = tuple(role.name for role in fields(Roles))


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
    return features_from_yaml(_info(metadata, config).get("features"))


def card_of(metadata: Mapping[str, Any], config: str | None) -> dict[str, Any]:
    """The header with the roles of a configuration (by default of its only one) under `roles`."""
    roles = _info(metadata, config).get("roles")
    return {**metadata, "roles": roles} if isinstance(roles, dict) else dict(metadata)


def with_config(
    metadata: Mapping[str, Any],
    config: str,
    data_files: list[dict[str, str]],
    info: Mapping[str, Any],
    roles: Mapping[str, str],
) -> dict[str, Any]:
    """A header in which a configuration is added or put in place of the one of its name.

    Args:
        metadata: the header that there was; what else it says, and of others, stays.
        config: the configuration's name.
        data_files: its files: `{"split": ..., "path": ...}`.
        info: what stands of it under `dataset_info`.
        roles: its columns by role.

    The default configuration alone is written as `dataset_info` and `roles` of the data set; where
    there are others, each has its own.
    """
    infos = _infos(metadata)
    if DEFAULT in infos and isinstance(metadata.get("roles"), dict):
        infos[DEFAULT].setdefault("roles", metadata["roles"])
    infos[config] = {**info, "roles": dict(roles)}
    entries = configs_of(metadata)
    flags = {key: value for key, value in entries.get(config, {}).items() if key == "default"}
    entries[config] = {"config_name": config, **flags, "data_files": data_files}
    taken = ("configs", "dataset_info", "roles")
    rest = {key: value for key, value in metadata.items() if key not in taken}
    if [*infos] == [DEFAULT]:
        rest["roles"] = infos[DEFAULT].pop("roles")
        return {**rest, "configs": [*entries.values()], "dataset_info": infos[DEFAULT]}
    listed = [{"config_name": name, **one} for name, one in infos.items()]
    return {**rest, "configs": [*entries.values()], "dataset_info": listed}


def configs_of(metadata: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries of `configs` by name, in order."""
    listed = metadata.get("configs")
    entries = listed if isinstance(listed, list) else []
    named = [dict(entry) for entry in entries if isinstance(entry, dict)]
    return {str(entry.get("config_name", DEFAULT)): entry for entry in named}


def _infos(metadata: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What `dataset_info` says, by configuration."""
    listed = metadata.get("dataset_info")
    entries = listed if isinstance(listed, list) else [listed]
    infos = [dict(entry) for entry in entries if isinstance(entry, dict)]
    return {str(info.pop("config_name", DEFAULT)): info for info in infos}


def _info(metadata: Mapping[str, Any], config: str | None) -> dict[str, Any]:
    infos = _infos(metadata)
    found = infos.get(config or DEFAULT)
    if found is None and len(infos) == 1 and config is None:
        found = next(iter(infos.values()))
    return found or {}
