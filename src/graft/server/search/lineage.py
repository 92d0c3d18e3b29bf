"""What a model was made from: the base models that its card and files name, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graft.server.search.values import dict_of, text_of, texts_of

RELATIONS = ("adapter", "merge", "quantized", "finetune")
MAX_BASES = 50


@dataclass(frozen=True)
class Base:
    """A model that another one was made from."""

    name: str
    relation: str
    """One of RELATIONS."""


def bases(
    metadata: Mapping[str, Any],
    files: Mapping[str, object],
    config: Mapping[str, Any],
    adapter: Mapping[str, Any],
) -> list[Base]:
    """The models that a card's `base_model` names, or an adapter's own configuration.

    Args:
        metadata: the card's YAML.
        files: the repository's paths.
        config: config.json.
        adapter: adapter_config.json.
    """
    names = [name for name in texts_of(metadata.get("base_model")) if _is_name(name)]
    if not names:
        name = text_of(adapter.get("base_model_name_or_path"))
        names = [name] if name and _is_name(name) else []
    names = list(dict.fromkeys(names))[:MAX_BASES]
    relation = _relation(metadata, files, config, adapter, len(names))
    return [Base(name, relation) for name in names]


def _relation(
    metadata: Mapping[str, Any],
    files: Mapping[str, object],
    config: Mapping[str, Any],
    adapter: Mapping[str, Any],
    count: int,
) -> str:
    """As the card says, or else as the files look: the order of RELATIONS decides."""
    said = text_of(metadata.get("base_model_relation"))
    if said in RELATIONS:
        return said
    tags = set(texts_of(metadata.get("tags")))
    if adapter or "adapter_config.json" in files or metadata.get("library_name") == "peft":
        return "adapter"
    if count > 1 or tags & {"merge", "mergekit"}:
        return "merge"
    if dict_of(config.get("quantization_config")) or any(p.endswith(".gguf") for p in files):
        return "quantized"
    return "finetune"


def _is_name(name: str) -> bool:
    """Whether it can be a repository's: not a folder on somebody's disk."""
    return len(name) <= 180 and name.count("/") <= 1 and not name.startswith((".", "/", "~"))
