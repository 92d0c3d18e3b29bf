"""Llama (Touvron et al., 2023), and SmolLM, which is of its architecture."""

from dataclasses import replace
from typing import Any

from graft.models.config import Config
from graft.models.families.decoder import (
    DEFAULTS,
    classes,
    decoder_family,
    read_decoder,
    write_decoder,
)
from graft.models.families.settings import Settings, with_extra

_DEFAULTS: dict[str, Any] = {
    **DEFAULTS,
    "vocab_size": 32000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Llama describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    config = replace(
        read_decoder(settings, "llama"),
        attention_bias=settings.flag("attention_bias"),
        output_bias=settings.flag("attention_bias"),
        feed_forward_bias=settings.flag("mlp_bias"),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        **write_decoder(config),
        "attention_bias": config.attention_bias,
        "mlp_bias": config.feed_forward_bias,
    }


LLAMA = decoder_family(
    "llama",
    read_config,
    write_config,
    classes("Llama"),
    prefixes={"question-answering": "transformer."},
)
