"""Gemma 1, 2 and 3, texts alone (Gemma Team, 2024 and 2025)."""

from dataclasses import replace
from typing import Any, Literal

from graft.models.config import Config, Rotary
from graft.models.families.decoder import (
    DEFAULTS,
    FULL,
    SLIDING,
    classes,
    decoder_family,
    read_decoder,
    read_windows,
    write_decoder,
    write_windows,
)
from graft.models.families.rotations import make_rotary, write_rotary
from graft.models.families.settings import Settings, with_extra

_DEFAULTS: dict[str, Any] = {
    **DEFAULTS,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh",
    "head_dim": 256,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
_DEFAULTS_1: dict[str, Any] = {
    **_DEFAULTS,
    "vocab_size": 256000,
    "hidden_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "intermediate_size": 24576,
    "max_position_embeddings": 8192,
}
_DEFAULTS_2: dict[str, Any] = {
    **_DEFAULTS,
    "vocab_size": 256000,
    "hidden_size": 2304,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "intermediate_size": 9216,
    "max_position_embeddings": 8192,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "final_logit_softcapping": 30.0,
    "attn_logit_softcapping": 50.0,
}
_DEFAULTS_3: dict[str, Any] = {
    **_DEFAULTS_2,
    "vocab_size": 262208,
    "max_position_embeddings": 131072,
    "final_logit_softcapping": None,
    "attn_logit_softcapping": None,
    "use_bidirectional_attention": False,
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
    "sliding_window_pattern": 6,
}


def read_gemma1(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Gemma describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS_1)
    settings.only("use_bidirectional_attention", None, False)
    settings.keep("use_bidirectional_attention")
    config = _read(settings, "gemma", "hidden_act", "before")
    if config.activation == "gelu":  # what the first files say for the one they mean
        config = replace(config, activation="gelu_tanh")
    return with_extra(config, settings)


def read_gemma2(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Gemma 2 describes.

    Scores and logits are capped, and every other layer has a window.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS_2)
    settings.only("use_bidirectional_attention", None, False)
    settings.keep("use_bidirectional_attention")
    config = replace(
        _read(settings, "gemma2", "hidden_activation", "around"),
        attention_scale=settings.number("query_pre_attn_scalar") ** -0.5,
        score_cap=settings.number_or_none("attn_logit_softcapping"),
        windows=read_windows(settings, _pattern(settings, 2)),
    )
    return with_extra(_capped(config, settings), settings)


def read_gemma3(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Gemma 3, or of EmbeddingGemma, describes.

    Queries and keys are normalised. Most layers have a window, and rotations of their own.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS_3)
    # The ecosystem's own code passes this cap over, and no published model has it.
    settings.only("attn_logit_softcapping", None)
    both_ways = settings.flag("use_bidirectional_attention")
    windows = read_windows(settings, _pattern(settings, settings.size("sliding_window_pattern")))
    settings.keep("sliding_window_pattern")
    if both_ways:  # the size is that of both sides together
        windows = tuple(None if window is None else (window + 1) // 2 for window in windows)
    rotary, local = _rotations(settings)
    config = replace(
        _read(settings, "gemma3_text", "hidden_activation", "around", rotary),
        local_rotary=local,
        causal=not both_ways,
        query_key_norm=True,
        attention_scale=settings.number("query_pre_attn_scalar") ** -0.5,
        windows=windows,
    )
    return with_extra(_capped(config, settings), settings)


def _read(
    settings: Settings,
    family: str,
    activation: str,
    place: Literal["before", "around"],
    rotary: Rotary | None = None,
) -> Config:
    """What all three have: wide embeddings, and norms whose weights are stored around zero."""
    config = read_decoder(settings, family, activation, rotary)
    return replace(
        config,
        embedding_scale=config.hidden_size**0.5,
        norm=replace(config.norm, place=place, offset=1.0),
        attention_bias=settings.flag("attention_bias"),
        output_bias=settings.flag("attention_bias"),
    )


def _pattern(settings: Settings, every: int) -> list[str]:
    """Windows in all layers but every so many."""
    layers = range(1, settings.layers() + 1)
    return [SLIDING if layer % every else FULL for layer in layers]


def _capped(config: Config, settings: Settings) -> Config:
    cap = settings.number_or_none("final_logit_softcapping")
    return replace(config, vocabulary=replace(config.vocabulary, cap=cap))


def _rotations(settings: Settings) -> tuple[Rotary, Rotary]:
    """Those of layers that see all, and of layers with a window."""
    parts = settings.table("rope_parameters")
    size = settings.size("head_dim")
    local = parts.get(SLIDING) or {}
    full = parts.get(FULL) or {}
    scaling = settings.table("rope_scaling")  # of older files, for the first alone
    if scaling:
        full = {**full, **scaling} if isinstance(full, dict) else scaling
    return (
        make_rotary(settings, full, "rope_theta", size),
        make_rotary(settings, local, "rope_local_base_freq", size),
    )


def write_gemma1(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` of Gemma for a shape."""
    return {**write_decoder(config), "attention_bias": config.attention_bias}


def write_gemma2(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` of Gemma 2 for a shape."""
    return {
        **write_decoder(config, "hidden_activation"),
        **write_windows(config),
        "attention_bias": config.attention_bias,
        "query_pre_attn_scalar": round(config.scale**-2),
        "attn_logit_softcapping": config.score_cap,
        "final_logit_softcapping": config.vocabulary.cap,
    }


def write_gemma3(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` of Gemma 3 for a shape."""
    assert config.rotary is not None
    local = config.local_rotary or config.rotary
    raw = {
        **write_gemma2(config),
        "use_bidirectional_attention": not config.causal,
        "rope_parameters": {FULL: write_rotary(config.rotary), SLIDING: write_rotary(local)},
        "rope_local_base_freq": local.theta,
    }
    if not config.causal and config.windows:
        raw["sliding_window"] = 2 * max(window for window in config.windows if window is not None)
    return raw


GEMMA = decoder_family("gemma", read_gemma1, write_gemma1, classes("Gemma", "question-answering"))
GEMMA2 = decoder_family(
    "gemma2", read_gemma2, write_gemma2, classes("Gemma2", "question-answering")
)
GEMMA3 = decoder_family(
    "gemma3_text",
    read_gemma3,
    write_gemma3,
    {
        None: "Gemma3TextModel",
        "text-generation": "Gemma3ForCausalLM",
        "text-classification": "Gemma3TextForSequenceClassification",
    },
)
