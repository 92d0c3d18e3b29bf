"""MPNet (Song et al., 2020): learned positions, and biases of distances that layers share."""

from typing import Any

from graft.models.config import Classifier, Config, RelativeBias
from graft.models.families import bert, roberta
from graft.models.families.bert import classes, masked_vocabulary
from graft.models.families.family import Family, TensorNames, both, one
from graft.models.families.settings import Settings

_BUCKETS = 32
_FIRST_POSITION = 2  # whatever the id of padding is
_DEFAULTS = bert.DEFAULTS | {
    "vocab_size": 30527,
    "relative_attention_num_buckets": _BUCKETS,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of MPNet describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.only("relative_attention_num_buckets", _BUCKETS)
    return bert.read_encoder(
        settings,
        "mpnet",
        relative=RelativeBias(_BUCKETS, max_distance=128),
        classifier=Classifier("first", activation="tanh", dropout_before=True),
        vocabulary=masked_vocabulary(settings, "gelu"),
        head_dropout=None,
        **roberta.places_after(settings, _FIRST_POSITION),
    )


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    settings = bert.write_encoder(config)
    del settings["classifier_dropout"]
    return {**settings, "relative_attention_num_buckets": _BUCKETS}


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **bert.embedding_names(),
        **one("relative.weight", "encoder.relative_attention_bias.weight"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}.attention"
        names |= both(f"{ours}.attention.qkv", *(f"{theirs}.attn.{part}" for part in "qkv"))
        names |= both(f"{ours}.attention.output", f"{theirs}.attn.o")
        names |= both(f"{ours}.attention_norm", f"{theirs}.LayerNorm")
        names |= bert.feed_forward_names(layer)
    return names


MPNET = Family(
    name="mpnet",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads=roberta.HEADS,
    prefix="mpnet.",
    architectures=classes("MPNet"),
    ignored=("embeddings.position_ids",),
)
