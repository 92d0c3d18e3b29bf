"""DeBERTa-v2 and v3 (He et al., 2020; He et al., 2021): contents and positions attend apart."""

from typing import Any

from graft.errors import ModelError
from graft.models.config import Classifier, Config, Convolution, Disentangled, Norm, Vocabulary
from graft.models.families.bert import classes, labelled, masked
from graft.models.families.family import Family, TensorNames, both, one
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 128100,
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "intermediate_size": 6144,
    "max_position_embeddings": 512,
    "type_vocab_size": 0,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-7,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "pooler_dropout": 0.0,
    "pooler_hidden_act": "gelu",
    "cls_dropout": None,
    "initializer_range": 0.02,
    "position_biased_input": True,
    "relative_attention": False,
    "max_relative_positions": -1,
    "position_buckets": -1,
    "pos_att_type": (),
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "conv_kernel_size": 0,
    "conv_groups": 1,
    "conv_act": "tanh",
    "tie_word_embeddings": True,
    "pad_token_id": 0,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of DeBERTa-v2 describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.heads("hidden_size", "num_attention_heads")
    hidden, heads = settings.size("hidden_size"), settings.size("num_attention_heads")
    _check_widths(raw, hidden, heads)
    wide = raw.get("embedding_size") is None or settings.size("embedding_size") == hidden
    ways = _ways(settings)
    cls_dropout = settings.get("cls_dropout")
    pooler_dropout = settings.share("pooler_dropout")
    activation = settings.activation("hidden_act")
    config = Config(
        family="deberta-v2",
        vocab_size=settings.size("vocab_size"),
        hidden_size=hidden,
        embedding_size=None if wide else settings.size("embedding_size"),
        widen_first=not wide,
        layers=settings.layers(),
        heads=heads,
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        positions="learned" if settings.flag("position_biased_input") else "none",
        segments=settings.size("type_vocab_size", 0),
        activation=activation,
        norm=Norm("layer", "after", settings.share("layer_norm_eps")),
        # Each way to attend adds scores of the same size.
        attention_scale=(hidden // heads * (1 + len(ways))) ** -0.5,
        disentangled=_disentangled(settings, ways),
        convolution=_convolution(settings),
        dropout=settings.share("hidden_dropout_prob"),
        attention_dropout=settings.share("attention_probs_dropout_prob"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier(
            activation=settings.activation("pooler_hidden_act"),
            dropout_before=pooler_dropout > 0,
            share_before=pooler_dropout,
            share=None if cls_dropout is None else settings.share("cls_dropout"),
        ),
        vocabulary=Vocabulary(
            dense=True,
            activation=activation,
            bias=True,
            # The newer head has no weights of its own.
            tied=settings.flag("tie_word_embeddings") or not raw.get("legacy", True),
        ),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        **({"embedding_size": config.embedding_size} if config.embedding_size else {}),
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "position_biased_input": config.positions == "learned",
        "type_vocab_size": config.segments,
        "hidden_act": activation_name(config.extra, "hidden_act", config.activation),
        "layer_norm_eps": config.norm.eps,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "pooler_dropout": config.classifier.share_before or 0.0,
        "pooler_hidden_act": activation_name(
            config.extra, "pooler_hidden_act", config.classifier.activation
        ),
        "pooler_hidden_size": config.hidden_size,
        **({} if config.classifier.share is None else {"cls_dropout": config.classifier.share}),
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
        **_written_positions(config),
        **_written_convolution(config),
    }


def _check_widths(raw: dict[str, Any], hidden: int, heads: int) -> None:
    """Refuses widths that files may state, but that only fit where they are the usual ones."""
    for name, usual in (("attention_head_size", hidden // heads), ("pooler_hidden_size", hidden)):
        if raw.get(name) not in (None, usual):
            raise ModelError(f"{name} {raw[name]!r} of deberta-v2 is not supported, only {usual}.")


def _ways(settings: Settings) -> list[str]:
    """How positions take part: "c2p", "p2c", both or none."""
    given = settings.get("pos_att_type")
    ways = [way.strip() for way in given.lower().split("|")] if isinstance(given, str) else given
    for way in ways if isinstance(ways, list | tuple) else [given]:
        if way not in ("c2p", "p2c"):
            raise ModelError(f"pos_att_type {way!r} of deberta-v2 is not supported.")
    return sorted(set(ways))


def _disentangled(settings: Settings, ways: list[str]) -> Disentangled | None:
    farthest = settings.size("max_relative_positions", -1)
    if farthest < 1:
        farthest = settings.size("max_position_embeddings")
    buckets = settings.size("position_buckets", -1)
    shared, norm = settings.flag("share_att_key"), settings.get("norm_rel_ebd")
    if not isinstance(norm, str):
        raise ModelError(f"norm_rel_ebd is {norm!r}, not a name, or several with | between them.")
    if not settings.flag("relative_attention"):
        return None
    if buckets > 0 and not 1 < buckets // 2 < farthest - 1:
        raise ModelError(
            f"position_buckets {buckets} of deberta-v2 must be 4 or more, and half of it below "
            f"max_relative_positions {farthest} - 1."
        )
    return Disentangled(
        span=buckets if buckets > 0 else farthest,
        farthest=farthest if buckets > 0 else None,
        content_to_position="c2p" in ways,
        position_to_content="p2c" in ways,
        shared=shared,
        norm="layer_norm" in [part.strip() for part in norm.lower().split("|")],
    )


def _written_positions(config: Config) -> dict[str, Any]:
    shape = config.disentangled
    if shape is None:
        # The scale of the scores tells how many ways there are, and which makes no difference.
        scale = 1 / (config.scale**2 * config.width_of_head)
        return {"relative_attention": False, "pos_att_type": ["p2c", "c2p"][: round(scale) - 1]}
    farthest = shape.farthest or shape.span
    ways = {"p2c": shape.position_to_content, "c2p": shape.content_to_position}
    return {
        "relative_attention": True,
        "max_relative_positions": -1 if farthest == config.max_positions else farthest,
        "position_buckets": shape.span if shape.farthest else -1,
        "pos_att_type": [way for way, there in ways.items() if there],
        "share_att_key": shape.shared,
        "norm_rel_ebd": "layer_norm" if shape.norm else "none",
    }


def _convolution(settings: Settings) -> Convolution | None:
    kernel, activation = settings.size("conv_kernel_size", 0), settings.activation("conv_act")
    groups = settings.size("conv_groups")
    if not kernel:
        return None
    if kernel % 2 == 0:
        raise ModelError(f"conv_kernel_size is {kernel}; it must be an odd number.")
    if settings.size("hidden_size") % groups:
        raise ModelError(f"conv_groups {groups} do not divide hidden_size.")
    return Convolution(kernel, groups, activation)


def _written_convolution(config: Config) -> dict[str, Any]:
    shape = config.convolution
    if shape is None:
        return {}
    return {
        "conv_kernel_size": shape.kernel,
        "conv_groups": shape.groups,
        "conv_act": activation_name(config.extra, "conv_act", shape.activation),
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **one("embeddings.tokens.weight", "embeddings.word_embeddings.weight"),
        **one("embeddings.positions.weight", "embeddings.position_embeddings.weight"),
        **one("embeddings.segments.weight", "embeddings.token_type_embeddings.weight"),
        **one("embeddings.widen.weight", "embeddings.embed_proj.weight"),
        **both("embeddings.norm", "embeddings.LayerNorm"),
        **one("places.weight", "encoder.rel_embeddings.weight"),
        **both("places.norm", "encoder.LayerNorm"),
        **both("blocks.0.convolution.mix", "encoder.conv.conv"),
        **both("blocks.0.convolution.norm", "encoder.conv.LayerNorm"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}"
        attention = f"{theirs}.attention.self"
        parts = [f"{attention}.{part}_proj" for part in ("query", "key", "value")]
        names |= both(f"{ours}.attention.qkv", *parts)
        names |= both(f"{ours}.attention.places.key", f"{attention}.pos_key_proj")
        names |= both(f"{ours}.attention.places.query", f"{attention}.pos_query_proj")
        names |= both(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        names |= both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.intermediate.dense")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.output.dense")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm")
    return names


_LEGACY, _NEW = "cls.predictions", "lm_predictions.lm_head"


def _masked(config: Config) -> TensorNames:
    """Two names for the same head: the ecosystem's first, and the one of DeBERTa's authors."""
    if not config.extra.get("legacy", True):
        return {
            **both("dense", f"{_NEW}.dense"),
            **both("norm", f"{_NEW}.LayerNorm"),
            **one("bias", f"{_NEW}.bias"),
        }
    transform = f"{_LEGACY}.transform"
    return masked(
        f"{transform}.dense", f"{transform}.LayerNorm", f"{_LEGACY}.decoder", f"{_LEGACY}.bias"
    )(config)


DEBERTA = Family(
    name="deberta-v2",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": labelled(("pool", "pooler.dense"), ("classify", "classifier")),
        "token-classification": labelled(("classify", "classifier")),
        "question-answering": labelled(("classify", "qa_outputs")),
        "fill-mask": _masked,
    },
    prefix="deberta.",
    architectures=classes("DebertaV2"),
    aliases={
        f"{_NEW}.{theirs}": f"{_LEGACY}.{ours}"
        for theirs, ours in (
            ("dense.weight", "transform.dense.weight"),
            ("dense.bias", "transform.dense.bias"),
            ("LayerNorm.weight", "transform.LayerNorm.weight"),
            ("LayerNorm.bias", "transform.LayerNorm.bias"),
            ("bias", "bias"),
        )
    },
    ignored=(
        "embeddings.position_ids",
        "embeddings.position_embeddings.weight",  # of v3, which files keep but do not read
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    ),
)
