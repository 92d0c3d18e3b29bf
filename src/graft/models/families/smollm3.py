"""SmolLM3 (Bakouch et al., 2025): Llama with layers that do without rotations."""

from dataclasses import replace
from typing import Any

from graft.errors import ModelError
from graft.models.config import Config
from graft.models.families.decoder import (
    DEFAULTS,
    FULL,
    SLIDING,
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
    "vocab_size": 128256,
    "hidden_size": 2048,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "intermediate_size": 11008,
    "max_position_embeddings": 32768,
    "rope_theta": 2_000_000.0,
    "no_rope_layer_interval": 4,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
    "pad_token_id": 128004,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of SmolLM3 describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    config = read_decoder(settings, "smollm3")
    turned = _rotary_layers(settings, config.layers)
    config = replace(
        config,
        attention_bias=settings.flag("attention_bias"),
        output_bias=settings.flag("attention_bias"),
        feed_forward_bias=settings.flag("mlp_bias"),
        rotary_layers=turned,
        windows=read_optional_windows(settings, [FULL if turns else SLIDING for turns in turned]),
    )
    return with_extra(config, settings)


def _rotary_layers(settings: Settings, layers: int) -> tuple[bool, ...]:
    """Whether each layer has rotations: 1 in `no_rope_layers`, or all but every so many."""
    said = settings.get("no_rope_layers")
    if said is None:
        every = settings.size("no_rope_layer_interval")
        settings.keep("no_rope_layer_interval")
        return tuple((layer + 1) % every != 0 for layer in range(layers))
    if not isinstance(said, list) or len(said) < layers or any(i not in (0, 1) for i in said):
        raise ModelError(f"no_rope_layers must be {layers} numbers, each 0 or 1.")
    return tuple(turns == 1 for turns in said[:layers])


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    turned = [int(config.rotary_of(layer) is not None) for layer in range(config.layers)]
    return {
        **write_decoder(config),
        **write_optional_windows(config),
        "no_rope_layers": turned,
        "attention_bias": config.attention_bias,
        "mlp_bias": config.feed_forward_bias,
    }


SMOLLM3 = decoder_family(
    "smollm3",
    read_config,
    write_config,
    classes("SmolLM3"),
    prefixes={"question-answering": "transformer."},
)
