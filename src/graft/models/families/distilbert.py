"""DistilBERT (Sanh et al., 2019): BERT without segments, half as deep."""

from typing import Any

from graft.models.config import Classifier, Config, Norm
from graft.models.families.bert import (
    classes,
    embedding_names,
    labelled,
    masked,
    masked_vocabulary,
)
from graft.models.families.family import Family, TensorNames, both
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "n_layers": 6,
    "n_heads": 12,
    "dim": 768,
    "hidden_dim": 3072,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "activation": "gelu",
    "initializer_range": 0.02,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of DistilBERT describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.heads("dim", "n_heads")
    activation = settings.activation("activation")
    answers = settings.share("seq_classif_dropout")
    config = Config(
        family="distilbert",
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("dim"),
        layers=settings.layers("n_layers"),
        heads=settings.size("n_heads"),
        intermediate_size=settings.size("hidden_dim"),
        max_positions=settings.size("max_position_embeddings"),
        activation=activation,
        norm=Norm("layer", "after", 1e-12),
        dropout=settings.share("dropout"),
        output_dropout=0.0,  # the ecosystem's DistilBERT has none there
        attention_dropout=settings.share("attention_dropout"),
        span_dropout=settings.share("qa_dropout"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier("first", activation="relu", share=answers),
        vocabulary=masked_vocabulary(settings, activation),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "dim": config.hidden_size,
        "n_layers": config.layers,
        "n_heads": config.heads,
        "hidden_dim": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "activation": activation_name(config.extra, "activation", config.activation),
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "seq_classif_dropout": config.classifier.share,
        "qa_dropout": config.span_dropout,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = dict(embedding_names())
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"transformer.layer.{layer}"
        parts = [f"{theirs}.attention.{part}_lin" for part in "qkv"]
        names |= both(f"{ours}.attention.qkv", *parts)
        names |= both(f"{ours}.attention.output", f"{theirs}.attention.out_lin")
        names |= both(f"{ours}.attention_norm", f"{theirs}.sa_layer_norm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.ffn.lin1")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.ffn.lin2")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.output_layer_norm")
    return names


DISTILBERT = Family(
    name="distilbert",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": labelled(("pool", "pre_classifier"), ("classify", "classifier")),
        "token-classification": labelled(("classify", "classifier")),
        "question-answering": labelled(("classify", "qa_outputs")),
        "fill-mask": masked(
            "vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector.bias"
        ),
    },
    prefix="distilbert.",
    architectures=classes("DistilBert"),
    ignored=("embeddings.position_ids",),
)
