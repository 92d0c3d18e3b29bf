"""ALBERT (Lan et al., 2019): layers share their weights, and narrow embeddings are widened."""

from typing import Any

from graft.models.config import Config
from graft.models.families import bert
from graft.models.families.bert import classes, labelled, masked
from graft.models.families.family import Family, TensorNames, both
from graft.models.families.settings import Settings

_DEFAULTS = bert.DEFAULTS | {
    "vocab_size": 30000,
    "embedding_size": 128,
    "hidden_size": 4096,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "num_attention_heads": 64,
    "intermediate_size": 16384,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout_prob": 0.1,
    "bos_token_id": 2,
    "eos_token_id": 3,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of ALBERT describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    turns, size = settings.layers(), settings.size("inner_group_num")
    return bert.read_encoder(
        settings,
        "albert",
        segments=settings.size("type_vocab_size"),
        embedding_size=settings.size("embedding_size"),
        layers=turns * size,
        groups=settings.size("num_hidden_groups"),
        group_size=size,
        feed_forward_dropout=0.0,  # the ecosystem's ALBERT has none there
        head_dropout=settings.share("classifier_dropout_prob"),
    )


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    settings = bert.write_config(config)
    del settings["classifier_dropout"]
    return {
        **settings,
        "num_hidden_layers": config.layers // config.group_size,
        "num_hidden_groups": config.groups,
        "inner_group_num": config.group_size,
        "embedding_size": config.embedding_size,
        "classifier_dropout_prob": config.head_dropout,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **bert.embedding_names(),
        **both("embeddings.widen", "encoder.embedding_hidden_mapping_in"),
    }
    for layer in range(config.deciding_layers):
        group, place = divmod(layer, config.group_size)
        ours = f"blocks.{layer}"
        theirs = f"encoder.albert_layer_groups.{group}.albert_layers.{place}"
        parts = [f"{theirs}.attention.{part}" for part in ("query", "key", "value")]
        names |= both(f"{ours}.attention.qkv", *parts)
        names |= both(f"{ours}.attention.output", f"{theirs}.attention.dense")
        names |= both(f"{ours}.attention_norm", f"{theirs}.attention.LayerNorm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.ffn")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.ffn_output")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.full_layer_layer_norm")
    return names


ALBERT = Family(
    name="albert",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": labelled(("pool", "albert.pooler"), ("classify", "classifier")),
        "token-classification": labelled(("classify", "classifier")),
        "question-answering": labelled(("classify", "qa_outputs")),
        "fill-mask": masked(
            "predictions.dense",
            "predictions.LayerNorm",
            "predictions.decoder",
            "predictions.bias",
        ),
    },
    prefix="albert.",
    architectures=classes("Albert"),
    ignored=("embeddings.position_ids",),
)
