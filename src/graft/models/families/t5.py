"""T5 (Raffel et al., 2019), its later versions and Flan, and mT5 (Xue et al., 2020)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graft.errors import ModelError
from graft.models.config import Activation, Classifier, Config, Norm, RelativeBias, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import ACTIVATIONS, Settings, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
    "n_positions": 512,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "feed_forward_proj": "relu",
    "layer_norm_epsilon": 1e-6,
    "dropout_rate": 0.1,
    "classifier_dropout": 0.0,
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "is_decoder": False,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
_GATED_GELU = "gated-gelu"
_MT5_DEFAULTS: dict[str, Any] = {
    **_DEFAULTS,
    "vocab_size": 250112,
    "d_ff": 1024,
    "num_layers": 8,
    "num_heads": 6,
    "feed_forward_proj": _GATED_GELU,
    "decoder_start_token_id": 0,
}


def read_t5(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of T5 describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    # The first version scaled what its tied head reads; later ones, which are untied, do not.
    scaled = settings.flag("tie_word_embeddings")
    if settings.get("scale_decoder_outputs") is not None:
        scaled = settings.flag("scale_decoder_outputs")
    return _read(settings, "t5", settings.size("d_model") ** -0.5 if scaled else 1.0)


def read_mt5(raw: dict[str, Any]) -> Config:
    """The same of mT5, which never scales.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    return _read(Settings(raw, _MT5_DEFAULTS), "mt5", 1.0)


def _read(settings: Settings, family: str, head_scale: float) -> Config:
    settings.only("is_decoder", False)
    width, dropout = settings.size("d_model"), settings.share("dropout_rate")
    gated, activation = _feed_forward(settings)
    encoder = Config(
        family=family,
        vocab_size=settings.size("vocab_size"),
        hidden_size=width,
        layers=settings.layers("num_layers"),
        heads=settings.size("num_heads"),
        head_size=settings.size("d_kv"),
        intermediate_size=settings.size("d_ff"),
        max_positions=settings.size("n_positions"),
        positions="none",
        embedding_norm=False,
        norm=Norm("rms", "before", settings.share("layer_norm_epsilon")),
        final_norm=True,
        activation=activation,
        gated=gated,
        attention_bias=False,
        output_bias=False,
        feed_forward_bias=False,
        attention_scale=1.0,
        relative=_relative(settings),
        dropout=dropout,
        attention_dropout=dropout,
        activation_dropout=dropout,
        final_dropout=dropout,
        head_dropout=settings.share("classifier_dropout"),
        init_std=settings.number("initializer_factor") * width**-0.5,
        classifier=Classifier("last", activation="tanh", dropout_before=True),
        vocabulary=Vocabulary(tied=settings.flag("tie_word_embeddings"), scale=head_scale),
    )
    return with_extra(replace(encoder, decoder=_read_decoder(settings, encoder)), settings)


def _read_decoder(settings: Settings, encoder: Config) -> Config | None:
    """The decoder; None where the encoder is kept alone."""
    if not settings.flag("is_encoder_decoder"):
        return None
    layers = encoder.layers
    if settings.get("num_decoder_layers") is not None:
        layers = settings.layers("num_decoder_layers")
    assert encoder.relative is not None
    relative = replace(encoder.relative, both_ways=False)
    return replace(encoder, layers=layers, causal=True, cross=True, relative=relative)


def _relative(settings: Settings) -> RelativeBias:
    buckets = settings.size("relative_attention_num_buckets", least=4)
    farthest = settings.size("relative_attention_max_distance", least=buckets // 2 + 1)
    return RelativeBias(buckets, farthest)


def _feed_forward(settings: Settings) -> tuple[bool, Activation]:
    """Whether the activation gates, and which it is."""
    value = settings.get("feed_forward_proj")
    kind, _, name = str(value).rpartition("-")
    if kind not in ("", "gated") or name not in ACTIVATIONS:
        raise ModelError(
            f"feed_forward_proj {value!r} is not an activation ({', '.join(ACTIVATIONS)}), nor "
            'one after "gated-".'
        )
    # What T5's files call a gated GELU is the approximation.
    return kind == "gated", "gelu_tanh" if value == _GATED_GELU else ACTIVATIONS[name]


def write_t5(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {**write_mt5(config), "scale_decoder_outputs": config.answering.vocabulary.scale != 1.0}


def write_mt5(config: Config) -> dict[str, Any]:
    """The same for mT5."""
    assert config.relative is not None
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "d_model": config.hidden_size,
        "d_kv": config.width_of_head,
        "d_ff": config.intermediate_size,
        "num_layers": config.layers,
        "num_heads": config.heads,
        "n_positions": config.max_positions,
        "relative_attention_num_buckets": config.relative.buckets,
        "relative_attention_max_distance": config.relative.max_distance,
        "feed_forward_proj": _feed_forward_name(config),
        "layer_norm_epsilon": config.norm.eps,
        "dropout_rate": config.dropout,
        "classifier_dropout": config.head_dropout,
        "initializer_factor": round(config.init_std * config.hidden_size**0.5, 12),
        "tie_word_embeddings": config.vocabulary.tied,
        "is_encoder_decoder": config.decoder is not None,
        **({} if config.decoder is None else {"num_decoder_layers": config.decoder.layers}),
    }


def _feed_forward_name(config: Config) -> str:
    name = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation)
    if not config.gated:
        return name
    return _GATED_GELU if config.activation == "gelu_tanh" else f"gated-{name}"


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    copies = tuple(f"{stack}.embed_tokens.weight" for stack in ("encoder", "decoder"))
    shared = Stored(("shared.weight",), copies=copies)
    if config.decoder is None:
        return {"embeddings.tokens.weight": shared, **_stack(config, "", "encoder")}
    return {
        "encoder.embeddings.tokens.weight": shared,
        **_stack(config, "encoder.", "encoder"),
        **_stack(config.decoder, "decoder.", "decoder"),
    }


def _stack(config: Config, ours: str, theirs: str) -> dict[str, Stored]:
    first = f"{theirs}.block.0.layer.0.SelfAttention"
    names = {
        **one(f"{ours}norm.weight", f"{theirs}.final_layer_norm.weight"),
        **one(f"{ours}relative.weight", f"{first}.relative_attention_bias.weight"),
    }
    for layer in range(config.layers):
        names |= _block(config, f"{ours}blocks.{layer}", f"{theirs}.block.{layer}.layer")
    return names


def _block(config: Config, ours: str, theirs: str) -> dict[str, Stored]:
    """A block's sublayers are numbered: attention, that to the encoder in a decoder, the rest."""
    own, cross, last = f"{theirs}.0", f"{theirs}.1", f"{theirs}.{1 + config.cross}"
    dense = f"{last}.DenseReluDense"
    ups = [f"{dense}.{name}.weight" for name in (("wi_0", "wi_1") if config.gated else ("wi",))]
    qkv, kv = (
        tuple(f"{attention}.{part}.weight" for part in parts)
        for attention, parts in (
            (f"{own}.SelfAttention", "qkv"),
            (f"{cross}.EncDecAttention", "kv"),
        )
    )
    return {
        f"{ours}.attention.qkv.weight": Stored(qkv),
        **one(f"{ours}.attention.output.weight", f"{own}.SelfAttention.o.weight"),
        **one(f"{ours}.attention_norm.weight", f"{own}.layer_norm.weight"),
        **one(f"{ours}.cross.query.weight", f"{cross}.EncDecAttention.q.weight"),
        f"{ours}.cross.keys_values.weight": Stored(kv),
        **one(f"{ours}.cross.output.weight", f"{cross}.EncDecAttention.o.weight"),
        **one(f"{ours}.cross_norm.weight", f"{cross}.layer_norm.weight"),
        f"{ours}.feed_forward.up.weight": Stored(tuple(ups)),
        **one(f"{ours}.feed_forward.down.weight", f"{dense}.wo.weight"),
        **one(f"{ours}.feed_forward_norm.weight", f"{last}.layer_norm.weight"),
    }


def _classifier(_: Config) -> TensorNames:
    return {
        **both("pool", "classification_head.dense"),
        **both("classify", "classification_head.out_proj"),
    }


def _family(
    name: str,
    classes: str,
    read_config: Callable[[dict[str, Any]], Config],
    write_config: Callable[[Config], dict[str, Any]],
) -> Family:
    """T5 or mT5: their files have the same names.

    Args:
        name: The `model_type`.
        classes: What the names of the ecosystem's classes begin with.
        read_config: See `Family`.
        write_config: See `Family`.
    """
    return Family(
        name=name,
        read_config=read_config,
        write_config=write_config,
        body=body,
        heads={
            "text2text-generation": lambda _: one("weight", "lm_head.weight"),
            "text-classification": _classifier,
            "question-answering": lambda _: both("classify", "qa_outputs"),
            "token-classification": lambda _: both("classify", "classifier"),
        },
        prefix="transformer.",
        prefixes={"text2text-generation": "", "question-answering": ""},
        architectures={
            None: f"{classes}Model",
            "text2text-generation": f"{classes}ForConditionalGeneration",
            "text-classification": f"{classes}ForSequenceClassification",
            "question-answering": f"{classes}ForQuestionAnswering",
        },
        encoders={
            None: f"{classes}EncoderModel",
            "token-classification": f"{classes}ForTokenClassification",
        },
        ignored=(
            "embed_tokens.weight",
            "lm_head.weight",
            "EncDecAttention.relative_attention_bias.weight",
        ),
    )


T5 = _family("t5", "T5", read_t5, write_t5)
MT5 = _family("mt5", "MT5", read_mt5, write_mt5)
