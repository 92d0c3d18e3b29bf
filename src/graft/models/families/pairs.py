"""What BART and its relatives share: the names of settings and tensors of two stacks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graft.errors import ModelError
from graft.models.config import Classifier, Config, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import Settings, activation_name, with_extra

PAIR: dict[str, Any] = {
    "vocab_size": 50265,
    "d_model": 1024,
    "encoder_layers": 12,
    "decoder_layers": 12,
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "max_position_embeddings": 1024,
    "activation_function": "gelu",
    "scale_embedding": False,
    "dropout": 0.1,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "classifier_dropout": 0.0,
    "init_std": 0.02,
    "is_encoder_decoder": True,
    "is_decoder": False,
    "tie_word_embeddings": True,
    "share_encoder_decoder_embeddings": True,
}
"""What the ecosystem takes for settings that a `config.json` leaves out."""

NORM_EPS = 1e-5
"""Of all their normalisations: no file says another."""


def read_pair(settings: Settings, *, family: str, **chosen: Any) -> Config:
    """The shape of both stacks.

    Args:
        settings: Those of a `config.json`.
        family: Its `model_type`.
        chosen: What all models of the family have in common, by the names of `Config`.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings.only("is_encoder_decoder", True)
    settings.only("is_decoder", False)
    width, words = settings.size("d_model"), settings.size("vocab_size")
    tied, shared = (
        settings.flag(name) for name in ("tie_word_embeddings", "share_encoder_decoder_embeddings")
    )
    encoder = Config(
        family=family,
        vocab_size=words,
        hidden_size=width,
        max_positions=settings.size("max_position_embeddings"),
        embedding_scale=width**0.5 if settings.flag("scale_embedding") else 1.0,
        frozen_token=_padding(settings, words),
        shared_embedding=tied and shared,
        activation=settings.activation("activation_function"),
        dropout=settings.share("dropout"),
        attention_dropout=settings.share("attention_dropout"),
        activation_dropout=settings.share("activation_dropout"),
        head_dropout=settings.share("classifier_dropout"),
        init_std=settings.share("init_std"),
        classifier=Classifier("last", activation="tanh", dropout_before=True),
        vocabulary=Vocabulary(tied=tied, bias=True, fixed_bias=True),
        **_read_stack(settings, "encoder"),
        **chosen,
    )
    decoder = replace(
        encoder,
        vocab_size=_decoder_words(settings, words, shared),
        causal=True,
        cross=True,
        **_read_stack(settings, "decoder"),
    )
    return with_extra(replace(encoder, decoder=decoder), settings)


def _read_stack(settings: Settings, stack: str) -> dict[str, Any]:
    settings.heads("d_model", f"{stack}_attention_heads")
    return {
        "layers": settings.layers(f"{stack}_layers"),
        "heads": settings.size(f"{stack}_attention_heads"),
        "intermediate_size": settings.size(f"{stack}_ffn_dim"),
        "layer_dropout": settings.share(f"{stack}_layerdrop"),
    }


def _decoder_words(settings: Settings, words: int, shared: bool) -> int:
    given = settings.get("decoder_vocab_size")
    return words if shared or given is None else settings.size("decoder_vocab_size")


def _padding(settings: Settings, words: int) -> int | None:
    token = settings.get("pad_token_id")
    if token is None:
        return None
    if settings.size("pad_token_id", least=0) >= words:
        raise ModelError(f"pad_token_id is {token}, but there are {words} tokens, from 0 on.")
    return int(token)


def write_pair(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    decoder = config.decoder
    assert decoder is not None
    return {
        **config.extra,
        **config.special,
        **_write_stack(config, "encoder"),
        **_write_stack(decoder, "decoder"),
        "vocab_size": config.vocab_size,
        "d_model": config.hidden_size,
        "max_position_embeddings": config.max_positions,
        "activation_function": activation_name(
            config.extra, "activation_function", config.activation
        ),
        "scale_embedding": config.embedding_scale != 1.0,
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "classifier_dropout": config.head_dropout,
        "init_std": config.init_std,
        "is_encoder_decoder": True,
        # To the ecosystem, untied weights are untied of both stacks; where a file says more, the
        # head's own are found by their name.
        "tie_word_embeddings": config.vocabulary.tied or config.shared_embedding,
    }


def _write_stack(config: Config, stack: str) -> dict[str, Any]:
    return {
        f"{stack}_layers": config.layers,
        f"{stack}_attention_heads": config.heads,
        f"{stack}_ffn_dim": config.intermediate_size,
        f"{stack}_layerdrop": config.layer_dropout,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    assert config.decoder is not None
    names = {**_stack(config, "encoder"), **_stack(config.decoder, "decoder")}
    tokens = [f"{stack}.embed_tokens.weight" for stack in ("encoder", "decoder")]
    if config.shared_embedding:
        shared = Stored(("shared.weight",), copies=tuple(tokens))
        return {**names, "encoder.embeddings.tokens.weight": shared}
    for stack, theirs in zip(("encoder", "decoder"), tokens, strict=True):
        names |= one(f"{stack}.embeddings.tokens.weight", theirs)
    return names


def _stack(config: Config, stack: str) -> dict[str, Stored]:
    names = {
        **one(f"{stack}.embeddings.positions.weight", f"{stack}.embed_positions.weight"),
        **both(f"{stack}.embeddings.norm", f"{stack}.layernorm_embedding"),
        **both(f"{stack}.norm", f"{stack}.layer_norm"),
    }
    for layer in range(config.layers):
        ours, theirs = f"{stack}.blocks.{layer}", f"{stack}.layers.{layer}"
        own, cross = f"{theirs}.self_attn", f"{theirs}.encoder_attn"
        names |= both(f"{ours}.attention.qkv", *(f"{own}.{part}_proj" for part in "qkv"))
        names |= both(f"{ours}.attention.output", f"{own}.out_proj")
        names |= both(f"{ours}.attention_norm", f"{own}_layer_norm")
        names |= both(f"{ours}.cross.query", f"{cross}.q_proj")
        names |= both(f"{ours}.cross.keys_values", f"{cross}.k_proj", f"{cross}.v_proj")
        names |= both(f"{ours}.cross.output", f"{cross}.out_proj")
        names |= both(f"{ours}.cross_norm", f"{cross}_layer_norm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.fc1")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.fc2")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.final_layer_norm")
    return names


def _writer(config: Config) -> TensorNames:
    bias = Stored(("final_logits_bias",), shape=(1, config.answering.vocab_size))
    return {**one("weight", "lm_head.weight"), "bias": bias}


def _classifier(_: Config) -> TensorNames:
    return {
        **both("pool", "classification_head.dense"),
        **both("classify", "classification_head.out_proj"),
    }


_HEADS: dict[str, Callable[[Config], TensorNames]] = {
    "text2text-generation": _writer,
    "text-classification": _classifier,
    "question-answering": lambda _: both("classify", "qa_outputs"),
}


def pair_family(
    name: str,
    classes: dict[str | None, str],
    read_config: Callable[[dict[str, Any]], Config],
    write_config: Callable[[Config], dict[str, Any]] = write_pair,
) -> Family:
    """A family whose files have these names.

    Args:
        name: Its `model_type`.
        classes: The class the ecosystem loads each task with; None: the body alone.
        read_config: See `Family`.
        write_config: See `Family`.
    """
    return Family(
        name=name,
        read_config=read_config,
        write_config=write_config,
        body=body,
        heads={task: names for task, names in _HEADS.items() if task in classes},
        prefix="model.",
        architectures=classes,
        ignored=(
            "shared.weight",
            "embed_tokens.weight",
            "embed_positions.weight",
            "lm_head.weight",
            "final_logits_bias",
        ),
    )
