"""BERT (Devlin et al., 2018), and the many encoders of its architecture, MiniLM among them."""

from typing import Any

from graft.errors import ModelError
from graft.models.config import Activation, Config
from graft.models.families.family import Family, TensorNames

_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "segments": "type_vocab_size",
    "norm_eps": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "init_std": "initializer_range",
}
_DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
}
_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}


def _read_config(raw: dict[str, Any]) -> Config:
    positions = raw.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise ModelError(f"position_embedding_type {positions!r} of BERT is not supported.")
    if raw.get("is_decoder"):
        raise ModelError("is_decoder: a BERT that generates text is not supported.")
    activation = raw.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise ModelError(f"hidden_act {activation!r} is not one of {', '.join(_ACTIVATIONS)}.")
    values = {ours: _value(raw, theirs) for ours, theirs in _FIELDS.items()}
    if values["hidden_size"] % values["heads"]:
        raise ModelError(
            f"hidden_size {values['hidden_size']} is not a multiple of "
            f"num_attention_heads {values['heads']}."
        )
    known = {*_FIELDS.values(), "hidden_act", "architectures", "model_type"}
    return Config(
        family="bert",
        activation=_ACTIVATIONS[activation],
        extra={key: value for key, value in raw.items() if key not in known},
        **values,
    )


def _value(raw: dict[str, Any], name: str) -> Any:
    """A size, which is a whole number, or a share: of the kind that the default is."""
    default = _DEFAULTS[name]
    value = raw.get(name, default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, int) and not (number and value == int(value) > 0):
        raise ModelError(f"{name} is {value!r}, not a whole number above zero.")
    if isinstance(default, float) and not (number and 0 <= value < 1):
        raise ModelError(f"{name} is {value!r}, not a number from 0 to below 1.")
    return type(default)(value)


def _write_config(config: Config) -> dict[str, Any]:
    activation = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
    return {
        **config.extra,
        **{theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()},
        "hidden_act": activation[config.activation],
    }


def _both(ours: str, *theirs: str) -> dict[str, tuple[str, ...]]:
    """The weight and the bias of one layer."""
    return {
        f"{ours}.{kind}": tuple(f"{name}.{kind}" for name in theirs) for kind in ("weight", "bias")
    }


def _body(config: Config) -> TensorNames:
    names: dict[str, tuple[str, ...]] = {
        "embeddings.tokens.weight": ("embeddings.word_embeddings.weight",),
        "embeddings.positions.weight": ("embeddings.position_embeddings.weight",),
        "embeddings.segments.weight": ("embeddings.token_type_embeddings.weight",),
        **_both("embeddings.norm", "embeddings.LayerNorm"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        names |= _both(f"{ours}.attention.qkv", *parts)
        names |= _both(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        names |= _both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        names |= _both(f"{ours}.feed_forward.up", f"{theirs}.intermediate.dense")
        names |= _both(f"{ours}.feed_forward.down", f"{theirs}.output.dense")
        names |= _both(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm")
    return names


BERT = Family(
    name="bert",
    read_config=_read_config,
    write_config=_write_config,
    body=_body,
    heads={
        "text-classification": {
            **_both("pool", "bert.pooler.dense"),
            **_both("classify", "classifier"),
        }
    },
    prefix="bert.",
    architectures={
        None: "BertModel",
        "text-classification": "BertForSequenceClassification",
    },
    aliases={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
)
