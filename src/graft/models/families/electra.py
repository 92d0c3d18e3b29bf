"""ELECTRA (Clark et al., 2020): its discriminator, and its generator for masked words."""

from typing import Any

from graft.models.config import Classifier, Config
from graft.models.families import bert
from graft.models.families.bert import classes, labelled, masked, masked_vocabulary
from graft.models.families.family import Family, TensorNames, both
from graft.models.families.settings import Settings

_DEFAULTS = bert.DEFAULTS | {
    "embedding_size": 128,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of ELECTRA describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    width = settings.size("embedding_size")
    return bert.read_encoder(
        settings,
        "electra",
        segments=settings.size("type_vocab_size"),
        embedding_size=None if width == settings.size("hidden_size") else width,
        classifier=Classifier("first", activation="gelu", dropout_before=True),
        vocabulary=masked_vocabulary(settings, "gelu"),
    )


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    width = config.embedding_size or config.hidden_size
    return {**bert.write_config(config), "embedding_size": width}


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    return {**bert.body(config), **both("embeddings.widen", "embeddings_project")}


ELECTRA = Family(
    name="electra",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": labelled(
            ("pool", "classifier.dense"), ("classify", "classifier.out_proj")
        ),
        "token-classification": labelled(("classify", "classifier")),
        "question-answering": labelled(("classify", "qa_outputs")),
        "fill-mask": masked(
            "generator_predictions.dense",
            "generator_predictions.LayerNorm",
            "generator_lm_head",
            "generator_lm_head.bias",
        ),
        "replaced-token-detection": labelled(
            ("dense", "discriminator_predictions.dense"),
            ("replaced", "discriminator_predictions.dense_prediction"),
        ),
    },
    prefix="electra.",
    architectures={**classes("Electra"), "replaced-token-detection": "ElectraForPreTraining"},
    ignored=("embeddings.position_ids",),
)
