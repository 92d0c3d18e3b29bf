"""Qwen 2 and 2.5 (Yang et al., 2024), and Qwen 3 (Yang et al., 2025)."""

from dataclasses import replace
from typing import Any

from graft.models.config import Config
from graft.models.families.decoder import (
    DEFAULTS,
    FULL,
    SLIDING,
    Windows,
    classes,
    decoder_family,
    read_decoder,
    read_optional_windows,
    write_decoder,
    write_optional_windows,
)
from graft.models.families.settings import Settings, with_extra

_DEFAULTS: dict[str, Any] = {
    **DEFAULTS,
    "vocab_size": 151936,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 22016,
    "max_position_embeddings": 32768,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
}


def read_qwen2(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Qwen 2 describes: queries, keys and values have biases.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    config = replace(
        read_decoder(settings, "qwen2"), attention_bias=True, windows=_windows(settings)
    )
    return with_extra(config, settings)


def read_qwen3(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Qwen 3 describes: queries and keys are normalised.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, {**_DEFAULTS, "head_dim": 128})
    config = replace(
        read_decoder(settings, "qwen3"),
        attention_bias=settings.flag("attention_bias"),
        output_bias=settings.flag("attention_bias"),
        query_key_norm=True,
        windows=_windows(settings),
    )
    return with_extra(config, settings)


def _windows(settings: Settings) -> Windows:
    """The layers from `max_window_layers` on have windows, where windows are used at all."""
    first = settings.size("max_window_layers", least=0)
    settings.keep("max_window_layers")
    layers = range(settings.layers())
    return read_optional_windows(settings, [SLIDING if i >= first else FULL for i in layers])


def write_qwen2(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` of Qwen 2 for a shape."""
    return {**write_decoder(config), **write_optional_windows(config)}


def write_qwen3(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` of Qwen 3 for a shape."""
    return {**write_qwen2(config), "attention_bias": config.attention_bias}


QWEN2 = decoder_family(
    "qwen2",
    read_qwen2,
    write_qwen2,
    classes("Qwen2"),
    prefixes={"question-answering": "transformer."},
)
QWEN3 = decoder_family(
    "qwen3",
    read_qwen3,
    write_qwen3,
    classes("Qwen3"),
    prefixes={"question-answering": "transformer."},
)
