"""What a configuration is built into: the body, and the head of each task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import nn

from graft.errors import ModelError
from graft.models.cache import Cache
from graft.models.config import Config
from graft.models.heads import HEADS, HeadKind
from graft.models.recurrent import Recurrent
from graft.models.recurrent_cache import States
from graft.models.recurrent_config import RecurrentConfig
from graft.models.recurrent_heads import RECURRENT_HEADS
from graft.models.transformer import EncoderDecoder, Transformer, make_body

Body = Transformer | EncoderDecoder | Recurrent
"""Embeddings and blocks: from a `Context` to the last hidden states, `[tokens, hidden]`."""


@runtime_checkable
class DrawsItself(Protocol):
    """A module whose first weights are not drawn as those of linear layers and embeddings."""

    def initialize(self, std: float) -> None:
        """Draws all its weights; `std` is what the configuration says of new weights."""


@dataclass(frozen=True)
class Parts:
    """How the models of one kind of configuration are built.

    Attributes:
        body: From a configuration to the body.
        heads: The head of each task.
        cache: From a configuration, the most tokens of a row and how many branches a row has, to
            what is kept of tokens in generation.
    """

    body: Callable[[Any], Body]
    heads: Mapping[str, HeadKind]
    cache: Callable[[Any, int, int], Cache | States]


PARTS: dict[type[Config], Parts] = {
    Config: Parts(make_body, HEADS, Cache),
    RecurrentConfig: Parts(Recurrent, RECURRENT_HEADS, States),
}
"""The parts of models, by the class of their configuration."""


def build_body(config: Config) -> Body:
    """The body of a model, without weights of any meaning."""
    return PARTS[type(config)].body(config)


def build_head(config: Config, task: str) -> nn.Module:
    """The head of a model for a task.

    Raises:
        ModelError: Models of this kind have none for it.
    """
    heads = PARTS[type(config)].heads
    if task not in heads:
        raise ModelError(f"There is no head for task {task!r}; there is {', '.join(heads)}.")
    return heads[task].module(config.answering)


def build_cache(config: Config, capacity: int, branches: int) -> Cache | States:
    """What a stack keeps of tokens in generation: see `Cache`."""
    return PARTS[type(config)].cache(config, capacity, branches)
