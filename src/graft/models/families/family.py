"""What a family says: how its files name the shape and the tensors of our one model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graft.models.config import Config

TensorNames = Mapping[str, tuple[str, ...]]
"""Our name of a tensor to the family's; several of theirs are stacked along dimension 0."""


@dataclass(frozen=True)
class Family:
    """One architecture, as data.

    Attributes:
        name: The `model_type` of its `config.json`.
        read_config: From the parsed `config.json`, without labels, to a `Config`.
        write_config: From a `Config` to what `config.json` says of the shape.
        body: From a `Config` to the names of the body's tensors, without `prefix`.
        heads: The names of each task's head, as they are saved.
        prefix: Put before the body's names when a head is saved with it.
        architectures: The class the ecosystem loads each task with; None: the body alone.
        aliases: Endings of tensor names that older files write, and what they are called now.
    """

    name: str
    read_config: Callable[[dict[str, Any]], Config]
    write_config: Callable[[Config], dict[str, Any]]
    body: Callable[[Config], TensorNames]
    heads: Mapping[str, TensorNames]
    prefix: str
    architectures: Mapping[str | None, str]
    aliases: Mapping[str, str]
