"""Mistral (Jiang et al., 2023): Llama with a window that tokens see through."""

from dataclasses import replace
from typing import Any

from graft.models.config import Config
from graft.models.families.decoder import (
    DEFAULTS,
    classes,
    decoder_family,
    read_decoder,
    window_size,
    write_decoder,
)
from graft.models.families.settings import Settings, with_extra

_DEFAULTS: dict[str, Any] = {
    **DEFAULTS,
    "vocab_size": 32000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Mistral describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    config = read_decoder(settings, "mistral")
    seen = settings.size_or_none("sliding_window")
    if seen is not None:
        config = replace(config, windows=(seen - 1,) * config.layers)
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {**write_decoder(config), "sliding_window": None, **window_size(config)}


MISTRAL = decoder_family("mistral", read_config, write_config, classes("Mistral"))
