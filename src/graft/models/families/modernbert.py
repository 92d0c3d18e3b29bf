"""ModernBERT (Warner et al., 2024): rotations, windows, gates, and no biases."""

from collections.abc import Mapping
from typing import Any

from graft.errors import ModelError
from graft.models.config import Classifier, Config, Norm, Rotary, Vocabulary
from graft.models.families.bert import classes, labelled, masked
from graft.models.families.family import Family, TensorNames, both, one
from graft.models.families.rotations import make_rotary, write_rotary
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "hidden_activation": "gelu",
    "max_position_embeddings": 8192,
    "initializer_range": 0.02,
    "norm_eps": 1e-5,
    "norm_bias": False,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "global_attn_every_n_layers": 3,
    "local_attention": 128,
    "global_rope_theta": 160_000.0,
    "local_rope_theta": 10_000.0,
    "embedding_dropout": 0.0,
    "mlp_bias": False,
    "mlp_dropout": 0.0,
    "decoder_bias": True,
    "classifier_pooling": "cls",
    "classifier_dropout": 0.0,
    "classifier_bias": False,
    "classifier_activation": "gelu",
    "tie_word_embeddings": True,
    "pad_token_id": 50283,
    "eos_token_id": 50282,
    "bos_token_id": 50281,
}
_LOCAL, _GLOBAL = "sliding_attention", "full_attention"
_POOLS = {"cls": "first", "mean": "mean"}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of ModernBERT describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.heads("hidden_size", "num_attention_heads")
    settings.only("classifier_pooling", *_POOLS)
    activation = settings.activation("classifier_activation")
    dense_bias = settings.flag("classifier_bias")
    attention_bias, dropout = settings.flag("attention_bias"), settings.share("attention_dropout")
    rotary, local_rotary = _rotations(settings)
    config = Config(
        family="modernbert",
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("hidden_size"),
        layers=settings.layers(),
        heads=settings.size("num_attention_heads"),
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        positions="none",
        rotary=rotary,
        local_rotary=local_rotary,
        windows=_windows(settings),
        norm=Norm(
            "layer",
            "before",
            settings.share("norm_eps"),
            bias=settings.flag("norm_bias"),
            first=False,
        ),
        final_norm=True,
        activation=settings.activation("hidden_activation"),
        gated=True,
        attention_bias=attention_bias,
        output_bias=attention_bias,
        feed_forward_bias=settings.flag("mlp_bias"),
        dropout=0.0,
        embedding_dropout=settings.share("embedding_dropout"),
        attention_dropout=dropout,
        output_dropout=dropout,
        activation_dropout=settings.share("mlp_dropout"),
        head_dropout=settings.share("classifier_dropout"),
        span_dropout=settings.share("classifier_dropout"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier(
            "mean" if settings.get("classifier_pooling") == "mean" else "first",
            activation=activation,
            dense_bias=dense_bias,
            norm=True,
            of_tokens=True,
        ),
        vocabulary=Vocabulary(
            dense=True,
            activation=activation,
            dense_bias=dense_bias,
            bias=settings.flag("decoder_bias"),
            tied=settings.flag("tie_word_embeddings"),
        ),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    assert config.rotary is not None
    local = config.local_rotary or config.rotary
    window = next((window for window in config.windows if window is not None), None)
    kinds = [_GLOBAL if window is None else _LOCAL for window in config.windows]
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "layer_types": kinds or [_GLOBAL] * config.layers,
        **({} if window is None else {"local_attention": _spelled(config, window)}),
        "rope_parameters": {_GLOBAL: write_rotary(config.rotary), _LOCAL: write_rotary(local)},
        # Readers of before `rope_parameters` look for these.
        "global_rope_theta": config.rotary.theta,
        "local_rope_theta": local.theta,
        "norm_eps": config.norm.eps,
        "norm_bias": config.norm.bias,
        "hidden_activation": activation_name(config.extra, "hidden_activation", config.activation),
        "attention_bias": config.attention_bias,
        "mlp_bias": config.feed_forward_bias,
        "embedding_dropout": config.embedding_dropout or 0.0,
        "attention_dropout": config.attention_dropout,
        "mlp_dropout": config.activation_dropout,
        "classifier_dropout": config.head_dropout or 0.0,
        "initializer_range": config.init_std,
        "classifier_pooling": "mean" if config.classifier.pool == "mean" else "cls",
        "classifier_bias": config.classifier.dense_bias,
        "classifier_activation": activation_name(
            config.extra, "classifier_activation", config.classifier.activation
        ),
        "decoder_bias": config.vocabulary.bias,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def _windows(settings: Settings) -> tuple[int | None, ...]:
    """Half of `local_attention` to each side in local layers; global ones see all."""
    layers, reach = settings.layers(), settings.size("local_attention") // 2
    kinds, every = settings.get("layer_types"), settings.size("global_attn_every_n_layers")
    settings.read -= {"local_attention", "global_attn_every_n_layers"}  # written back as they are
    if kinds is None:
        kinds = [_LOCAL if layer % every else _GLOBAL for layer in range(layers)]
    listed = isinstance(kinds, list) and len(kinds) == layers
    if not listed or any(kind not in (_LOCAL, _GLOBAL) for kind in kinds):
        raise ModelError(f"layer_types must be {layers} times {_GLOBAL!r} or {_LOCAL!r}.")
    return tuple(reach if kind == _LOCAL else None for kind in kinds)


def _spelled(config: Config, window: int) -> int:
    """`local_attention`: as the file has it where that means the same, as of odd numbers."""
    given = config.extra.get("local_attention")
    return given if isinstance(given, int) and given // 2 == window else 2 * window


def _rotations(settings: Settings) -> tuple[Rotary, Rotary]:
    """Those of global layers, and those of local ones."""
    head_size = settings.size("hidden_size") // settings.size("num_attention_heads")
    given = settings.get("rope_parameters") or {}
    scaling = settings.get("rope_scaling") or {}
    of_kind = [
        make_rotary(settings, {**_part(given, kind), **scaling}, theta, head_size)
        for kind, theta in ((_GLOBAL, "global_rope_theta"), (_LOCAL, "local_rope_theta"))
    ]
    return of_kind[0], of_kind[1]


def _part(given: Any, kind: str) -> Mapping[str, Any]:
    part = given.get(kind) if isinstance(given, Mapping) else given
    if part is not None and not isinstance(part, Mapping):
        raise ModelError(f"rope_parameters of {kind} are {part!r}, not settings by name.")
    return part or {}


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **one("embeddings.tokens.weight", "embeddings.tok_embeddings.weight"),
        **both("embeddings.norm", "embeddings.norm"),
        **both("norm", "final_norm"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"layers.{layer}"
        names |= both(f"{ours}.attention.qkv", f"{theirs}.attn.Wqkv")
        names |= both(f"{ours}.attention.output", f"{theirs}.attn.Wo")
        names |= both(f"{ours}.attention_norm", f"{theirs}.attn_norm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.mlp.Wi")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.mlp.Wo")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.mlp_norm")
    return names


_LABELS = labelled(("pool", "head.dense"), ("norm", "head.norm"), ("classify", "classifier"))

MODERNBERT = Family(
    name="modernbert",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": _LABELS,
        "token-classification": _LABELS,
        "question-answering": _LABELS,
        "fill-mask": masked("head.dense", "head.norm", "decoder", "decoder.bias"),
    },
    prefix="model.",
    architectures=classes("ModernBert"),
    ignored=("decoder.weight",),
)
